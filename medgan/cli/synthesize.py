"""`medgan synthesize`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import click

from medgan.cli.screen import NOTICE, Screen, common_options, device_option
from medgan.errors import InputRefusedError, ModelRefusedError

_DEFAULT_RUN = Path("medgan-run")
_EPILOG = """\b
Examples:
  medgan synthesize scan.nii.gz --target t2
  medgan synthesize scan.nii.gz --target t2 --model run -o t2.nii.gz
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --series 4
  medgan synthesize SLICES_FOLDER --target t1 --model run -o out --format png

One input and an --out that ends in .nii.gz writes exactly that file. Otherwise each input gives
STEM_desc-medganFromT1w_T2w.nii.gz in the folder --out (the working folder if not given), a PNG
beside it where the input is a picture, and a JSON sidecar."""


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
@click.option("--format", "wanted", type=click.Choice(["nifti", "png"]), help="nifti, or PNG pictures.")
@click.option("--series", metavar="UID_OR_NUMBER", help="Which DICOM series, where a folder holds several.")
@click.option(
    "--volume",
    type=click.IntRange(min=0),
    metavar="N",
    help="Which volume of a 4D NIfTI file, counted from 0.",
)
@device_option
@common_options
def command(
    inputs: tuple[Path, ...],
    target: str,
    model: Path | None,
    out: Path | None,
    wanted: str | None,
    series: str | None,
    volume: int | None,
    device: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make the missing contrast of scans: files, DICOM folders, or folders of scans."""
    screen = Screen(quiet=quiet, verbose=verbose)
    if model is None and not _DEFAULT_RUN.is_dir():
        raise ModelRefusedError(
            "no model was given, and there is no medgan-run in the working folder",
            remedy="Give one with --model, or train one with `medgan train --t1-dir T1 --t2-dir T2`.",
        )
    from medgan.models import load_model
    from medgan.synthesis import Synthesizer, find_inputs, synthesize_each

    scans = find_inputs(inputs, series=series)
    loaded = load_model(model or _DEFAULT_RUN)
    synthesizer = Synthesizer(loaded, target=target, device=device)
    screen.say(f"Model: {loaded.manifest.name} in {loaded.folder}")
    screen.device(synthesizer.device)
    results = synthesize_each(
        scans,
        synthesizer,
        out=out or Path(),
        wanted=cast("Literal['nifti', 'png'] | None", wanted),
        series=series,
        volume=volume,
    )
    failures = []
    with screen.progress() as bars:
        task = bars.add_task(f"Making {synthesizer.target.label}", total=len(scans))
        for result in results:
            bars.advance(task)
            if result.error is not None:
                failures.append(result.error)
            for text in result.synthetic.warnings if result.synthetic else ():
                screen.warn(f"{result.name}: {text}")
            for file in result.files:
                screen.say(f"{file}")
    screen.say(NOTICE)
    if len(failures) == 1 and len(scans) == 1:
        raise failures[0]
    if failures:
        for error in failures:
            screen.warn(f"{error.file}: {error.cause}")
        raise InputRefusedError(
            f"{len(failures)} of {len(scans)} inputs were refused, as listed; the others are written"
        )
