"""The demonstration: train on procedural heads, synthesise one that was held out, compare with its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medgan.contrasts import contrast, other
from medgan.errors import UsageError
from medgan.evaluation import PROTOCOL, Score, canonical_voxels, head, histogram_matched, score, to_unit
from medgan.files import write_json
from medgan.models import load_model
from medgan.reports.figures import MARK, picture_grid, save_picture
from medgan.sample_data import SampleData, make_sample_data
from medgan.scans import read_nifti
from medgan.synthesis import Destination, Synthesizer, find_inputs, synthesize_each
from medgan.training import Observer, train

if TYPE_CHECKING:
    from PIL import Image

_SLICES = (0.3, 0.42, 0.55, 0.68, 0.8)
_EPOCH = 50
_SETTINGS = (
    "sampling.crop=null",
    f"training.steps_per_epoch={_EPOCH}",
    "training.preview_seconds=10",
    "training.calibration_heads=4",
)
_LONGEST = 10.0
"""Minutes: a slow machine ends there, with a worse result."""


@dataclass(frozen=True)
class Comparison:
    """One direction's result beside its baselines, all against the held-out truth."""

    target: str
    medgan: Score
    copied: Score
    histogram: Score


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration left behind.

    Attributes:
        folder: all of it.
        picture: source, synthetic and true slices side by side.
        comparisons: figures of both directions.
    """

    folder: Path
    picture: Path
    comparisons: tuple[Comparison, ...]


def demonstrate(
    out: Path, *, epochs: int = 12, seed: int = 0, device: str = "auto", observer: Observer | None = None
) -> Demonstration:
    """Make data, train for a while, synthesise the held-out head in both directions and compare.

    Args:
        out: a new folder.
        epochs: of training, fifty steps each: the result does not depend on how fast the machine is.
        seed: of heads and training.
        device: as for `train`.
        observer: told what the training does.

    Raises:
        UsageError: `out` exists already.
        OutputNotWrittenError: it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            "exists already and is not empty", file=out, remedy="Give another folder with --out."
        )
    data = make_sample_data(out / "data", seed=seed)
    run = train(
        data.t1,
        data.t2,
        out=out / "run",
        changes=_SETTINGS,
        epochs=epochs,
        max_minutes=_LONGEST,
        seed=seed,
        init="none",  # it shows a training, from its beginning
        device=device,
        observer=observer,
    )
    model = load_model(run)
    synthetic, comparisons, rows = out / "synthetic", [], []
    for target in ("t2", "t1"):
        source = data.held_out / f"{other(target).key}.nii.gz"
        made = _synthesise(source, Synthesizer(model, target=target, device=device), synthetic)
        comparison, planes = _compare(data, target, made)
        comparisons.append(comparison)
        rows.append(planes)
    picture = out / "comparison.png"
    save_picture(_grid(rows), picture)
    _write_scores(comparisons, out / "scores.json")
    to_t2 = Synthesizer(model, target="t2", device=device)
    for kind in ("dicom", "png"):  # the same head from its series and from its slices
        _synthesise(data.held_out / kind, to_t2, synthetic / kind)
    return Demonstration(out, picture, tuple(comparisons))


def _synthesise(source: Path, synthesizer: Synthesizer, out: Path) -> Path:
    """Each scan there; gives the first image."""
    images = []
    for result in synthesize_each(find_inputs([source], series=None), synthesizer, Destination(out=out)):
        if result.error is not None:
            raise result.error
        images.append(result.files[0])
    return images[0]


def _write_scores(comparisons: Sequence[Comparison], path: Path) -> None:
    directions = {
        contrast(one.target).label: {
            "medgan": one.medgan.as_dict(),
            "baselines": {"copy": one.copied.as_dict(), "histogram": one.histogram.as_dict()},
        }
        for one in comparisons
    }
    note = (
        "one held-out procedural head, by the simulator whose other heads the training was warmed up on; "
        "says nothing about real scans"
    )
    write_json(path, {"protocol": dict(PROTOCOL), "note": note, "directions": directions})


def _compare(data: SampleData, target: str, made: Path) -> tuple[Comparison, list[list[np.ndarray]]]:
    source, truth, synthetic = (
        canonical_voxels(read_nifti(path))
        for path in (
            data.held_out / f"{other(target).key}.nii.gz",
            data.held_out / f"{target}.nii.gz",
            made,
        )
    )
    mask = head(truth)
    matched = histogram_matched(source, truth, mask)
    comparison = Comparison(
        target, score(synthetic, truth, mask), score(source, truth, mask), score(matched, truth, mask)
    )
    planes = [round(share * (truth.shape[2] - 1)) for share in _SLICES]
    columns = [to_unit(volume, mask) for volume in (source, synthetic, truth)]
    return comparison, [[volume[:, :, plane] for volume in columns] for plane in planes]


def _grid(directions: list[list[list[np.ndarray]]]) -> Image.Image:
    rows = [left + right for left, right in zip(*directions, strict=True)]
    headings = [
        "T1w (source)",
        "T2w by medgan",
        "T2w (truth)",
        "T2w (source)",
        "T1w by medgan",
        "T1w (truth)",
    ]
    return picture_grid(rows, headings=headings, mark=f"procedural head, held out | 'by medgan': {MARK}")
