"""`medgan synthesize`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from medgan.cli.screen import NOTICE, PathType, Screen, common_options, device_option
from medgan.errors import InputRefusedError, MedganError, UsageError

if TYPE_CHECKING:
    from medgan.synthesis import Input, Result

_RUN = Path("medgan-run")
_EPILOG = """\b
Examples:
  medgan synthesize scan.nii.gz --target t2
  medgan synthesize scan.nii.gz --target t2 --model run -o t2.nii.gz
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --series 4
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --format dicom
  medgan synthesize SLICES_FOLDER --target t1 --model run -o out --format png
  medgan synthesize scan.nii.gz --target t2 -o t2.nii.gz --report --preview

One input and an --out that ends in .nii.gz writes exactly that file. Otherwise each input gives
STEM_desc-medganFromT1w_T2w.nii.gz in the folder --out (the working folder if not given), a PNG
beside it where the input is a picture, and a JSON sidecar. --format dicom gives a folder
STEM_desc-medganFromT1w_T2w with a derived MR series of the same patient and study. --report and
--preview put a page and a picture of the same name beside each result: both show the source, too."""


@click.command(epilog=_EPILOG)
@click.argument("inputs", nargs=-1, required=True, type=PathType(), metavar="INPUT...")
@click.option("--target", required=True, type=click.Choice(["t1", "t2"]), help="The contrast to make.")
@click.option(
    "--model",
    type=PathType(),
    metavar="NAME|DIR",
    help="A model that `medgan models` lists, or a run or model folder; if not given, ./medgan-run, or where "
    "there is none, the model that comes with medgan.",
)
@click.option("-o", "--out", type=PathType(), metavar="FILE_OR_DIR", help="Where to write.")
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["nifti", "png", "dicom"]),
    help="nifti, PNG pictures, or a derived DICOM series.",
)
@click.option(
    "--reference",
    type=PathType(),
    metavar="SERIES",
    help="With --format dicom and a NIfTI input: the DICOM series that it was converted from; --series "
    "then chooses in it.",
)
@click.option(
    "--deidentify",
    is_flag=True,
    help="With --format dicom: take out the patient's identity (PS3.15, basic profile).",
)
@click.option(
    "--report",
    is_flag=True,
    help="Also write an HTML page beside each result: it and its source in a viewer, and how it was made.",
)
@click.option(
    "--preview",
    is_flag=True,
    help="Also write a PNG beside each result: three planes of the source, below them of the result.",
)
@click.option("--series", metavar="UID_OR_NUMBER", help="Which DICOM series, where a folder holds several.")
@click.option("--echo", type=click.FloatRange(min=0), metavar="MS", help="Which echo of a DICOM series.")
@click.option(
    "--volume",
    type=click.IntRange(min=0),
    metavar="N",
    help="Which volume of a 4D NIfTI file, counted from 0.",
)
@click.option("--nan-to-zero", is_flag=True, help="Take NaN and infinite voxels of NIfTI as 0.")
@click.option(
    "--force",
    is_flag=True,
    help="Take scans that are synthetic themselves, or that are not their --reference's.",
)
@click.option(
    "--uncertainty",
    is_flag=True,
    help="Write maps of how far the image may be off: the error to expect, and what 90 % of voxels stay under.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Pass over results that are complete, unchanged, and of the same input and model.",
)
@device_option
@common_options
def command(
    inputs: tuple[Path, ...],
    target: str,
    model: Path | None,
    out: Path | None,
    wanted: str | None,
    reference: Path | None,
    deidentify: bool,
    report: bool,
    preview: bool,
    series: str | None,
    echo: float | None,
    volume: int | None,
    nan_to_zero: bool,
    force: bool,
    uncertainty: bool,
    resume: bool,
    device: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make the missing contrast of scans: files, DICOM folders, folders of scans, or zip archives."""
    screen = Screen(quiet=quiet, verbose=verbose)
    if wanted != "dicom" and (reference is not None or deidentify):
        option = "--reference" if reference is not None else "--deidentify"
        raise UsageError(
            f"{option} is for DICOM results; NIfTI and PNG carry no identity", remedy="Add --format dicom."
        )
    from medgan.scans.reading import Reading
    from medgan.synthesis import find_inputs, open_destination

    reading = Reading(series=None if reference else series, volume=volume, echo=echo, nan_to_zero=nan_to_zero)
    with open_destination(
        out or Path(),
        wanted=cast("Literal['nifti', 'png', 'dicom'] | None", wanted),
        reference=reference,
        series=series,
        deidentify=deidentify,
        force=force,
        extras=cast("list[Literal['preview', 'report']]", [*["preview"] * preview, *["report"] * report]),
    ) as destination:
        scans = find_inputs(inputs, series=reading.series)
        _refuse_at_once(screen, scans)
        from medgan.models import load_model  # with torch, which takes a second
        from medgan.synthesis import Synthesizer, synthesize_each

        loaded = load_model(_RUN if model is None and _RUN.is_dir() else model)
        synthesizer = Synthesizer(loaded, target=target, device=device, force=force, uncertainty=uncertainty)
        screen.say(f"Model: {loaded.in_a_line}")
        screen.device(synthesizer.device)
        if synthesizer.calibration is not None:
            screen.say(f"Uncertainty: {synthesizer.calibration.in_words}")
        results = synthesize_each(scans, synthesizer, destination, reading=reading, resume=resume)
        failures, total = _show(screen, results, len(scans), f"Making {synthesizer.target.label}")
    screen.say(NOTICE)
    _refuse(screen, failures, total)


def _refuse_at_once(screen: Screen, scans: Sequence[Input]) -> None:
    """Where there is nothing to synthesise, say so before anything heavy is loaded; tell of what was left out."""
    if all(one.refusal is not None for one in scans):
        _refuse(screen, [one.refusal for one in scans if one.refusal is not None], len(scans))
    from medgan.scans.shown_paths import shown_path

    for one in scans:
        if one.left_out:
            screen.say(f"{shown_path(one.given or one.path)}: {one.left_out}")


def _refuse(screen: Screen, failures: Sequence[MedganError], total: int) -> None:
    """One refusal as it is; of several scans each with its cause and way out, and what to do then."""
    if not failures:
        return
    if total == 1:
        raise failures[0]
    screen.refusals(failures)
    if len(failures) == total:
        raise InputRefusedError(
            f"all {total} inputs were refused, as listed; nothing is written",
            remedy="Give the same command again once they are mended.",
        )
    raise InputRefusedError(
        f"{len(failures)} of {total} inputs were refused, as listed; the others are written",
        remedy="Give the same command with --resume once they are mended: what is done is kept.",
    )


def _show(
    screen: Screen, results: Iterable[Result], expected: int, doing: str
) -> tuple[list[MedganError], int]:
    """Say what becomes of each scan; gives what was refused, and of how many (an archive may hold several)."""
    failures, kept, done = [], 0, 0
    with screen.progress() as bars:
        task = bars.add_task(doing, total=expected)
        for done, result in enumerate(results, start=1):
            bars.update(task, completed=done, total=max(done, expected))
            if result.error is not None:
                failures.append(result.error)
            for text in result.warnings:
                screen.warn(f"{result.name}: {text}")
            if result.kept:
                kept += 1
                continue
            for file in result.files:
                screen.say(f"{file}")
    if kept:
        screen.say(f"{kept} of {done} were there already, complete, and were kept.")
    return failures, done
