"""Write docs/explanation/speed.md from what the benchmarks wrote.

    python docs/make_speed_page.py FOLDER

The folder is that of `make bench`, run on an idle machine: training_step.json, quality.json, preparing.json and
synthesis.json. What was tried on the way, and what each change gained, is told in docs/speed_told.txt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "explanation" / "speed.md"
TOLD = Path(__file__).with_name("speed_told.txt")
REFERENCE, OF_SEEDS = "cyclegan_2017", "notebooks"
_NAMES = {REFERENCE: "CycleGAN of 2017", OF_SEEDS: "the notebooks' U-Net, plain torch"}

_STEPS = """# How fast it is

Written by `python docs/make_speed_page.py` from what the benchmarks of `make bench` (`pipelines/benchmarks/`) wrote on
{where}. Times depend on the machine, ratios less so.

## A training step

On {device}, {threads} threads. The references are the CycleGAN of Zhu et al. (ICCV 2017), written from the paper
(`cyclegan_2017.py`, float32, batches of one), and the notebooks that medgan grew from, the U-Net of TensorFlow's tutorial
(`notebooks.py`, float32, batches of 32), both in plain torch and in the same run. A step of medgan is what `medgan train`
does, with the simulated pairs that a recipe mixes in. The floor is the step's floating-point operations over the measured
rate of matrix products in the same precision; convolutions of few channels do not come near it.

| what | pixels | batch | s a step | s an image | images in the time of one of 2017's | of the notebooks' | times the floor | peak memory |
|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501 - Markdown
_QUALITY = """
## What the same time is worth

{minutes:g} minutes of training each, from fresh weights, on the same {training} unpaired procedural heads of 120 x 144 x 108
voxels; {heads} others are judged whole, under `medgan.evaluation.PROTOCOL` (`quality.py`). The warm-up of `slices` simulates
its pairs with the simulator that also made these heads; the line without simulated pairs has no such help.

| trained | steps | to T2w: SSIM (r) | to T1w: SSIM (r) |
|---|---|---|---|
"""  # noqa: E501 - Markdown
_PREPARING = """
## Reading and preparing

A NIfTI file of 182 x 218 x 182 voxels, a DICOM series of 200 files of 256 x 256, and 89 PNG pictures of 181 x 217
(`preparing.py`). Reading is with all checks of geometry and values; beside it, nibabel, pydicom or Pillow read the same
voxels and check nothing. Preparing happens once for each scan of a training, the last column every further time. The floor
is the bytes of files and voxels over the measured rate of copying memory.

| | reading | plain library | preparing | found prepared | floor | peak memory |
|---|---|---|---|---|---|---|
"""  # noqa: E501 - Markdown
_COMMANDS = """
## From the prompt to the written file

Procedural heads, the model that comes with medgan, imports and all (`synthesis.py`). Peaks are of the first process.

| command | seconds | a scan | peak memory |
|---|---|---|---|
"""
_PARTS = """
The parts of the 1 mm head, once all is loaded, in seconds. The generator of 2017 is timed on two slices and multiplied.

| part | seconds |
|---|---|
"""


def page(found: dict[str, dict[str, Any]], told: str) -> str:
    """The page's Markdown.

    Args:
        found: what each benchmark wrote, by its name.
        told: what is said of changes and attempts.
    """
    steps, quality, commands = found["training_step"], found["quality"], found["synthesis"]
    lines = [_STEPS.format(**steps), *(_step(row, steps["rows"]) for row in steps["rows"])]
    lines.append(_QUALITY.format(training=12, **quality["rows"][0]))
    lines += [_judged(row) for row in quality["rows"]]
    lines += [_PREPARING, *(_prepared(row) for row in found["preparing"]["rows"])]
    lines += [_COMMANDS, *(_command(row) for row in commands["rows"])]
    lines += [_PARTS, *(f"| {name} | {seconds:.2f} |\n" for name, seconds in commands["parts"].items())]
    return "".join([*lines, "\n", told])


def _step(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    ratios = " | ".join(_ratio(row, rows, reference) for reference in (REFERENCE, OF_SEEDS))
    name = _NAMES.get(row["what"], f"`{row['what']}`") + (
        f", slabs of {row['slab']}" if row["slab"] > 1 else ""
    )
    size = f"{row['size']}³" if row["what"] == "volumes" else f"{row['size']}²"
    return (
        f"| {name} | {size} | {row['batch']} | {row['seconds_per_step']:.3f} | {row['seconds_per_image']:.3f} "
        f"| {ratios} | {row['times_the_floor']:.1f} | {_memory(row)} |\n"
    )


def _ratio(row: dict[str, Any], rows: list[dict[str, Any]], reference: str) -> str:
    if row["what"] == "volumes" or (reference == OF_SEEDS and row["what"] not in (OF_SEEDS, "seeds")):
        return "-"
    alike = (one for one in rows if (one["what"], one["size"]) == (reference, row["size"]))
    beside = next(alike, None)
    return f"{beside['seconds_per_image'] / row['seconds_per_image']:.1f}" if beside else "-"


def _judged(row: dict[str, Any]) -> str:
    scores = " | ".join(f"{row[f'ssim_to_{key}']:.3f} ({row[f'r_to_{key}']:.2f})" for key in ("t2", "t1"))
    return f"| {row['method']} | {row['steps'] or '-'} | {scores} |\n"


def _prepared(row: dict[str, Any]) -> str:
    seconds = " | ".join(
        f"{row[name]:.3f}" for name in ("reading", "reading_plainly", "preparing", "prepared_before", "floor")
    )
    return f"| {row['kind']} | {seconds} | {_memory(row)} |\n"


def _command(row: dict[str, Any]) -> str:
    each = f"{row['seconds'] / row['scans']:.1f}" if row.get("scans", 1) > 1 else "-"
    return f"| `{row['command']}` | {row['seconds']:.1f} | {each} | {_memory(row)} |\n"


def _memory(row: dict[str, Any]) -> str:
    return "?" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.2f} GiB"


def main() -> None:
    """Read the folder and write the page."""
    folder = Path(sys.argv[1])
    names = ("training_step", "quality", "preparing", "synthesis")
    found = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    PAGE.write_text(page(found, TOLD.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
