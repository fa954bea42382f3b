"""Boxes and arrows as SVG, by matplotlib: for pictures of the documentation. Lengths are pixels, y runs down."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

INK, PALE, PAPER = "#222222", "#9a9a9a", "#ffffff"
SYNTHESIS, TRAINING = "#c2571a", "#1f5f99"
_INCH = 96  # pixels, as browsers have it
_POINTS = 72 / _INCH  # of a pixel


class TooNarrowError(Exception):
    """A text is wider than its box."""


@dataclass(frozen=True)
class Box:
    """A box that was drawn: its left, top, width and height."""

    x: float
    y: float
    width: float
    height: float

    def side(self, name: str, share: float = 0.5) -> tuple[float, float]:
        """A point on its `top`, `bottom`, `left` or `right`, that share of the way along it."""
        along = {"top": (share, 0.0), "bottom": (share, 1.0), "left": (0.0, share), "right": (1.0, share)}[
            name
        ]
        return self.x + along[0] * self.width, self.y + along[1] * self.height


class Diagram:
    """A picture of boxes and arrows.

    Args:
        width: of the picture, in pixels.
        height: the same.
    """

    def __init__(self, width: int, height: int) -> None:
        self._figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=_INCH, facecolor=PAPER)
        self._canvas = FigureCanvasAgg(self._figure)  # measures texts
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.axis("off")

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        text: str,
        *,
        edge: str = INK,
        fill: str = PAPER,
        size: float = 15,
        bold: bool = False,
    ) -> Box:
        """A box with a text in its middle.

        Raises:
            TooNarrowError: the text does not fit.
        """
        shape = FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=5", ec=edge, fc=fill, lw=1.3, zorder=3
        )
        self._axes.add_patch(shape)
        drawn = self.text(
            x + width / 2, y + height / 2, text, size=size, colour=INK, bold=bold, align="center"
        )
        if drawn > width - 4:
            raise TooNarrowError(f"{text!r} takes {drawn:.0f} of {width:.0f} pixels")
        return Box(x, y, width, height)

    def band(self, y: float, height: float, width: float, *, fill: str, x: float = 0) -> None:
        """A coloured band behind what stands on it."""
        self._axes.add_patch(Rectangle((x, y), width, height, fc=fill, ec="none", zorder=0))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
    ) -> float:
        """A text, its middle at that height; gives its width in pixels."""
        drawn = self._axes.text(
            x,
            y,
            text,
            fontsize=size * _POINTS,
            color=colour,
            ha=align,
            va="center",
            weight="bold" if bold else "normal",
            linespacing=1.25,
            zorder=4,
        )
        return float(drawn.get_window_extent(self._canvas.get_renderer()).width)

    def arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        colour: str = INK,
        width: float = 1.4,
        bend: float = 0.0,
        head: float = 9,
        behind: bool = False,
    ) -> None:
        """An arrow, bent to one side by that share of its length."""
        shape = FancyArrowPatch(
            start,
            end,
            arrowstyle=f"-|>,head_length={head * 0.06:.2f},head_width={head * 0.03:.2f}",
            mutation_scale=10,
            connectionstyle=f"arc3,rad={bend}",
            color=colour,
            lw=width,
            shrinkA=0,
            shrinkB=1,
            zorder=1 if behind else 5,
        )
        self._axes.add_patch(shape)

    def chain(self, boxes: Sequence[Box], *, colour: str = INK) -> None:
        """Arrows from each box to the one on its right."""
        for one, following in itertools.pairwise(boxes):
            self.arrow(one.side("right"), following.side("left"), colour=colour)

    def save(self, path: Path, *, said: str = "") -> None:
        """Write it as SVG, always the same bytes for the same picture; or as PNG, by the name's end.

        Args:
            path: where to.
            said: what the SVG says in its metadata, for who compares it with what it shows.
        """
        with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": path.stem}):
            if path.suffix == ".png":
                self._figure.savefig(path, dpi=_INCH)
            else:
                FigureCanvasSVG(self._figure).print_svg(
                    path, metadata={"Date": None, "Creator": "medgan", "Description": said}
                )
