"""`medgan calibrate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medgan.cli.screen import NOTICE, PathType, Screen, common_options, device_option
from medgan.contrasts import contrast, other
from medgan.errors import UsageError

if TYPE_CHECKING:
    from medgan.evaluation.matching import Acquired
    from medgan.scans import Scan

_EPILOG = """\b
Examples:
  medgan calibrate --model run --t1-dir T1 --t2-dir T2
  medgan calibrate --model brain --t1-dir T1 --t2-dir T2 -o my-brain

T1w and T2w scans of the same people, each pair on one grid; people that the model was trained on make it look better
than it is. What is learnt is kept in the model, and told by `medgan synthesize --uncertainty`. To see whether it holds,
evaluate other pairs: medgan evaluate --model run --t1-dir T1 --t2-dir T2."""


@click.command(epilog=_EPILOG)
@click.option("--model", required=True, type=PathType(), metavar="NAME|DIR", help="The model.")
@click.option("--t1-dir", required=True, type=PathType(), metavar="DIR", help="T1w scans.")
@click.option(
    "--t2-dir",
    required=True,
    type=PathType(),
    metavar="DIR",
    help="T2w scans of the same people, registered.",
)
@click.option(
    "-o",
    "--out",
    type=PathType(),
    metavar="DIR",
    help="Write a copy of the model with what was learnt there; if not given, it is kept in the model itself.",
)
@device_option
@common_options
def command(
    model: Path, t1_dir: Path, t2_dir: Path, out: Path | None, device: str, quiet: bool, verbose: bool
) -> None:
    """Let a model know how far off it is: what signs of trouble meant on pairs that it was not trained on."""
    screen = Screen(quiet=quiet, verbose=verbose)
    from medgan.evaluation.matching import match_acquired

    subjects, alone = match_acquired(t1_dir, t2_dir)
    from medgan.models import load_model
    from medgan.models.catalogue import name_of
    from medgan.models.publishing import publish_model
    from medgan.uncertainty import calibrate, keep_calibration

    given = load_model(model)
    if out is None and name_of(given.folder):
        raise UsageError(
            "comes with medgan, and is not changed", file=model, remedy="Give a folder for a copy with --out."
        )
    if out is not None and out.exists():
        raise UsageError("exists already", file=out, remedy="Give a new folder with --out.")
    screen.say(f"Model: {given.in_a_line}")
    with screen.progress() as bars:
        task = bars.add_task("Calibrating", total=len(subjects))
        found = calibrate(
            given,
            _pairs(subjects),
            made_from="acquired",
            device=device,
            advance=lambda done: bars.update(task, completed=done),
        )
    if out is None:
        keep_calibration(given, found)
    else:
        manifest = given.manifest
        publish_model(given, out, name=manifest.name, about=manifest.about, calibration=found)
    for one in found:
        direction = f"{contrast(other(one.target).key).label} to {contrast(one.target).label}"
        screen.say(f"{direction}: {one.in_words}")
    for text in alone:
        screen.warn(text)
    screen.say(NOTICE)


def _pairs(subjects: list[Acquired]) -> Iterator[dict[str, Scan]]:
    from medgan.scans import read_scan

    for subject in subjects:
        yield {"t1": read_scan(subject.t1), "t2": read_scan(subject.t2)}
