"""Pictures of the worst and the best subjects of an evaluation, taken while they are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.evaluation.judging import Compared, Judged
from medgan.evaluation.protocol import to_unit
from medgan.evaluation.unpaired import Seen
from medgan.reports.figures import radiological
from medgan.reports.pages import embedded

PICTURES = 12
"""Subjects that the page shows: the worst and the best."""
_TILE = 190  # pixels of a picture's longer side
_LEVELS = (0.25, 0.5, 0.75)  # of the head, from foot to top
_FULL = 0.5  # of the scale: a difference that is shown at full colour
_Plane = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A subject in the page.

    Attributes:
        name, target: of the subject.
        rank: what cases are sorted by, the worst first.
        figures: the most telling ones, in words.
        notes, warnings: sentences.
        columns: headings of the pictures.
        rows: for each slice its name and a PNG as base64 for each column.
        spread: the Bland-Altman picture, as base64, and its text; None without a reference.
    """

    name: str
    target: str | None
    rank: float
    figures: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    spread: tuple[str, str] | None


class Album:
    """Takes pictures of the worst and the best subjects while they are in memory.

    Args:
        most: how many are kept.
    """

    def __init__(self, *, most: int = PICTURES) -> None:
        self.most = most
        self.cases: list[Case] = []

    def __call__(self, judged: Judged | Seen, compared: Compared) -> None:
        """Look at a subject; `look` of `judge` and `see`."""
        self.cases.append(_case(judged, compared))
        self.cases.sort(key=lambda case: case.rank)
        if len(self.cases) > self.most:
            del self.cases[(self.most + 1) // 2]


def _case(judged: Judged | Seen, compared: Compared) -> Case:
    volumes = {"source": compared.source, "prediction": compared.prediction, "reference": compared.reference}
    units = {name: to_unit(volume, compared.mask) for name, volume in volumes.items() if volume is not None}
    columns, spread = tuple(units), None
    if "reference" in units:
        here, there = (units[name][compared.mask] for name in ("prediction", "reference"))
        columns, spread = (*columns, "difference"), _bland_altman(here, there)
    box = _around(compared.mask)
    units = {name: unit[box] for name, unit in units.items()}
    rows = []
    for name, axis, index in _slices(compared.mask[box]):
        spacing = [edge for other, edge in enumerate(compared.spacing) if other != axis]
        planes = {called: np.take(unit, index, axis) for called, unit in units.items()}
        pictures = [
            _grey(plane, spacing, synthetic=called == "prediction") for called, plane in planes.items()
        ]
        if spread is not None:
            pictures.append(_coloured(planes["prediction"] - planes["reference"], spacing))
        rows.append((name, tuple(pictures)))
    rank, figures, notes = _in_words(judged)
    return Case(
        judged.name, judged.target, rank, figures, notes, judged.warnings, columns, tuple(rows), spread
    )


def _in_words(judged: Judged | Seen) -> tuple[float, str, tuple[str, ...]]:
    """What a case is sorted by, its most telling figures, and what to know."""
    if isinstance(judged, Seen):
        kept = judged.structure["local_correlation"]
        return kept, f"local correlation with the source {kept:.3f}", ()
    score = judged.foreground
    figures = f"SSIM {score.ssim:.3f}, PSNR {score.psnr:.2f} dB, r {score.r:.3f}"
    return score.ssim, figures, () if judged.moved is None else (judged.moved.text,)


def _around(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The head and a margin in its slices, of all slices."""
    box = []
    for axis in (0, 1):
        shown = np.flatnonzero(mask.any(axis=(1 - axis, 2)))
        margin = 2 + mask.shape[axis] // 40
        box.append(slice(max(int(shown[0]) - margin, 0), int(shown[-1]) + margin + 1))
    return box[0], box[1], slice(None)


def _slices(mask: npt.NDArray[np.bool_]) -> list[tuple[str, int, int]]:
    """Name, axis and index of the slices that are shown."""
    shown = np.flatnonzero(mask.any(axis=(0, 1)))
    levels = dict.fromkeys(int(shown[round(level * (shown.size - 1))]) for level in _LEVELS)
    slices = [(f"axial {index + 1}", 2, index) for index in levels]
    if mask.shape[2] > 2:
        across = np.flatnonzero(mask.any(axis=(1, 2)))
        index = int(across[round(0.45 * (across.size - 1))])  # beside the gap between the hemispheres
        slices.append((f"sagittal {index + 1}", 0, index))
    return slices


def _grey(plane: _Plane, spacing: Sequence[float], *, synthetic: bool) -> str:
    from PIL import ImageDraw, ImageFont

    picture = _picture(np.rint(plane * 255).astype(np.uint8), spacing)
    if synthetic:  # with an edge, since the head may be white there
        font = ImageFont.load_default(11)
        ImageDraw.Draw(picture).text((3, 1), "SYNTHETIC", 255, font, stroke_width=2, stroke_fill=0)
    return embedded(picture)


def _coloured(plane: _Plane, spacing: Sequence[float]) -> str:
    """Orange where the prediction is brighter than the reference, blue where it is darker, black where they agree."""
    shown = np.clip(plane / _FULL, -1, 1)
    colours = np.stack([shown.clip(0), 0.35 * np.abs(shown), (-shown).clip(0)], axis=-1)
    return embedded(_picture(np.rint(np.sqrt(colours) * 255).astype(np.uint8), spacing))


def _picture(plane: npt.NDArray[np.uint8], spacing: Sequence[float]) -> Any:
    """A plane with its first axis across and its second up, of square pixels; axial ones in radiological display."""
    from PIL import Image

    shown = np.stack([radiological(one) for one in np.moveaxis(np.atleast_3d(plane), 2, 0)], axis=-1)
    sides = np.array([plane.shape[0] * spacing[0], plane.shape[1] * spacing[1]])
    width, height = np.maximum(1, np.rint(sides * _TILE / sides.max())).astype(int)
    picture = Image.fromarray(np.ascontiguousarray(shown[..., 0] if plane.ndim == 2 else shown))
    return picture.resize((int(width), int(height)), Image.Resampling.LANCZOS)


def _bland_altman(prediction: _Plane, reference: _Plane) -> tuple[str, str]:
    """How often a difference comes with a mean (Bland and Altman, Lancet 1986), as a picture, and in numbers."""
    from PIL import Image, ImageDraw

    difference = prediction - reference
    counts, _, _ = np.histogram2d(
        (prediction + reference) / 2, difference, bins=(120, 100), range=((0, 1), (-1, 1))
    )
    shown = np.log1p(counts.T[::-1]) / max(float(np.log1p(counts.max())), 1e-9)
    picture = Image.fromarray(np.rint(shown * 255).astype(np.uint8)).resize((240, 200)).convert("RGB")
    bias, spread = float(difference.mean()), float(difference.std())
    draw = ImageDraw.Draw(picture)
    for value, colour in (
        (0.0, "#777"),
        (bias, "#4da3ff"),
        (bias - 1.96 * spread, "#e0903a"),
        (bias + 1.96 * spread, "#e0903a"),
    ):
        y = round((1 - value) / 2 * 199)
        draw.line([(0, y), (239, y)], fill=colour)
    return embedded(
        picture
    ), f"bias {bias:+.3f}, limits of agreement {bias - 1.96 * spread:+.3f} to {bias + 1.96 * spread:+.3f}"
