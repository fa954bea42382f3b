"""The demonstration: train on procedural heads, synthesise one that was held out, compare with its truth."""

from __future__ import annotations

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
_SETTINGS = ("sampling.crop=null", "training.preview_seconds=10")


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
    out: Path, *, minutes: float = 2.0, seed: int = 0, device: str = "auto", observer: Observer | None = None
) -> Demonstration:
    """Make data, train for a while, synthesise the held-out head in both directions and compare.

    Args:
        out: a new folder.
        minutes: of training.
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
        max_minutes=minutes,
        seed=seed,
        device=device,
        observer=observer,
    )
    model = load_model(run)
    comparisons, rows = [], []
    for target in ("t2", "t1"):
        synthesizer = Synthesizer(model, target=target, device=device)
        source = data.held_out / f"{other(target).key}.nii.gz"
        inputs = find_inputs([source], series=None)
        (result,) = synthesize_each(inputs, synthesizer, Destination(out=out / "synthetic"))
        if result.error is not None:
            raise result.error
        comparison, planes = _compare(data, target, result.files[0])
        comparisons.append(comparison)
        rows.append(planes)
    picture = out / "comparison.png"
    save_picture(_grid(rows), picture)
    write_json(
        out / "scores.json",
        {
            "protocol": dict(PROTOCOL),
            "note": "one held-out procedural head, by the simulator whose other heads the training was warmed up on; "
            "says nothing about real scans",
            "directions": {
                contrast(one.target).label: {
                    "medgan": one.medgan.as_dict(),
                    "baselines": {"copy": one.copied.as_dict(), "histogram": one.histogram.as_dict()},
                }
                for one in comparisons
            },
        },
    )
    _synthesise_other_kinds(data, Synthesizer(model, target="t2", device=device), out / "synthetic")
    return Demonstration(out, picture, tuple(comparisons))


def _synthesise_other_kinds(data: SampleData, synthesizer: Synthesizer, out: Path) -> None:
    """The same head from its DICOM series and from its PNG slices."""
    for kind in ("dicom", "png"):
        inputs = find_inputs([data.held_out / kind], series=None)
        for result in synthesize_each(inputs, synthesizer, Destination(out=out / kind)):
            if result.error is not None:
                raise result.error


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
