"""Write docs/explanation/hundred-thousand-scans.md from what a benchmark wrote, and from prices that are assumed.

    python docs/make_planning_page.py COMMANDS.json [--price 0.05] [--spot 0.35] [--storage 0.023] [--lost 0.05] ...

COMMANDS.json is that of `pipelines/benchmarks/synthesis.py --json`, run on an idle machine. All prices and shares are
assumptions: give your own.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "explanation" / "hundred-thousand-scans.md"
_WORKERS = (1, 10, 50, 200)
_TEXT = """# What {scans:,} scans take

Written by `python docs/make_planning_page.py`, from one run of `pipelines/benchmarks/synthesis.py` (on {where})
and from assumptions that are listed below and can be given anew. It is a plan, not a measurement of a cohort of that
size.

## Measured

| of a head of 182 x 218 x 182 voxels of 1 mm, on {cores} cores | |
|---|---|
| a cohort by one worker a core, their start included | {seconds:.1f} s each |
| start of a worker (libraries, model) and its first scan | {startup:.1f} s |
| memory of a worker | {memory:.1f} GiB |
| input, int16 `.nii.gz` | {read:.1f} MB |
| result, float32 `.nii.gz`, with its sidecar | {written:.1f} MB |

## Assumed

| | | option |
|---|---|---|
| a core-hour costs | {price:g} | `--price` |
| on machines that may be taken away (spot) it costs a share of | {spot:g} | `--spot` |
| of which a share is lost to scans begun twice and workers started anew | {lost:.0%} | `--lost` |
| a machine takes longer than the benchmark's, by a factor of | {slower:g} | `--slower` |
| a GB kept for a month costs | {storage:g} | `--storage` |

Prices are in the currency of your bill. Nothing is counted for the time that jobs wait in a queue, for reading from
slower storage than the benchmark's, or for what goes over a network.

## {scans:,} scans

{core_hours:,.0f} core-hours: {scans:,} x {seconds:.1f} s x {cores} cores x {slower:g}.
They cost {cost:,.0f}; on spot machines {spot_cost:,.0f}, with {lost:.0%} lost.

| machines of {cores} cores | hours | hours, spot |
|---|---|---|
{rows}

Scans take {read_all:,.2f} TB, results {written_all:,.2f} TB: {stored:,.0f} a month for the results. With `--report`
each has a page beside it that holds both images, with `--uncertainty` two maps, in three times the time.

## What bounds it

- **The command** finds all scans before it begins: below 2 ms for a NIfTI file, measured for 10,000 small ones on a
  local disk; a DICOM series takes as long as the headers of its files. A scan's way to a worker and back takes it
  about 12 ms, measured with answers that needed no work, on two cores that two workers and other work shared. So one
  command can keep some hundred workers busy; for more, give parts of the cohort to several commands.
- **Memory** of a worker is that of one scan. Where a scan wants more than its node has, the worker is ended; the scan
  comes last, alone, and is refused if that does not help either.
- **Storage** is read and written once for each scan: at {seconds:.1f} s a scan, 100 workers read {rate_in:,.0f} MB/s
  and write {rate_out:,.0f} MB/s.
- **A run that is stopped** goes on with `--resume`. What is done is verified by its checksums, on the workers; that
  reads inputs and results once.

How to run it: [cohorts on a cluster](../how-to/cohorts-on-a-cluster.md).
"""


def measured(commands: dict[str, Any]) -> dict[str, float]:
    """Seconds and bytes of a scan, and what a worker takes to start, from a cohort by workers and from one scan."""
    single = next(row for row in commands["rows"] if row["command"] == "medgan synthesize, 1 mm head")
    pattern = re.compile(r"medgan synthesize, \d+ heads of 1 mm, --workers \d+")
    cohort = next(row for row in commands["rows"] if pattern.fullmatch(row["command"]))
    count = cohort["scans"]
    return {
        "seconds": cohort["seconds"] / count,
        "startup": single["seconds"],
        "memory": single["peak_bytes"] / 2**30,
        "read": cohort["input_bytes"] / count / 1e6,
        "written": cohort["output_bytes"] / count / 1e6,
    }


def page(commands: dict[str, Any], options: argparse.Namespace) -> str:
    """The page's Markdown."""
    known, cores, scans = measured(commands), commands["cores"], options.scans
    work = scans * known["seconds"] * options.slower / 3600  # hours of one worker
    core_hours = work * cores
    rows = []
    for workers in _WORKERS:
        hours = work / workers + known["startup"] / 3600
        rows.append(f"| {workers} | {_hours(hours)} | {_hours(hours / (1 - options.lost))} |")
    return _TEXT.format(
        **known,
        **{name: getattr(options, name) for name in ("scans", "price", "spot", "lost", "slower", "storage")},
        where=commands["where"],
        cores=cores,
        core_hours=core_hours,
        cost=core_hours * options.price,
        spot_cost=core_hours * options.price * options.spot / (1 - options.lost),
        rows="\n".join(rows),
        read_all=scans * known["read"] / 1e6,
        written_all=scans * known["written"] / 1e6,
        stored=scans * known["written"] / 1e3 * options.storage,
        rate_in=100 * known["read"] / known["seconds"],
        rate_out=100 * known["written"] / known["seconds"],
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours < 48 else f"{hours:.0f} ({hours / 24:.1f} days)"


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, with what is assumed where nothing is said."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", type=Path)
    parser.add_argument("--scans", type=int, default=100_000)
    parser.add_argument("--price", type=float, default=0.05, help="of a core-hour")
    parser.add_argument("--spot", type=float, default=0.35, help="share of it that a spot machine costs")
    parser.add_argument(
        "--lost", type=float, default=0.05, help="share of the work that is lost there, below 1"
    )
    parser.add_argument("--slower", type=float, default=1.0, help="how much longer a scan takes than here")
    parser.add_argument("--storage", type=float, default=0.023, help="price of a GB and month")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asked = parsed()
    read = json.loads(asked.commands.read_text(encoding="utf-8"))
    PAGE.write_text(page(read, asked), encoding="utf-8", newline="\n")
