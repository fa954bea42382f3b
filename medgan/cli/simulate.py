"""`medgan simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from medgan.cli.screen import PathType, Screen, common_options
from medgan.devices import memory_errors

if TYPE_CHECKING:
    from medgan.sample_data.simulated import Format, Lesions

_MEMORY_REMEDY = "Take a coarser --spacing or thicker slices (--thick), or close other programs."
_EPILOG = """\b
Examples:
  medgan simulate -o simulated --subjects 4
  medgan simulate -o simulated --subjects 20 --labels label-maps --unpaired
  medgan simulate -o clinical --subjects 5 --labels label-maps --lesions ms --thick 5 --format dicom"""


@click.command(epilog=_EPILOG)
@click.option(
    "-o",
    "--out",
    required=True,
    type=PathType(),
    metavar="DIR",
    help="A new folder, for T1 and T2.",
)
@click.option(
    "--subjects",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="People in each folder.",
)
@click.option(
    "--labels",
    type=PathType(),
    metavar="DIR",
    help="Label maps with FreeSurfer's codes (NIfTI or .mgz), such as SynthSeg's, or a folder of FreeSurfer's "
    "subjects; heads made by code where not given.",
)
@click.option(
    "--contrast",
    type=click.Choice(["t1", "t2", "both"]),
    default="both",
    show_default=True,
    help="Which contrasts to write.",
)
@click.option(
    "--paired/--unpaired",
    default=True,
    show_default=True,
    help="The same people in both folders, or no one in both.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["nifti", "dicom", "png"]),
    default="nifti",
    show_default=True,
    help="NIfTI files, DICOM series, or PNG slices.",
)
@click.option(
    "--lesions",
    type=click.Choice(["none", "ms", "tumour"]),
    default="none",
    show_default=True,
    help="Lesions in every subject; their masks go to DIR/lesions.",
)
@click.option(
    "--skull/--stripped",
    "skull",
    default=True,
    show_default=True,
    help="Whole heads, or skull-stripped brains.",
)
@click.option(
    "--spacing",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.5, 5.0),
    metavar="MM",
    help="Edge of a pixel.",
)
@click.option(
    "--thick",
    type=click.FloatRange(0.5, 10.0),
    metavar="MM",
    help="Thickness of the axial slices, such as 5 for clinical scans; as --spacing where not given.",
)
@click.option(
    "--field",
    type=click.Choice(["1.5", "3"]),
    help="Field strength in tesla; drawn for each subject where not given.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10**6),
    metavar="N",
    help="Other seeds give other people, poses and sequences.",
)
@common_options
def command(
    out: Path,
    subjects: int,
    labels: Path | None,
    contrast: str,
    paired: bool,
    kind: str,
    lesions: str,
    skull: bool,
    spacing: float,
    thick: float | None,
    field: str | None,
    seed: int,
    quiet: bool,
    verbose: bool,
) -> None:
    """Simulate T1w and T2w scans by physics: tissues' relaxation, sequences, coils, noise, thick slices.

    Each subject's anatomy, pose, tissue values and sequences are drawn anew. DIR/T1 and DIR/T2 are ready for
    `medgan train`; simulation.json tells what each scan was simulated with.
    """
    screen = Screen(quiet=quiet, verbose=verbose)
    from medgan.sample_data import Simulation, write_simulation

    simulation = Simulation(
        subjects=subjects,
        labels=labels,
        contrasts=("t1", "t2") if contrast == "both" else (contrast,),
        paired=paired,
        kind=cast("Format", kind),
        lesions=cast("Lesions", lesions),
        stripped=not skull,
        pixel_mm=spacing,
        slice_mm=thick,
        field_strength=float(field) if field else None,
        seed=seed,
    )
    with screen.progress() as bars, memory_errors(_MEMORY_REMEDY):
        task = bars.add_task("Simulating", total=None)
        written = write_simulation(
            out, simulation, advance=lambda done, total: bars.update(task, completed=done, total=total)
        )
    screen.say(f"{written} simulated scans are in {out}; no scanner was there, and simulation.json says so.")
