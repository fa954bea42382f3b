"""The launchers for Slurm, with stand-ins for Slurm's commands that run jobs on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import medgan

CLUSTER = Path(__file__).parents[2] / "pipelines" / "cluster"
ROOT = Path(medgan.__file__).parents[1]


def stand_in(folder: Path, name: str, script: str) -> None:
    """A command of Slurm's."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """An environment in which `sbatch` starts a job here, in the background, and `srun` in the foreground."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed (medgan[cluster])")
    commands, jobs = tmp_path / "commands", tmp_path / "jobs"
    jobs.mkdir()
    stand_in(
        commands,
        "sbatch",
        f'cp "$1" {jobs}/script; setsid bash {jobs}/script >{jobs}/log 2>&1 & echo "$!" >>{jobs}/running\n'
        'echo "Submitted batch job 17"',
    )
    stand_in(
        commands, "scancel", f"for job in $(cat {jobs}/running); do kill -9 -- -$job 2>/dev/null; done; true"
    )
    stand_in(commands, "scontrol", "echo node1; echo node2")
    stand_in(commands, "srun", f'shift; printf "%s\\n" "$OMP_NUM_THREADS" "$@" >{jobs}/srun')
    return os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


def run(*arguments: object, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(argument) for argument in arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=150)


def test_a_job_is_one_worker_with_keys_and_no_dashboard(slurm: dict[str, str], tmp_path: Path) -> None:
    options = ("--show", "--queue", "gpu", "--cores", 4, "--directive=--gres=gpu:1")
    done = run(sys.executable, CLUSTER / "cohort_slurm.py", *options, environment=slurm, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "script").write_text(done.stdout, encoding="utf-8")
    assert run("bash", "-n", "script", environment=slurm, folder=tmp_path).returncode == 0
    for said in (
        "#SBATCH -p gpu",
        "#SBATCH --gres=gpu:1",
        "--nthreads 4 ",
        "tls://",
        "--tls-key",
        "--no-dashboard",
    ):
        assert said in done.stdout
    assert "--nworkers" not in done.stdout
    assert not (tmp_path / "jobs" / "running").exists()
    assert not list(tmp_path.glob("*key*"))


def test_what_medgan_is_to_do_has_to_be_said(slurm: dict[str, str], tmp_path: Path) -> None:
    done = run(sys.executable, CLUSTER / "cohort_slurm.py", "--jobs", 1, environment=slurm, folder=tmp_path)
    assert done.returncode == 2
    assert "say after --" in done.stderr


@pytest.mark.slow
def test_a_cohort_is_made_by_jobs_and_they_end_with_it(
    slurm: dict[str, str], tiny_run: Path, head: Callable[..., Path], tmp_path: Path
) -> None:
    for person, name in enumerate("abc", start=1):
        head(tmp_path / "in" / f"{name}.nii.gz", "t1", person)
    asked = ("in", "--target", "t2", "--model", tiny_run, "-o", "out", "--device", "cpu")
    launcher = (sys.executable, CLUSTER / "cohort_slurm.py", "--jobs", 1)
    done = run(*launcher, "--", *asked, environment=slurm, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6
    for job in (tmp_path / "jobs" / "running").read_text(encoding="utf-8").split():
        end = time.monotonic() + 30  # they are told to end, and take a moment
        while subprocess.run(["pgrep", "-g", job], capture_output=True).returncode == 0:  # noqa: S607
            assert time.monotonic() < end
            time.sleep(0.2)


def test_a_training_is_started_once_on_each_node_with_a_process_for_each_gpu(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    script = CLUSTER / "train_slurm.sbatch"
    assert run("bash", "-n", script, environment=slurm, folder=tmp_path).returncode == 0
    job = {"SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node[1-2]"}
    job |= {"SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "8"}
    done = run("bash", script, "--t1-dir", "a b", environment=slurm | job, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    threads, *said = (tmp_path / "jobs" / "srun").read_text(encoding="utf-8").split("\n")
    assert threads == "2"
    options = dict(zip(said[3:11:2], said[4:12:2], strict=True))
    assert said[1:3] == ["-m", "torch.distributed.run"]
    assert (options["--nnodes"], options["--nproc-per-node"]) == ("2", "4")
    assert options["--rdzv-endpoint"] == "node1:20005"
    assert said[-6:-1] == ["--module", "medgan", "train", "--t1-dir", "a b"]
    assert (
        subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--help"], capture_output=True
        ).returncode
        == 0
    )
