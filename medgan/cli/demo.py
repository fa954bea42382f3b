"""`medgan demo`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from medgan.cli.screen import NOTICE, PathType, Screen, common_options, device_option
from medgan.contrasts import contrast, other

_EPILOG = """\b
Example:
  medgan demo -o medgan-demo"""


@click.command(epilog=_EPILOG)
@click.option(
    "-o",
    "--out",
    default="medgan-demo",
    show_default=True,
    type=PathType(),
    metavar="DIR",
    help="A new folder.",
)
@device_option
@common_options
def command(out: Path, device: str, quiet: bool, verbose: bool) -> None:
    """Train for some minutes on procedural heads, and synthesise one that was held out.

    The heads are made by code: other people in the T1w folder than in the T2w folder, as NIfTI, DICOM and PNG.
    The held-out head's true T2w and T1w are known, so the result is compared with them and with two baselines.
    """
    screen = Screen(quiet=quiet, verbose=verbose)
    from medgan.cli.train import TrainingScreen
    from medgan.demonstration import demonstrate

    screen.say(f"Making procedural heads in {out / 'data'}")
    with TrainingScreen(screen) as observer:
        shown = demonstrate(out, device=device, observer=observer)
    table = Table(title="A held-out head against its truth (inside the head)")
    for heading in ("", "PSNR (dB)", "SSIM", "r"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in shown.comparisons:
        here, there = other(one.target).label, contrast(one.target).label
        for name, figures in (
            (f"{here} to {there}: medgan", one.medgan),
            ("  baseline: the source copied", one.copied),
            ("  baseline: its histogram matched", one.histogram),
        ):
            table.add_row(name, f"{figures.psnr:.2f}", f"{figures.ssim:.3f}", f"{figures.r:.3f}")
    screen.console.print(table)
    screen.say("The warm-up saw other heads of the same simulator, so this says nothing about real scans.")
    screen.say(f"Look at {shown.picture}; the model is in {out / 'run' / 'model'}.")
    screen.say(NOTICE)
