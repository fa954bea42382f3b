"""`medgan models`.

The document that --json prints; what is not known is null:

    medgan      version that wrote it
    format      1; raised when a key changes its meaning or goes
    models      one object for each: name, default, bundled, folder, sha256, bytes
                directions: {source, target, parameters}; spatial_dims, slab, slab_spacing and spacing in mm, size
                generator, recipe, created, medgan_version; scans: numbers by contrast
                purpose; materials {name, licence, used_for, reference}; protocol
                figures {source, target, scans, scores, baseline}; limits
    refused     {file, cause, remedy} for each that is no model, or cannot be read
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from medgan.cli.screen import NOTICE, PathType, Screen, common_options
from medgan.contrasts import CONTRASTS, contrast
from medgan.errors import ModelRefusedError
from medgan.models.catalogue import model_names
from medgan.models.outline import Outline, read_outline

_WORKING_RUN = Path("medgan-run")
_EPILOG = """\b
Examples:
  medgan models
  medgan models brain
  medgan models run1 run2 --json > models.json

Without MODEL it lists those that come with medgan, and ./medgan-run if it is there. One MODEL is shown with its
card. A MODEL is a name, a run of `medgan train`, or a model folder."""


@click.command(epilog=_EPILOG)
@click.argument("models", nargs=-1, type=PathType(), metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, to stdout.")
@common_options
def command(models: tuple[Path, ...], as_json: bool, quiet: bool, verbose: bool) -> None:
    """List models: what they make, from what they were trained, and what they reached."""
    screen = Screen(quiet=quiet, verbose=verbose)
    there, refused = _look(models or _at_hand())
    if as_json:
        click.echo(_document(there, refused))
    else:
        for number, outline in enumerate(there):
            if number:
                screen.say("")
            for line in lines(outline):
                screen.say(line)
        if len(models) == 1 and there:
            screen.say("")
            screen.say(there[0].card or "It has no card.")
        elif there:
            screen.say("")
            screen.say(NOTICE)
        elif not refused:
            screen.say(
                "No model came with this medgan. Train one with `medgan train --t1-dir T1 --t2-dir T2`."
            )
    if len(models) == 1 and refused:
        raise refused[0]
    for error in refused:
        screen.warn(f"{error.file}: {error.cause}")
    if models and refused:
        raise ModelRefusedError(
            f"{len(refused)} of {len(models)} models were refused, as listed",
            remedy="Look at one with `medgan models MODEL`.",
        )


def lines(outline: Outline) -> Iterator[str]:
    """A model as it is listed."""
    manifest = outline.manifest
    recipe, about = manifest.recipe, manifest.about
    whence = "comes with medgan" if outline.bundled else str(outline.folder)
    yield f"{outline.name}{' (default)' if outline.default else ''}: {whence}"
    if about.purpose:
        yield f"  for      {about.purpose}"
    yield "  makes    " + ", ".join(
        f"{contrast(one.target).label} from {contrast(one.source).label}" for one in manifest.directions
    )
    yield f"  sees     {outline.dimensions}{_slab_spacing(outline)}; {_pixels(outline)}"
    parameters = max(one.parameters for one in manifest.directions)
    yield (
        f"  network  {recipe.generator.kind}, {parameters / 1e6:.2f} million parameters a direction, "
        f"{outline.bytes / 2**20:.1f} MiB"
    )
    scans = ", ".join(
        f"{domain.scans} {contrast(key).label}"
        for key, domain in manifest.domains.items()
        if key in CONTRASTS
    )
    yield (
        f"  trained  {manifest.created[:10]} by medgan {manifest.medgan_version} with the recipe {recipe.name}, "
        f"on {scans} scans"
    )
    for material in about.materials:
        use = f", for {material.used_for}" if material.used_for else ""
        yield f"  data     {material.name} ({material.licence}){use}"
    for figures in about.figures:
        scores = ", ".join(f"{measure} {value:.3g}" for measure, value in figures.scores.items())
        way = f"{contrast(figures.source).label} to {contrast(figures.target).label}"
        yield f"  reached  {way}: {scores} ({figures.scans})"


def _slab_spacing(outline: Outline) -> str:
    spacing = outline.manifest.recipe.sampling.slab_spacing
    return f" {spacing:g} mm apart" if spacing is not None and outline.manifest.slab > 1 else ""


def _pixels(outline: Outline) -> str:
    preparation = outline.manifest.recipe.preparation
    if preparation.size is not None:
        return f"{preparation.size} x {preparation.size} pixels"
    if isinstance(preparation.spacing, float):
        return f"pixels of {preparation.spacing:g} mm"
    return "pixels as the scan has them"


def _at_hand() -> list[str | Path]:
    """What comes with medgan, and the run in the working folder."""
    return [*model_names(), *([_WORKING_RUN] if _WORKING_RUN.is_dir() else [])]


def _look(names: Sequence[str | Path]) -> tuple[list[Outline], list[ModelRefusedError]]:
    there, refused = [], []
    for name in names:
        try:
            there.append(read_outline(name))
        except ModelRefusedError as error:
            refused.append(error)
    return there, refused


def _document(there: Sequence[Outline], refused: Sequence[ModelRefusedError]) -> str:
    import json

    from medgan import __version__

    document = {
        "medgan": __version__,
        "format": 1,
        "models": [outline.document() for outline in there],
        "refused": [
            {"file": str(error.file), "cause": error.cause, "remedy": error.remedy} for error in refused
        ],
    }
    return json.dumps(document, indent=2, allow_nan=False)
