"""`medgan synthesize`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from medgan.cli.screen import NOTICE, Screen, common_options, device_option
from medgan.errors import InputRefusedError, MedganError, ModelRefusedError, UsageError

if TYPE_CHECKING:
    from medgan.synthesis import Result

_DEFAULT_RUN = Path("medgan-run")
_EPILOG = """\b
Examples:
  medgan synthesize scan.nii.gz --target t2
  medgan synthesize scan.nii.gz --target t2 --model run -o t2.nii.gz
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --series 4
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --format dicom
  medgan synthesize SLICES_FOLDER --target t1 --model run -o out --format png

One input and an --out that ends in .nii.gz writes exactly that file. Otherwise each input gives
STEM_desc-medganFromT1w_T2w.nii.gz in the folder --out (the working folder if not given), a PNG
beside it where the input is a picture, and a JSON sidecar. --format dicom gives a folder
STEM_desc-medganFromT1w_T2w with a derived MR series of the same patient and study."""


@click.command(epilog=_EPILOG)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT...")
@click.option("--target", required=True, type=click.Choice(["t1", "t2"]), help="The contrast to make.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="RUN_OR_MODEL",
    help="A run or model folder; ./medgan-run if not given.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE_OR_DIR", help="Where to write.")
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["nifti", "png", "dicom"]),
    help="nifti, PNG pictures, or a derived DICOM series.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="SERIES",
    help="With --format dicom and a NIfTI input: the DICOM series that it was converted from; --series "
    "then chooses in it.",
)
@click.option(
    "--deidentify",
    is_flag=True,
    help="With --format dicom: take out the patient's identity (PS3.15, basic profile).",
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
@click.option("--force", is_flag=True, help="Take scans that are synthetic themselves.")
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
    series: str | None,
    echo: float | None,
    volume: int | None,
    nan_to_zero: bool,
    force: bool,
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
    if model is None and not _DEFAULT_RUN.is_dir():
        raise ModelRefusedError(
            "no model was given, and there is no medgan-run in the working folder",
            remedy="Give one with --model, or train one with `medgan train --t1-dir T1 --t2-dir T2`.",
        )
    from medgan.models import load_model
    from medgan.scans.reading import Reading
    from medgan.synthesis import Synthesizer, find_inputs, open_destination, synthesize_each

    reading = Reading(series=None if reference else series, volume=volume, echo=echo, nan_to_zero=nan_to_zero)
    with open_destination(
        out or Path(),
        wanted=cast("Literal['nifti', 'png', 'dicom'] | None", wanted),
        reference=reference,
        series=series,
        deidentify=deidentify,
    ) as destination:
        scans = find_inputs(inputs, series=reading.series)
        loaded = load_model(model or _DEFAULT_RUN)
        synthesizer = Synthesizer(loaded, target=target, device=device, force=force)
        screen.say(f"Model: {loaded.manifest.name} in {loaded.folder}")
        screen.device(synthesizer.device)
        results = synthesize_each(scans, synthesizer, destination, reading=reading, resume=resume)
        failures, total = _show(screen, results, len(scans), f"Making {synthesizer.target.label}")
    screen.say(NOTICE)
    if total == 1 and failures:
        raise failures[0]
    if failures:
        for error in failures:
            screen.warn(f"{error.file}: {error.cause}" if error.file else error.cause)
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
            for text in result.synthetic.warnings if result.synthetic else ():
                screen.warn(f"{result.name}: {text}")
            if result.kept:
                kept += 1
                continue
            for file in result.files:
                screen.say(f"{file}")
    if kept:
        screen.say(f"{kept} of {done} were there already, complete, and were kept.")
    return failures, done
