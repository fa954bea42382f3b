"""Small pictures of scans for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from medgan.reports.figures import radiological
from medgan.reports.pages import embedded

_SIDE = 240  # pixels of a picture's longer side
_Any = TypeVar("_Any")


@dataclass(frozen=True)
class Tile:
    """A slice in the page: its caption, a grey PNG as base64, and whether its left and right are known."""

    label: str
    contrast: str | None
    png: str
    sided: bool


def axial_png(plane: npt.NDArray[np.floating], spacing: Sequence[float], *, low: float, high: float) -> str:
    """An axial slice (X, Y) as it is shown: rows from front to back, the patient's right on the left, square pixels.

    Args:
        plane: on axes towards right and anterior.
        spacing: mm along the same.
        low, high: what becomes black and white.
    """
    from PIL import Image

    shown = radiological(plane)
    grey = np.rint(np.clip((shown - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    sides = np.array([grey.shape[1] * spacing[0], grey.shape[0] * spacing[1]])
    width, height = np.maximum(1, np.rint(sides * _SIDE / sides.max())).astype(int)
    picture = Image.fromarray(np.ascontiguousarray(grey))
    return embedded(picture.resize((int(width), int(height)), Image.Resampling.LANCZOS))


def evenly(values: Sequence[_Any], most: int) -> list[_Any]:
    """At most so many of them, with the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]
