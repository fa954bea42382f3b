"""`medgan evaluate`.

What -o leaves in its folder is described in docs/reference/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medgan.cli.evaluation_told import album_for, tell, tell_without_reference, watch
from medgan.cli.screen import PathType, Screen, common_options, device_option
from medgan.errors import UsageError

if TYPE_CHECKING:
    from medgan.assessment import WithoutReference

_EPILOG = """\b
Examples:
  medgan evaluate made_T2w.nii.gz real_T2w.nii.gz --source T1w.nii.gz -o judged
  medgan evaluate made_T2w.nii.gz real_T2w.nii.gz --register
  medgan evaluate --pred-dir made --ref-dir real --source-dir T1 -o judged
  medgan evaluate --model brain --t1-dir T1 --t2-dir T2 -o judged
  medgan evaluate made_T2w.nii.gz --source T1w.nii.gz --target-dir T2
  medgan evaluate --pred-dir made --source-dir T1 --target-dir T2 --model run -o judged

Subjects of two folders belong together where sub-, ses- and run- in their names agree, or without these the rest of
their names without the contrast. Without a source there are no baselines, and without these no figure tells whether
anything was learnt. Without a reference no figure tells whether the image is true."""


@click.command(epilog=_EPILOG)
@click.argument("pred", required=False, type=PathType(), metavar="[PRED]")
@click.argument("ref", required=False, type=PathType(), metavar="[REF]")
@click.option(
    "--source", type=PathType(), metavar="FILE", help="What PRED was made from: gives the baselines."
)
@click.option(
    "--target-dir",
    type=PathType(),
    metavar="DIR",
    help="Without a reference: acquired scans of other people in the contrast that was made, to compare with.",
)
@click.option(
    "--mask",
    type=PathType(),
    metavar="FILE",
    help="The foreground: what is above 0. Found in REF, or without it in the source, if not given.",
)
@click.option("--pred-dir", type=PathType(), metavar="DIR", help="Predictions of many subjects.")
@click.option("--ref-dir", type=PathType(), metavar="DIR", help="Their acquired scans.")
@click.option("--source-dir", type=PathType(), metavar="DIR", help="What the predictions were made from.")
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Synthesise --t1-dir and --t2-dir, both ways, and judge the results; without a reference: whose way back "
    "gives the cycle error.",
)
@click.option("--t1-dir", type=PathType(), metavar="DIR", help="With --model: T1w scans.")
@click.option(
    "--t2-dir", type=PathType(), metavar="DIR", help="With --model: T2w scans of the same subjects."
)
@click.option(
    "--register",
    is_flag=True,
    help="Move REF rigidly onto the grid of PRED first (mutual information).",
)
@click.option(
    "-o", "--out", type=PathType(), metavar="DIR", help="Write metrics.json, metrics.csv and report.html."
)
@device_option
@common_options
def command(out: Path | None, quiet: bool, verbose: bool, **options: Any) -> None:
    """Compare synthetic images with the scans that were acquired, beside what takes no learning."""
    screen = Screen(quiet=quiet, verbose=verbose)
    mode = _mode(options)
    if out is not None:
        from medgan.evaluation.document import refuse_taken

        refuse_taken(out)
    _MODES[mode](screen, out, options)


def _mode(options: Mapping[str, Any]) -> str:
    """Which of the ways to call it is meant.

    Raises:
        UsageError: options of several ways, or a part of one is missing.
    """
    given = {key for key, value in options.items() if value and key not in ("device", "register")}
    ways = {
        "pair": ({"pred", "ref"}, {"source", "mask"}),
        "alone": ({"pred", "source"}, {"mask", "target_dir", "model"}),
        "folders": ({"pred_dir", "ref_dir"}, {"source_dir"}),
        "folders alone": ({"pred_dir", "source_dir"}, {"target_dir", "model"}),
        "model": ({"model", "t1_dir", "t2_dir"}, set()),
    }
    for mode, (needed, allowed) in ways.items():
        if needed <= given <= needed | allowed:
            if mode.endswith("alone") and options["register"]:
                raise UsageError(
                    "--register moves a reference, and none is given", remedy="Give REF, or leave it out."
                )
            return mode
    way = (
        "Give PRED REF [--source --mask], or --pred-dir --ref-dir [--source-dir], or --model --t1-dir --t2-dir; or "
        "without a reference PRED --source [--target-dir --model --mask], or --pred-dir --source-dir [--target-dir "
        "--model]."
    )
    if not given:
        raise UsageError("nothing to compare is given", remedy=way)
    shown = ", ".join(sorted(_spelt(key) for key in given))
    raise UsageError(f"{shown}: these do not go together, or something is missing", remedy=way)


def _spelt(key: str) -> str:
    return key.upper() if key in ("pred", "ref") else f"--{key.replace('_', '-')}"


def _pair(screen: Screen, out: Path | None, options: Mapping[str, Any]) -> None:
    from medgan.scans import read_scan

    prediction, reference = read_scan(options["pred"]), read_scan(options["ref"])
    source, mask = (read_scan(options[key]) if options[key] else None for key in ("source", "mask"))
    from medgan.devices import memory_errors
    from medgan.evaluation.cohort import MEMORY_REMEDY
    from medgan.evaluation.judging import judge

    album = album_for(out)
    with memory_errors(MEMORY_REMEDY):
        judged = judge(
            prediction, reference, source=source, mask=mask, register=options["register"], look=album
        )
    tell(screen, [judged], album, out)


def _folders(screen: Screen, out: Path | None, options: Mapping[str, Any]) -> None:
    from medgan.evaluation.matching import match_folders

    found = match_folders(options["pred_dir"], options["ref_dir"], options["source_dir"])
    from medgan.evaluation.cohort import judge_each

    album = album_for(out)
    each = judge_each(found.subjects, register=options["register"], look=album)
    judged, refused = watch(screen, each, len(found.subjects))
    tell(screen, judged, album, out, refused=refused, alone=found.alone)


def _model(screen: Screen, out: Path | None, options: Mapping[str, Any]) -> None:
    from medgan.evaluation.matching import match_acquired

    subjects, alone = match_acquired(options["t1_dir"], options["t2_dir"])
    from medgan.assessment import assess
    from medgan.models import load_model

    model = load_model(options["model"])
    screen.say(f"Model: {model.in_a_line}")
    album = album_for(out)
    each = assess(model, subjects, register=options["register"], device=options["device"], look=album)
    judged, refused = watch(screen, each, len(subjects))
    tell(screen, judged, album, out, model=model.told_to_others, refused=refused, alone=alone)


def _alone(screen: Screen, out: Path | None, options: Mapping[str, Any]) -> None:
    from medgan.scans import read_scan

    prediction, source = read_scan(options["pred"]), read_scan(options["source"])
    mask = read_scan(options["mask"]) if options["mask"] else None
    from medgan.devices import memory_errors
    from medgan.evaluation.cohort import MEMORY_REMEDY

    judge, album = _without_reference(screen, options), album_for(out)
    with memory_errors(MEMORY_REMEDY):
        seen = [judge(prediction, source, mask=mask, look=album)]
    tell_without_reference(screen, seen, judge, album, out)


def _folders_alone(screen: Screen, out: Path | None, options: Mapping[str, Any]) -> None:
    from medgan.evaluation.matching import match_sources

    subjects, alone = match_sources(options["pred_dir"], options["source_dir"])
    from medgan.assessment import see_each

    judge, album = _without_reference(screen, options), album_for(out)
    seen, refused = watch(screen, see_each(subjects, judge, look=album), len(subjects))
    tell_without_reference(screen, seen, judge, album, out, refused=refused, alone=alone)


def _without_reference(screen: Screen, options: Mapping[str, Any]) -> WithoutReference:
    from medgan.assessment import WithoutReference

    model = None
    if options["model"]:
        from medgan.models import load_model

        model = load_model(options["model"])
        screen.say(f"Way back: {model.in_a_line}")
    return WithoutReference(targets=options["target_dir"], model=model, device=options["device"])


_MODES = {
    "pair": _pair,
    "alone": _alone,
    "folders": _folders,
    "folders alone": _folders_alone,
    "model": _model,
}
