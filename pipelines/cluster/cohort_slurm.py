"""A cohort on a Slurm cluster: starts Dask workers as jobs, runs `medgan synthesize --dask` on them, and ends them.

Run it where it may stay for as long as the cohort takes: on a login node in tmux, or as a small job of its own. All
that follows `--` is what `medgan synthesize` takes.

    python pipelines/cluster/cohort_slurm.py --jobs 50 --cores 4 --memory 8GiB --walltime 04:00:00 --queue cpu \
        -- /data/cohort --target t2 -o /data/out --resume

Needs `pip install "medgan[cluster]"` in an environment, and scans and results on a file system, that all nodes share.
With `--show` it prints the jobs' script and starts nothing; that needs no Slurm.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import dask
from dask_jobqueue import SLURMCluster
from distributed import Security


def cluster(options: argparse.Namespace, security: Any) -> Any:
    """A scheduler in this process; no job is started yet. A job is one worker, which makes one scan at a time."""
    return SLURMCluster(
        queue=options.queue,
        account=options.account,
        cores=options.cores,  # the threads that one scan is computed with
        processes=1,
        memory=options.memory,
        walltime=options.walltime,
        job_extra_directives=["--requeue", *options.directive],
        log_directory=options.logs,
        local_directory="${TMPDIR:-/tmp}",
        worker_extra_args=["--no-dashboard"],
        scheduler_options={"dashboard": False, "dashboard_address": ":0"},
        security=security,
        protocol="tls://",
        shared_temp_directory=str(
            options.keys.absolute()
        ),  # files that their owner alone reads, gone at the end
    )


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options, and below `medgan` what follows `--`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=10, help="workers at a time")
    parser.add_argument("--cores", type=int, default=2, help="of each")
    parser.add_argument("--memory", default="6GiB", help="of each; a head of 1 mm takes 1 GiB")
    parser.add_argument("--walltime", default="04:00:00", help="of each; a new one takes its place")
    parser.add_argument("--queue", help="Slurm's partition")
    parser.add_argument("--account")
    parser.add_argument("--directive", action="append", default=[], help="any other, such as --gres=gpu:1")
    parser.add_argument("--logs", default="medgan-slurm-logs", help="folder of the jobs' output")
    parser.add_argument(
        "--keys", type=Path, default=Path(), help="folder on a shared file system for the jobs' TLS keys"
    )
    parser.add_argument("--show", action="store_true", help="print the jobs' script and end")
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    options.medgan = arguments[split + 1 :]
    if not options.medgan and not options.show:
        parser.error("say after -- what medgan synthesize is to do")
    return options


def main(arguments: list[str]) -> None:
    """Run the cohort, and exit as `medgan` does."""
    options = parsed(arguments)
    security = Security.temporary()
    keys = security.get_tls_config_for_role("client")
    settings = {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": keys["ca_file"],
        "distributed.comm.tls.client.cert": keys["cert"],
        "distributed.comm.tls.client.key": keys["key"],
    }
    with dask.config.set(settings), cluster(options, security) as jobs:
        if options.show:
            print(jobs.job_script())
            return
        jobs.adapt(minimum=options.jobs, maximum=options.jobs)  # a job that ends is replaced
        sys.argv = ["medgan", "synthesize", *options.medgan, "--dask", jobs.scheduler_address]
        from medgan.cli import main as medgan

        medgan()


if __name__ == "__main__":
    main(sys.argv[1:])
