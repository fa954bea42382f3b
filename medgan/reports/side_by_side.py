"""A source and what was made of it: the same planes of both, in one picture or as tiles of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast
from medgan.reports.figures import MARK, radiological, save_picture
from medgan.reports.pages import embedded
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan, Voxels

if TYPE_CHECKING:
    from PIL import Image

AXIAL, CORONAL, SAGITTAL = 2, 1, 0
"""The canonical axis that a plane lies across."""
_NAMES = {AXIAL: "axial", CORONAL: "coronal", SAGITTAL: "sagittal"}
_SIDES = {AXIAL: ("R", "L"), CORONAL: ("R", "L"), SAGITTAL: ("A", "P")}
"""What lies at the left and the right edge of a plane as it is shown."""
_LEVELS = {AXIAL: 0.55, CORONAL: 0.5, SAGITTAL: 0.45}
"""Of the head: through the ventricles, and beside the gap between the hemispheres."""
_HEIGHT = 240  # of a preview's rows, in pixels, at most
_BAND, _GAP = 20, 4
_BRIGHT = 0.15  # of the window: what counts as head when its ends are looked for
_SHARE = 0.01  # of a plane that has to
_TILE_MARK = "SYNTHETIC, research only"

Window = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """A plane of a volume on canonical axes: the axis that it lies across, and where."""

    axis: int
    index: int

    @property
    def name(self) -> str:
        """Such as `axial 23`, counted from 1."""
        return f"{_NAMES[self.axis]} {self.index + 1}"

    @property
    def sides(self) -> tuple[str, str]:
        """The patient's side at the left and at the right edge."""
        return _SIDES[self.axis]


class SideBySide:
    """A source and the synthetic scan on its grid, ready to be shown.

    Args:
        source: the scan that was acquired.
        result: the scan that was made of it, on the same grid.
        source_window, result_window: what is black and white in each.
        source_contrast: key of the source's contrast, which the model expects; the result's is its own.
    """

    def __init__(
        self,
        source: Scan,
        result: Scan,
        *,
        source_window: Window,
        result_window: Window,
        source_contrast: str,
    ) -> None:
        if source.voxels.shape != result.voxels.shape or result.contrast is None:
            raise ValueError("a result has a contrast and lies on its source's grid")
        self.source, self.result = source, result
        self.windows = (source_window, result_window)
        self.labels = (contrast(source_contrast).label, contrast(result.contrast).label)
        self.sided = source.source.kind != "picture"
        self._volumes: tuple[Voxels, Voxels] = (canonical(source)[0], canonical(result)[0])
        self._spacing = canonical(source)[1]

    def three_planes(self) -> list[Plane]:
        """Axial, coronal and sagittal through the head; of a picture, or a stack of two, the axial one alone."""
        axes = (AXIAL, CORONAL, SAGITTAL) if self._volumes[0].shape[2] > 2 else (AXIAL,)
        return [Plane(axis, self._at(axis, _LEVELS[axis])) for axis in axes]

    def planes(self, axis: int, most: int) -> list[Plane]:
        """At most so many planes across an axis, evenly through the head, in the order of the axis."""
        first, last = self._extent(axis)
        margin = (last - first) / (2 * most)  # the outermost slices of a head show little
        levels = np.linspace(first + margin, last - margin, most)
        return [Plane(axis, int(index)) for index in np.unique(levels.round().astype(int))]

    def tiles(self, plane: Plane, side: int) -> tuple[str, str]:
        """The plane of the source and of the result, which says what it is, as PNG in base64.

        Args:
            plane: which.
            side: pixels of the longer side of the whole volume.
        """
        source, result = self._pictures(plane, side)
        return embedded(source), embedded(_marked(result))

    def preview(self) -> Image.Image:
        """One grey picture: three planes of the source, below them of the result, and the mark."""
        from PIL import Image, ImageDraw, ImageFont

        planes = self.three_planes()
        pictures = [self._pictures(plane, _HEIGHT) for plane in planes]
        height = max(picture.height for pair in pictures for picture in pair)
        width = sum(pair[0].width for pair in pictures) + _GAP * (len(planes) - 1)
        headings = (f"{self.labels[0]}, source", f"SYNTHETIC {self.labels[1]} from {self.labels[0]}")
        font = ImageFont.load_default(13)
        width = max(width, *(int(font.getlength(text)) + 2 * _GAP for text in (*headings, MARK)))
        sheet = Image.new("L", (width, 2 * (_BAND + height) + _BAND), 0)
        pen = ImageDraw.Draw(sheet)
        for row, heading in enumerate(headings):
            top, left = row * (_BAND + height), 0
            pen.text((_GAP, top + 2), heading, fill=255, font=font)
            for plane, pair in zip(planes, pictures, strict=True):
                sheet.paste(pair[row], (left, top + _BAND + (height - pair[row].height) // 2))
                for text, place, anchor in self._letters(plane, pair[row].width):
                    where = (left + place, top + _BAND + height // 2)
                    pen.text(where, text, 220, font, anchor, stroke_width=1, stroke_fill=0)
                left += pair[row].width + _GAP
        pen.text((_GAP, sheet.height - _BAND + 2), MARK, fill=255, font=font)
        return sheet

    def _letters(self, plane: Plane, width: int) -> list[tuple[str, int, str]]:
        """The sides of a plane, where they are written, and by which end; none where they are not known."""
        here, there = plane.sides
        return [(here, 3, "lm"), (there, width - 3, "rm")] if self.sided else []

    def _pictures(self, plane: Plane, side: int) -> tuple[Image.Image, Image.Image]:
        edges = [size * mm for size, mm in zip(self._volumes[0].shape, self._spacing, strict=True)]
        across, up = (mm for axis, mm in enumerate(edges) if axis != plane.axis)
        size = tuple(max(1, round(mm * side / max(edges))) for mm in (across, up))
        source, result = (
            _grey(np.take(volume, plane.index, plane.axis), window).resize(size, _lanczos())
            for volume, window in zip(self._volumes, self.windows, strict=True)
        )
        return source, result

    def _at(self, axis: int, level: float) -> int:
        first, last = self._extent(axis)
        return round(first + level * (last - first))

    def _extent(self, axis: int) -> tuple[int, int]:
        """The first and last plane across an axis in which the source shows a head; all where none does."""
        low, high = self.windows[0]
        volume = self._volumes[0]
        bright = volume > low + _BRIGHT * (high - low)
        share = bright.mean(axis=tuple(other for other in range(3) if other != axis))
        shown = np.flatnonzero(share > _SHARE)
        return (int(shown[0]), int(shown[-1])) if shown.size else (0, volume.shape[axis] - 1)


def save_preview(shown: SideBySide, path: Path, *, description: str) -> None:
    """Write the preview as PNG, whole or not at all.

    Args:
        shown: the source and the result.
        path: ends in `.png`.
        description: what the file says of itself, by which it is known as a result.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    save_picture(shown.preview(), path, description=description)


def notebook_html(picture: Image.Image, *, title: str, facts: Sequence[str], warnings: Sequence[str]) -> str:
    """A preview with its facts, warnings and the mark, as the piece of HTML that notebooks show."""
    lines = "".join(f'<div style="color:#b26b00">{escape(text)}</div>' for text in warnings)
    return (
        '<figure style="margin:0;display:inline-block;max-width:100%">'
        f'<img src="data:image/png;base64,{embedded(picture)}" alt="{escape(title)}: source above, result below" '
        'style="display:block;max-width:100%;background:#000;border-radius:4px">'
        f'<figcaption style="font-size:.9em;padding-top:4px"><b>{escape(title)}</b> '
        f"{escape(' · '.join(facts))}{lines}"
        f'<div style="opacity:.7">{escape(MARK)}.</div></figcaption></figure>'
    )


def _grey(plane: npt.NDArray[np.float32], window: Window) -> Image.Image:
    from PIL import Image

    low, high = window
    shown = np.clip((radiological(plane) - low) * (255 / (high - low)), 0, 255)
    return Image.fromarray(np.ascontiguousarray(np.rint(shown).astype(np.uint8)))


def _marked(picture: Image.Image) -> Image.Image:
    """With the mark drawn into its upper edge, as large as fits."""
    from PIL import ImageDraw, ImageFont

    pen = ImageDraw.Draw(picture)
    for size in range(12, 6, -1):
        font = ImageFont.load_default(size)
        if font.getlength(_TILE_MARK) <= picture.width - 4:
            break
    pen.text((2, 1), _TILE_MARK, fill=255, font=font, stroke_width=1, stroke_fill=0)
    return picture


def _lanczos() -> Image.Resampling:
    from PIL import Image

    return Image.Resampling.LANCZOS
