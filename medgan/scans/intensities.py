"""The intensities of a scan for a table: its ends, percentiles in the head, a histogram; quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgan.scans.scan import Voxels

PERCENTILES = (0.5, 50.0, 99.5)
"""Of the head's intensities; training makes the first and the last the ends of a network's range."""
BINS = 64
_SAMPLES = 1_000_000
_CORNER = 16  # a corner block has this fraction of each axis
_SMALLEST_SHARE = 0.002  # of the frame: less than this is no head


@dataclass(frozen=True, kw_only=True)
class Intensities:
    """The intensities of one scan, in the file's scaled units.

    Attributes:
        minimum, maximum: of all voxels.
        percentiles: `PERCENTILES` of the head.
        edges: where the histogram begins and ends: the head's percentiles 0.1 and 99.9.
        histogram: how many of a sample of the head's voxels lie in each of `BINS` bins.
    """

    minimum: float
    maximum: float
    percentiles: tuple[float, float, float]
    edges: tuple[float, float]
    histogram: tuple[int, ...]


def measure_intensities(voxels: Voxels, *, axial: tuple[int, int] = (0, 1)) -> Intensities:
    """The intensities of a scan; those of the head from a coarser grid beyond a million voxels.

    The head is what differs from the air in the corners by more than their noise and half of Otsu's threshold
    (Otsu 1979), and in each axial slice what has such voxels on all four sides. That is a sketch of
    `preparation.foreground` in a twentieth of its time: `scans` lies below `preparation`, which would bring
    torch along.

    Args:
        voxels: shape (I, J, K), finite.
        axial: the two axes of `voxels` that axial slices have.
    """
    sample = _coarser(voxels).astype(np.float64)
    air = _corners(voxels).astype(np.float64)
    deviation = np.abs(sample - np.median(air))
    otsu = _otsu(deviation.clip(0, np.percentile(deviation, 99.5)).ravel())
    noise = float(np.percentile(np.abs(air - np.median(air)), 99.9))
    bright = deviation > min(max(otsu / 2, noise), otsu)
    head = sample[np.logical_and.reduce([_between(bright, axis) for axis in axial]) | bright]
    if head.size < _SMALLEST_SHARE * sample.size:
        head = sample.ravel()
    low, *percentiles, high = (float(value) for value in np.percentile(head, (0.1, *PERCENTILES, 99.9)))
    low, high = _ends(low, high)
    counts, _ = np.histogram(head, bins=BINS, range=(low, high))
    return Intensities(
        minimum=float(voxels.min()),
        maximum=float(voxels.max()),
        percentiles=(percentiles[0], percentiles[1], percentiles[2]),
        edges=(low, high),
        histogram=tuple(int(count) for count in counts),
    )


def _ends(low: float, high: float) -> tuple[float, float]:
    """The ends of a histogram; moved apart for one value, or for too few of them for bins."""
    if high - low > 1e-6 * max(abs(low), abs(high)):
        return low, high
    room = max(0.5, abs(low) / 1000)
    return low - room, high + room


def _coarser(voxels: Voxels) -> Voxels:
    """Every second or third voxel, and so on, along the longest axes until few enough are left."""
    while voxels.size > _SAMPLES:
        longest = int(np.argmax(voxels.shape))
        voxels = voxels[tuple(slice(None, None, 2 if axis == longest else 1) for axis in range(3))]
    return voxels


def _between(mask: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """What has something of the mask before and behind it along an axis."""
    before = np.logical_or.accumulate(mask, axis=axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    return np.asarray(before & behind)


def _corners(voxels: Voxels) -> npt.NDArray[np.float32]:
    """The voxels in the corners of the frame, where there is air."""
    ends = []
    for size in voxels.shape:
        width = max(1, size // _CORNER)
        ends.append(sorted({*range(width), *range(size - width, size)}))
    return voxels[np.ix_(*ends)]


def _otsu(values: npt.NDArray[np.float64]) -> float:
    """The threshold that parts values into two classes of the largest variance between them (Otsu 1979).

    Between classes that lie apart any threshold does as well as the next; it is the middle of these.
    """
    counts, edges = np.histogram(values, bins=256, range=_ends(float(values.min()), float(values.max())))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    mass = np.cumsum(counts * centres)
    difference = mass[:-1] / np.maximum(below, 1) - (mass[-1] - mass[:-1]) / np.maximum(above, 1)
    between = below * above * difference**2
    return float(centres[:-1][between >= between.max() * (1 - 1e-9)].mean())
