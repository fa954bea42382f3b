"""`medgan synthesize`."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from medgan.cli.bids import look_for_missing, refuse_with_bids, refuse_without_bids, tell_plan
from medgan.cli.results import refuse, refuse_at_once, show
from medgan.cli.screen import NOTICE, PathType, Screen, common_options, device_option
from medgan.contrasts import contrast
from medgan.errors import UsageError

if TYPE_CHECKING:
    from medgan.models import Model
    from medgan.synthesis import Input, Result, Terms

_RUN = Path("medgan-run")
_EPILOG = """\b
Examples:
  medgan synthesize scan.nii.gz --target t2
  medgan synthesize scan.nii.gz --target t2 --model run -o t2.nii.gz
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --series 4
  medgan synthesize DICOM_FOLDER --target t2 --model run -o out --format dicom
  medgan synthesize SLICES_FOLDER --target t1 --model run -o out --format png
  medgan synthesize scan.nii.gz --target t2 -o t2.nii.gz --report --preview
  medgan synthesize SCANS_FOLDER --target t2 -o out --workers 4
  medgan synthesize BIDS_ROOT --target t2 --bids --dry-run

One input and an --out that ends in .nii.gz writes exactly that file. Otherwise each input gives
STEM_desc-medganFromT1w_T2w.nii.gz in the folder --out (the working folder if not given), a PNG
beside it where the input is a picture, and a JSON sidecar. --format dicom gives a folder
STEM_desc-medganFromT1w_T2w with a derived MR series of the same patient and study. --report and
--preview put a page and a picture of the same name beside each result: both show the source, too.
--bids makes BIDS_ROOT/derivatives/medgan, a derivative data set of what sessions lack."""


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
@click.option(
    "--bids",
    is_flag=True,
    help="INPUT is the root of a BIDS data set: make what its sessions lack, as a derivative (needs medgan[bids]).",
)
@click.option(
    "--participant-label",
    "--participant_label",
    "participants",
    multiple=True,
    metavar="LABEL",
    help="With --bids: of this participant alone, with or without sub-. May be repeated.",
)
@click.option(
    "--session",
    "--session-label",
    "sessions",
    multiple=True,
    metavar="LABEL",
    help="With --bids: of this session alone, with or without ses-. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="With --bids: say what would be made, and write nothing.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Share a cohort among N processes of this machine (needs medgan[cluster]).",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Share a cohort among the workers of a Dask scheduler, by its address or scheduler file.",
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
    bids: bool,
    participants: tuple[str, ...],
    sessions: tuple[str, ...],
    dry_run: bool,
    workers: int | None,
    dask: str | None,
    device: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make the missing contrast of scans: files, DICOM folders, folders of scans, or zip archives."""
    screen = Screen(quiet=quiet, verbose=verbose)
    if bids:
        refuse_with_bids(
            {
                "--format": wanted not in (None, "nifti"),
                "--reference": reference,
                "--deidentify": deidentify,
                "--series": series,
                "--echo": echo is not None,
            }
        )
    else:
        refuse_without_bids(
            {"--participant-label": participants, "--session": sessions, "--dry-run": dry_run}
        )
    _refuse_what_does_not_go_together(wanted, reference, deidentify, workers, dask)
    missing = None
    if bids:
        missing = look_for_missing(screen, inputs, target, participants=participants, sessions=sessions)
        if not missing.inputs:
            return
    from medgan.scans.reading import Reading
    from medgan.synthesis import Terms, find_inputs, open_destination

    reading = Reading(series=None if reference else series, volume=volume, echo=echo, nan_to_zero=nan_to_zero)
    with open_destination(
        out or (Path() if missing is None else missing.default_out),
        wanted=cast("Literal['nifti', 'png', 'dicom'] | None", wanted),
        reference=reference,
        series=series,
        deidentify=deidentify,
        force=force,
        extras=cast("list[Literal['preview', 'report']]", [*["preview"] * preview, *["report"] * report]),
        raw=missing.root if missing is not None else None,
    ) as destination:
        terms = Terms(
            destination=destination, target=target, reading=reading, maps=uncertainty, resume=resume
        )
        if missing is not None and dry_run:
            tell_plan(screen, missing, terms)
            return
        scans = find_inputs(inputs, series=reading.series) if missing is None else missing.inputs
        refuse_at_once(screen, scans)
        from medgan.models import load_model  # with torch, which takes a second
        from medgan.synthesis.synthesizer import known_errors

        loaded = load_model(_RUN if model is None and _RUN.is_dir() else model)
        loaded.check(target)
        known = known_errors(loaded, target) if uncertainty else None
        results = _results(screen, scans, loaded, terms, device, force=force, workers=workers, dask=dask)
        if known is not None:
            screen.say(f"Uncertainty: {known.in_words}")
        with contextlib.closing(results):
            failures, total = show(screen, results, len(scans), f"Making {contrast(target).label}")
    screen.say(NOTICE)
    refuse(screen, failures, total)


def _refuse_what_does_not_go_together(
    wanted: str | None, reference: Path | None, deidentify: bool, workers: int | None, dask: str | None
) -> None:
    if wanted != "dicom" and (reference is not None or deidentify):
        option = "--reference" if reference is not None else "--deidentify"
        raise UsageError(
            f"{option} is for DICOM results; NIfTI and PNG carry no identity", remedy="Add --format dicom."
        )
    if workers is not None and dask is not None:
        raise UsageError(
            "--workers starts processes here, and --dask names others", remedy="Leave out one of the two."
        )
    if workers is not None or dask is not None:
        from medgan.integrations.cluster import require_dask

        require_dask()


def _results(
    screen: Screen,
    scans: Sequence[Input],
    model: Model,
    terms: Terms,
    device: str,
    *,
    force: bool,
    workers: int | None,
    dask: str | None,
) -> Generator[Result, None, None]:
    """The results, made here or by the workers of a cluster."""
    if workers is None and dask is None:
        from medgan.synthesis import Synthesizer, synthesize_each

        synthesizer = Synthesizer(
            model, target=terms.target, device=device, force=force, uncertainty=terms.maps
        )
        screen.say(f"Model: {model.in_a_line}")
        screen.device(synthesizer.device)
        return synthesize_each(
            scans, synthesizer, terms.destination, reading=terms.reading, resume=terms.resume
        )
    from medgan.integrations.cluster import connected, cores_per_worker, local_cluster, synthesize_on

    screen.say(f"Model: {model.in_a_line}")
    return synthesize_on(
        connected(dask) if dask is not None else local_cluster(workers or 1),
        scans,
        model,
        terms,
        device=device,
        force=force,
        threads=None if workers is None else cores_per_worker(workers),
        say=screen.say,
        warn=screen.warn,
    )
