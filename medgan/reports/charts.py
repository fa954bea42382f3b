"""Charts as paths of an SVG: histograms of scans, and curves over a training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, FOOT, LEFT = 460.0, 190.0, 22.0, 44.0
"""Of a chart, and of the room below and beside it for its numbers."""
_POINTS = 400  # of a curve: means of neighbours where there are more
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histograms:
    """Histograms of the scans of one contrast, in an SVG of `WIDTH` x `HEIGHT`.

    Attributes:
        contrast: `t1`, `t2` or None.
        title: what is shown.
        lines: one for each scan.
        mean: their mean; empty for a single scan.
        ticks: places and numbers along the axis of intensities.
    """

    contrast: str | None
    title: str
    lines: tuple[str, ...]
    mean: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Curves:
    """Curves over the epochs, in an SVG of `WIDTH` x `HEIGHT`, with `LEFT` for the numbers.

    Attributes:
        title: what is shown.
        note: what it should do, in a sentence.
        lines: for each its key (`t1`, `t2` or `none`), its name and its path.
        across: places and numbers along the epochs.
        up: places and numbers along the values.
    """

    title: str
    note: str
    lines: tuple[tuple[str, str, str], ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]


def histograms(
    contrast: str | None,
    title: str,
    scans: Sequence[tuple[tuple[float, float], Sequence[float]]],
) -> Histograms:
    """Draw one line for each scan, scaled to its own peak, and their mean.

    Args:
        contrast: of the scans.
        title: of the chart.
        scans: for each the ends of its axis and the counts between them, of as many bins for all. The first and
            last bin gather what lies beyond, and do not count for the peak.
    """
    left = min(ends[0] for ends, _ in scans)
    right = float(np.percentile([ends[1] for ends, _ in scans], 95))
    grid = np.linspace(left, right, 2 * len(scans[0][1]))
    lines, total = [], np.zeros_like(grid)
    for (low, high), counted in scans:
        counts = np.asarray(counted, dtype=np.float64)
        centres = low + (np.arange(counts.size) + 0.5) * (high - low) / counts.size
        inner = counts[1:-1].max()
        heights = np.minimum(counts / (inner if inner > 0 else counts.max()), 1.0)
        lines.append(_path((centres - left) / (right - left), heights))
        total += np.interp(grid, centres, heights, left=0, right=0)
    return Histograms(
        contrast=contrast,
        title=title,
        lines=tuple(lines),
        mean=_path((grid - left) / (right - left), total / len(scans)) if len(scans) > 1 else "",
        ticks=tuple(
            ((tick - left) / (right - left) * WIDTH, number_text(tick)) for tick in ticks(left, right)
        ),
    )


def curves(
    title: str, note: str, over: Sequence[float], lines: Mapping[str, tuple[str, Sequence[float]]]
) -> Curves | None:
    """Draw values over the epochs; None where there are fewer than two to draw.

    Args:
        title: of the chart.
        note: what the curves should do.
        over: the epochs.
        lines: by name the key of its colour and its values; NaN where there is none.
    """
    epochs = np.asarray(over, dtype=np.float64)
    drawn = {name: (key, *_thinned(epochs, values)) for name, (key, values) in lines.items()}
    drawn = {name: line for name, line in drawn.items() if np.isfinite(line[2]).sum() > 1}
    if not drawn:
        return None
    known = np.concatenate([values[np.isfinite(values)] for _, _, values in drawn.values()])
    low, high = float(known.min()), float(known.max())
    low = 0.0 if 0 < low < 0.5 * high else low
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = (low if low == 0 else low - room), high + room
    first, last = float(epochs.min()), float(epochs.max())
    wide, tall = WIDTH - LEFT, HEIGHT - FOOT - 6

    def across(epoch: float) -> float:
        return LEFT + (epoch - first) / max(last - first, 1e-9) * wide

    def down(value: float) -> float:
        return HEIGHT - FOOT - (value - low) / (high - low) * tall

    paths = []
    for name, (key, x, y) in drawn.items():
        pieces = itertools.groupby(zip(x, y, strict=True), key=lambda point: math.isfinite(point[1]))
        parts = [[(across(a), down(b)) for a, b in piece] for finite, piece in pieces if finite]
        paths.append((key, name, " ".join(_joined(part) for part in parts)))
    return Curves(
        title=title,
        note=note,
        lines=tuple(paths),
        across=tuple((across(t), f"{t:g}") for t in ticks(first, last) if t == round(t)),
        up=tuple((down(t), f"{t:.3g}") for t in ticks(low, high)),
    )


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    if not low < high:
        return [low]
    rough = (high - low) / 5
    size = 10 ** np.floor(np.log10(rough))
    step = float(size * min((1, 2, 5, 10), key=lambda times: abs(times * size - rough)))
    first = int(np.ceil(low / step))
    return [index * step for index in range(first, first + 12) if index * step <= high]


def number_text(value: float) -> str:
    """An intensity in few letters."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _thinned(epochs: _Floats, values: Sequence[float]) -> tuple[_Floats, _Floats]:
    y = np.asarray(values, dtype=np.float64)
    if y.size <= _POINTS:
        return epochs, y
    groups = np.array_split(np.arange(y.size), _POINTS)
    means = [float(np.mean(y[group])) for group in groups]
    return np.array([float(epochs[group].mean()) for group in groups]), np.array(means)


def _path(x: _Floats, y: _Floats) -> str:
    """Points of 0 to 1 as an SVG path, y upwards."""
    height = HEIGHT - FOOT - 6
    return _joined(zip(x * WIDTH, HEIGHT - FOOT - y * height, strict=True))


def _joined(points: Iterable[tuple[float, float]]) -> str:
    places = [f"{across:.1f},{down:.1f}" for across, down in points]
    return "M" + " L".join(places if len(places) > 1 else [*places, *places])
