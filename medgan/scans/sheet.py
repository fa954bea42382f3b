"""A contact sheet: the axial slices of a volume in one picture that says what it shows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from medgan.errors import OutputNotWrittenError, UsageError
from medgan.files import whole_file
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan

SLICE_LIMIT = 30
_TILE = 192
"""Pixels of a tile's longer side."""
_MARGIN = 8
_GREY_OF_TEXT = 255


def contact_sheet(
    scan: Scan, path: Path, *, low: float, high: float, mark: str, description: str = ""
) -> None:
    """Write one grey PNG of at most `SLICE_LIMIT` axial slices, lowest first, with `mark` drawn above them.

    The slices are those of the nearest canonical axes, in radiological display (the patient's right is on the
    left, the front is up), with square pixels whatever the spacing.

    Args:
        scan: voxels (I, J, K) in any orientation.
        path: ends in `.png`.
        low: the value shown black.
        high: the value shown white.
        mark: visible text, such as `SYNTHETIC T2w from T1w - research only`.
        description: what the file says of itself in tEXt; the mark where it is empty.

    Raises:
        UsageError: `low` and `high` make no sense, or `mark` is empty.
        OutputNotWrittenError: another suffix, or the disk refuses.
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(f"low ({low:g}) must be less than high ({high:g})")
    if not mark.strip():
        raise UsageError("a picture of a result needs a mark that says what it is")
    if path.suffix.lower() != ".png":
        raise OutputNotWrittenError("a contact sheet is a PNG", file=path, remedy="Let the name end in .png.")
    tiles = _tiles(scan, low=low, high=high)
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Description", description or mark)
    with whole_file(path) as temporary:
        _sheet(tiles, mark).save(temporary, format="PNG", pnginfo=chunks)


def _tiles(scan: Scan, *, low: float, high: float) -> list[Image.Image]:
    """The chosen slices as pictures of one size."""
    volume, spacing = canonical(scan)
    width, height = volume.shape[0] * spacing[0], volume.shape[1] * spacing[1]
    scale = _TILE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    depth = volume.shape[2]
    chosen = np.unique(np.linspace(0, depth - 1, min(depth, SLICE_LIMIT)).round().astype(int))
    return [
        Image.fromarray(_display(volume[:, :, k], low, high)).resize(size, Image.Resampling.BILINEAR)
        for k in chosen
    ]


def _display(plane: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.uint8]:
    """A plane that runs to the right and to the front (RA) as rows from front to back, right to left."""
    turned = np.nan_to_num(plane[::-1, ::-1].T.astype(np.float64))
    grey = np.clip((turned - low) * (255 / (high - low)), 0, 255)
    return np.ascontiguousarray(np.rint(grey).astype(np.uint8))


def _sheet(tiles: list[Image.Image], mark: str) -> Image.Image:
    width, height = tiles[0].size
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    total = max(columns * width, 2 * _TILE)
    font, text_height = _fitting_font(mark, total - 2 * _MARGIN)
    band = text_height + 2 * _MARGIN
    sheet = Image.new("L", (total, band + rows * height), 0)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        sheet.paste(tile, (column * width, band + row * height))
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text((_MARGIN, _MARGIN // 2), mark, fill=_GREY_OF_TEXT, font=font)
    pen.text((2, band + 2), "R", fill=_GREY_OF_TEXT, font=ImageFont.load_default(12))
    return sheet


def _fitting_font(mark: str, width: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    """The largest size up to 20 in which the mark fits into `width` pixels, and its height."""
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    for size in range(20, 7, -1):
        font = ImageFont.load_default(size)
        _, _, right, bottom = pen.multiline_textbbox((0, 0), mark, font=font)
        if right <= width:
            break
    return font, math.ceil(bottom)
