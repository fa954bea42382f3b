"""Write docs/reference/model-card.md and data-card.md from the default model: python docs/make_cards.py."""

from __future__ import annotations

from pathlib import Path

from medgan.contrasts import contrast
from medgan.models import Manifest, default_model
from medgan.models.card import model_card
from medgan.models.manifest import read_manifest

REFERENCE = Path(__file__).parent / "reference"

_MODEL = """# Model card

The card of the model that comes with medgan, as `medgan models {name}` shows it and as each model folder carries
one. It is written from the model's `model.json` by `python docs/make_cards.py`. How the model came about, and all
figures: [the model that comes with medgan](../explanation/default-model.md). What was used to make it: [data
card](data-card.md).

SHA-256 of each direction's weights: {digests}.
"""
_DATA = """# Data card

What the weights that come with medgan were made from: its tables are those of their `model.json`, by `python
docs/make_cards.py`. No image of a person is part of medgan, neither of its repository nor of its package.

## Sources

| data | licence | used for | reference |
|---|---|---|---|
{materials}

## Acquired scans

| contrast | files | slices | voxels in mm, smallest to largest by axis |
|---|---|---|---|
{domains}

Files, not people: each examination was shown as a whole head and stripped of all but the brain, and the registered
T2w as pairs besides these. They are of two patients with multiple sclerosis, of one site ([what each has
contributed](../explanation/default-model.md#what-it-has-seen)). A third patient of the same data was in no
training, and chose between variants.

- **Consent and licence**: as published by those who made the data; medgan has added nothing to either. Whoever
  passes the weights on must name the sources.
- **Preparation**: brain masks by registration of label maps, rigid registration of T2w to T1w, both by scripts in
  [pipelines/default_model](../../pipelines/default_model/README.md); then [medgan's
  own](../explanation/architecture.md).
- **What may be in the weights**: a network of {parameters} million parameters that saw {scans} files many times may
  reproduce parts of them. No attack on that has been tried.

## Label maps

Label maps say which tissue a voxel holds, and are no images. They have whole heads around the brain. From each,
heads are drawn anew in every step: pose, shape, tissue values, sequence, coil, noise, slices, skull or none,
lesions ([simulation](simulation.md)). Two of the twenty people were kept out, and are what simulated figures are
of.

## Procedural heads

Heads that code makes from a seed: ellipsoids and folded surfaces with the tissues of [the same
table](simulation.md#tissues). They are nobody's. They are what `medgan demo`, the tests, and the warm-up and
calibration of a training of yours use (`simulation.heads`, `training.calibration_heads`).

## What is not known

- Age, sex and scanner of the people behind the label maps and the scans, beyond what their makers publish; medgan
  neither has nor asks for them. Nothing here says how figures differ between groups of people.
- How far two patients and eighteen label maps stand for anyone else. All real figures are of one patient.
- Other diseases than multiple sclerosis, children, other field strengths than those simulated (1.5 T and 3 T),
  other vendors.

## Your own models

A model that you train says in its card what it was trained on in numbers (scans, slices, voxels, intensities), and
asks whoever passes it on to state whose scans they were and under which licence. It holds no names.
"""


def model_page(manifest: Manifest) -> str:
    """The model card as a page."""
    digests = ", ".join(f"`{one.file_name}` {one.sha256}" for one in manifest.directions)
    body = model_card(manifest).partition("\n\n")[2]
    return f"{_MODEL.format(name=manifest.name, digests=digests)}\n{body}"


def data_page(manifest: Manifest) -> str:
    """The data card."""
    materials = [
        f"| {one.name} | {one.licence} | {one.used_for} | {one.reference} |"
        for one in manifest.about.materials
    ]
    domains = [
        f"| {contrast(key).label} | {domain.scans} | {domain.slices} | "
        f"{', '.join(f'{low:.2f}-{high:.2f}' for low, high in domain.spacings)} |"
        for key, domain in manifest.domains.items()
    ]
    return _DATA.format(
        materials="\n".join(materials),
        domains="\n".join(domains),
        scans=sum(domain.scans for domain in manifest.domains.values()),
        parameters=f"{manifest.directions[0].parameters / 1e6:.2f}",
    )


def pages() -> dict[Path, str]:
    """Both pages, by where they lie."""
    manifest = read_manifest(default_model())
    return {
        REFERENCE / "model-card.md": model_page(manifest),
        REFERENCE / "data-card.md": data_page(manifest),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8", newline="\n")
