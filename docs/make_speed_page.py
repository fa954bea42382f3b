"""Write docs/explanation/speed.md from what the benchmarks wrote.

    python docs/make_speed_page.py STEPS.json COMMANDS.json

The files are those of `--json` of pipelines/benchmarks/training_step.py and synthesis.py, run on an idle machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "explanation" / "speed.md"
REFERENCE = "cyclegan_2017"
_HEAD = """# How fast it is

Written by `python docs/make_speed_page.py` from one run of `make bench`; times depend on the machine, ratios less so.

## A training step

On {steps}. The reference is the CycleGAN of Zhu et al. (ICCV 2017), written from the paper
(`pipelines/benchmarks/cyclegan_2017.py`, float32, batches of one), in the same run. A step of medgan is what
`medgan train` does, with the simulated pairs that a recipe mixes in. The floor is the step's floating-point operations
over the machine's measured rate of matrix products in the same precision; convolutions of few channels do not come
near it.

| what | pixels | batch | s a step | s an image | images in the reference's time | times the floor | peak memory |
|---|---|---|---|---|---|---|---|
"""
_COMMANDS = """
## From the prompt to the written file

On {commands}. Procedural heads, the model that comes with medgan, imports and all
(`pipelines/benchmarks/synthesis.py`).

| command | seconds | peak memory |
|---|---|---|
"""
_TAIL = """
## What made steps faster

Each generator takes real and simulated images in one pass, since instance norm keeps images apart: measured one after
the other on a quiet machine (two cores, bfloat16, `slices` with simulated pairs), a step went from 0.23 s to 0.18 s at
64 pixels and from 0.47 s to 0.41 s at 128, of which Adam in one kernel and the moving average in one call are 0.03 s
at 64 and 0.06 s at 128.

Tried and not kept: a higher `M_MMAP_THRESHOLD` (nothing at 64, 4 % at 128); `GLIBC_TUNABLES=glibc.malloc.hugetlb=1`
makes a step at 128 about 12 % faster on one thread where huge pages are on request, and can only be set before Python
starts, so it is left to you.
"""


def _memory(row: dict[str, Any]) -> str:
    return "?" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.2f} GiB"


def page(steps: dict[str, Any], commands: dict[str, Any]) -> str:
    """The page's Markdown."""
    lines = [_HEAD.format(steps=steps["where"])]
    for row in steps["rows"]:
        alike = (one for one in steps["rows"] if (one["what"], one["size"]) == (REFERENCE, row["size"]))
        beside = None if row["what"] == "volumes" else next(alike, None)
        ratio = f"{beside['seconds_per_image'] / row['seconds_per_image']:.1f}" if beside else "-"
        name = "CycleGAN of 2017" if row["what"] == REFERENCE else f"`{row['what']}`"
        name += f", slabs of {row['slab']}" if row["slab"] > 1 else ""
        size = f"{row['size']}³" if row["what"] == "volumes" else f"{row['size']}²"
        lines.append(
            f"| {name} | {size} | {row['batch']} | {row['seconds_per_step']:.3f} | {row['seconds_per_image']:.3f} "
            f"| {ratio} | {row['times_the_floor']:.1f} | {_memory(row)} |\n"
        )
    lines.append(_COMMANDS.format(commands=commands["where"]))
    lines += [f"| `{row['command']}` | {row['seconds']:.1f} | {_memory(row)} |\n" for row in commands["rows"]]
    return "".join([*lines, _TAIL])


if __name__ == "__main__":
    read = [json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:3]]
    PAGE.write_text(page(*read), encoding="utf-8", newline="\n")
