"""The model card (Mitchell et al., FAT* 2019) that every model folder carries."""

from __future__ import annotations

from collections.abc import Iterator

from medgan.contrasts import contrast, other
from medgan.models.manifest import Manifest
from medgan.models.outline import dimensions_text
from medgan.models.parts import About, Figures


def model_card(manifest: Manifest) -> str:
    """Markdown that says what the model is, what it was trained on and what it must not be used for."""
    about = manifest.about
    lines = [
        f"# medgan model: {manifest.name}",
        "",
        "**Research software, not a medical device. Its images are synthetic and not for diagnosis: unpaired",
        "translation can invent or erase lesions (Cohen et al., MICCAI 2018).**",
        "",
        "## What it does",
        "",
        *_what_it_does(manifest),
        "",
        "## What it was trained on",
        "",
        *_what_it_was_trained_on(manifest),
        "",
        "## How",
        "",
        *_how(manifest),
        "",
        *_what_it_reached(about),
        *_how_sure(manifest),
        "## What it cannot do",
        "",
        *_what_it_cannot_do(about),
        "",
    ]
    return "\n".join(lines)


def _what_it_does(manifest: Manifest) -> Iterator[str]:
    recipe = manifest.recipe
    if manifest.about.purpose:
        yield f"{manifest.about.purpose}"
        yield ""
    for one in manifest.directions:
        yield (
            f"- {contrast(one.source).label} to {contrast(one.target).label}: `{one.file_name}`, "
            f"{one.parameters / 1e6:.2f} million parameters"
        )
    yield f"- Architecture: {recipe.generator.kind}, {dimensions_text(recipe.spatial_dims, manifest.slab)}"
    yield f"- Recipe: `{recipe.name}`" + (f" ({recipe.description})" if recipe.description else "")
    yield f"- Made by medgan {manifest.medgan_version} on {manifest.created[:10]}"


def _what_it_was_trained_on(manifest: Manifest) -> Iterator[str]:
    yield "| contrast | scans | slices | kinds | spacing in mm (smallest to largest per axis) | range learnt |"
    yield "|---|---|---|---|---|---|"
    for key, domain in manifest.domains.items():
        spacing = ", ".join(f"{low:.2f}-{high:.2f}" for low, high in domain.spacings)
        yield (
            f"| {contrast(key).label} | {domain.scans} | {domain.slices} | {', '.join(domain.kinds)} | {spacing} "
            f"| {domain.intensity.low:.4g} to {domain.intensity.high:.4g} |"
        )
    yield ""
    if not manifest.about.materials:
        yield "The scans were unpaired. Whoever passes this model on must state here whose scans they were and under"
        yield "which licence."
        return
    yield "| data | licence | used for | reference |"
    yield "|---|---|---|---|"
    for material in manifest.about.materials:
        yield f"| {material.name} | {material.licence} | {material.used_for} | {material.reference} |"


def _how(manifest: Manifest) -> Iterator[str]:
    training = manifest.training
    if training.origin is not None:
        yield f"It began with the weights of `{training.origin.name}` (SHA-256 {training.origin.sha256})."
    else:
        yield "It began with random weights."
    yield (
        f"{_counted(training.epochs, 'epoch')}, {_counted(training.steps, 'step')}, {training.minutes:.1f} minutes "
        f"on {training.device} in {training.precision}, seed {training.seed}. All settings are in `model.json`."
    )


def _what_it_reached(about: About) -> Iterator[str]:
    if not about.figures:
        return
    yield "## What it reached"
    yield ""
    if about.protocol:
        yield about.protocol
        yield ""
    measures = list(dict.fromkeys(measure for figures in about.figures for measure in figures.scores))
    yield f"| direction | scans | {' | '.join(measures)} | best baseline |"
    yield "|---" * (len(measures) + 3) + "|"
    for figures in about.figures:
        scores = " | ".join(
            f"{figures.scores[measure]:.3g}" if measure in figures.scores else "" for measure in measures
        )
        yield f"| {direction_text(figures)} | {figures.scans} | {scores} | {_scores_text(figures.baseline)} |"
    yield ""


def _how_sure(manifest: Manifest) -> Iterator[str]:
    if not manifest.calibration:
        return
    yield "## How well it knows its errors"
    yield ""
    for one in manifest.calibration:
        yield f"- {contrast(other(one.target).key).label} to {contrast(one.target).label}: {one.in_words}"
    yield ""
    if any(one.made_from == "simulated" for one in manifest.calibration):
        yield "Acquired scans differ from simulated ones: on them more errors may be large, and beyond the bound."
        yield ""


def _what_it_cannot_do(about: About) -> Iterator[str]:
    if not about.figures:
        yield "- It has not been evaluated: no figure is claimed. Compare it with real scans before you rely on it."
    for limit in about.limits:
        yield f"- {limit}"
    yield "- Scans unlike those above (another field of view, skull-stripped or not, another scanner) may come out"
    yield "  wrong without a sign of it."
    yield "- Lesions may be missing or invented."


def direction_text(figures: Figures) -> str:
    """Such as `T1w to T2w`."""
    return f"{contrast(figures.source).label} to {contrast(figures.target).label}"


def _scores_text(scores: dict[str, float]) -> str:
    return ", ".join(f"{measure} {value:.3g}" for measure, value in scores.items())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
