"""The model card (Mitchell et al., FAT* 2019) that every model folder carries."""

from __future__ import annotations

from medgan.contrasts import contrast
from medgan.models.manifest import Manifest


def model_card(manifest: Manifest) -> str:
    """Markdown that says what the model is, what it was trained on and what it must not be used for."""
    recipe, training = manifest.recipe, manifest.training
    dims = (
        "3D" if recipe.spatial_dims == 3 else "2D" if manifest.slab == 1 else f"2.5D, {manifest.slab} slices"
    )
    lines = [
        f"# medgan model: {manifest.name}",
        "",
        "**Research software, not a medical device. Its images are synthetic and not for diagnosis: unpaired",
        "translation can invent or erase lesions (Cohen et al., MICCAI 2018).**",
        "",
        "## What it does",
        "",
    ]
    lines += [
        f"- {contrast(w.source).label} to {contrast(w.target).label}: `{w.file_name}`, "
        f"{w.parameters / 1e6:.2f} million parameters"
        for w in manifest.directions
    ]
    lines += [
        f"- Architecture: {recipe.generator.kind}, {dims}",
        f"- Recipe: `{recipe.name}` ({recipe.description})"
        if recipe.description
        else f"- Recipe: `{recipe.name}`",
        f"- Made by medgan {manifest.medgan_version} on {manifest.created[:10]}",
        "",
        "## What it was trained on",
        "",
        "| contrast | scans | slices | kinds | spacing in mm (smallest to largest per axis) | range learnt |",
        "|---|---|---|---|---|---|",
    ]
    for key, domain in manifest.domains.items():
        spacing = ", ".join(f"{low:.2f}-{high:.2f}" for low, high in domain.spacings)
        lines.append(
            f"| {contrast(key).label} | {domain.scans} | {domain.slices} | {', '.join(domain.kinds)} | {spacing} "
            f"| {domain.intensity.low:.4g} to {domain.intensity.high:.4g} |"
        )
    lines += [
        "",
        "The scans were unpaired. Whoever passes this model on must state here whose scans they were and under",
        "which licence.",
        "",
        "## How",
        "",
        f"{training.epochs} epochs, {training.steps} steps, {training.minutes:.1f} minutes on {training.device} "
        f"in {training.precision}, seed {training.seed}. All settings are in `model.json`.",
        "",
        "## What it cannot do",
        "",
        "- It has not been evaluated: no figure is claimed. Compare it with real scans before you rely on it.",
        "- Scans unlike those above (another field of view, skull-stripped or not, another scanner) may come out",
        "  wrong without a sign of it.",
        "- Lesions may be missing or invented.",
        "",
    ]
    return "\n".join(lines)
