"""Pictures that people look at: grids of slices, loss curves, animations; all say that they are synthetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medgan.files import whole_file

if TYPE_CHECKING:
    from PIL import Image

MARK = "SYNTHETIC - research only, not for diagnosis"
_GAP, _LINE = 3, 18


def radiological(plane: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """An axial slice (X, Y), axes towards right and anterior, as it is shown: anterior up, patient's right left."""
    return np.flip(plane.T, (0, 1))


def picture_grid(
    rows: Sequence[Sequence[npt.NDArray[np.floating]]], *, headings: Sequence[str], mark: str = MARK
) -> Image.Image:
    """A table of slices under headings, with the synthetic mark beneath.

    Args:
        rows: each a row of planes (X, Y) in [0, 1], canonical axes; all of one size in a column.
        headings: one for each column.
        mark: what is written beneath.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = [[radiological(plane) for plane in row] for row in rows]
    zoom = max(1, round(160 / max(plane.shape[1] for row in shown for plane in row)))
    shown = [[np.kron(plane, np.ones((zoom, zoom))) for plane in row] for row in shown]
    widths = [max(row[column].shape[1] for row in shown) for column in range(len(headings))]
    heights = [max(plane.shape[0] for plane in row) for row in shown]
    size = (sum(widths) + _GAP * (len(widths) - 1), sum(heights) + _GAP * len(heights) + 2 * _LINE)
    sheet = Image.new("L", size, 0)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    left = 0
    for column, heading in enumerate(headings):
        draw.text((left + 2, 2), heading, fill=255, font=font)
        top = _LINE
        for row, height in zip(shown, heights, strict=True):
            pixels = np.clip(np.nan_to_num(row[column]) * 255, 0, 255).astype(np.uint8)
            sheet.paste(Image.fromarray(pixels), (left, top))
            top += height + _GAP
        left += widths[column] + _GAP
    draw.text((2, size[1] - _LINE + 2), mark, fill=255, font=font)
    return sheet


def save_picture(picture: Image.Image, path: Path, *, description: str = MARK) -> None:
    """Write a PNG, whole or not at all, with the mark in its text too.

    Args:
        picture: what to write.
        path: where to.
        description: what the file says of itself.
    """
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text("Description", description)
    about.add_text("Comment", MARK)
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=about)


def save_animation(pictures: Sequence[Path], path: Path, *, milliseconds: int = 250, most: int = 60) -> None:
    """Write a GIF of PNG files of one size, at most `most` of them, evenly chosen."""
    from PIL import Image

    chosen = [pictures[i] for i in np.unique(np.linspace(0, len(pictures) - 1, most).round().astype(int))]
    frames = []
    for file in chosen:
        with Image.open(file) as frame:
            frames.append(frame.convert("L"))
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    times = [milliseconds] * (len(frames) - 1) + [8 * milliseconds]
    with whole_file(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=times, loop=0
        )


def save_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], steps: Sequence[float], path: Path
) -> None:
    """Write line charts as PNG.

    Args:
        curves: by panel, then by line: one value for each step.
        steps: the horizontal axis.
        path: where to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if len(curves) > 1 else 1
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(5.5 * columns, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (title, lines) in zip(panels, curves.items(), strict=False):
        for name, values in lines.items():
            panel.plot(steps, values, label=name, linewidth=1.2)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("step", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, frameon=False)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
