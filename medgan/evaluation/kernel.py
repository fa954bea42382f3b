"""How far the features of one scan lie from those of a crowd of scans, by a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]
"""Feature vectors (samples, features)."""

_LEAST_SCALE = 1e-6


@dataclass(frozen=True, eq=False)
class Crowd:
    """Feature vectors of several scans, each feature scaled by its mean and standard deviation over all of them.

    Attributes:
        scans: of each its vectors, scaled.
        mean, scale: of the features.
        within: how alike two vectors of the crowd are, mean of the kernel.
        apart: the distance of each scan from the others; empty for a single one.
    """

    scans: tuple[Rows, ...]
    mean: Rows
    scale: Rows
    within: float
    apart: tuple[float, ...]

    @classmethod
    def of(cls, scans: Sequence[Rows]) -> Crowd:
        """Of one scan or more, with two vectors or more each."""
        everything = np.concatenate(scans)
        mean, scale = everything.mean(axis=0), np.maximum(everything.std(axis=0), _LEAST_SCALE)
        scaled = tuple((rows - mean) / scale for rows in scans)
        sums, own = _sums(scaled)
        sizes = np.array([len(rows) for rows in scaled])
        count = int(sizes.sum())
        within = float((sums.sum() - own.sum()) / (count * (count - 1)))
        return cls(scaled, mean, scale, within, _from_the_others(sums, own, sizes) if len(scaled) > 1 else ())

    def distance(self, rows: Rows) -> float:
        """Of a scan's vectors from those of the crowd, as `kernel_distance` has it."""
        here = (rows - self.mean) / self.scale
        crossed = sum(float(_kernel(here, there).sum()) for there in self.scans)
        return _within(here) + self.within - 2 * crossed / (len(here) * sum(map(len, self.scans)))


def kernel_distance(here: Rows, there: Rows) -> float:
    """The unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (Binkowski et al., ICLR 2018).

    About 0 where both are drawn from one distribution, and below it by chance; it has no upper end.
    """
    return _within(here) + _within(there) - 2 * float(_kernel(here, there).mean())


def _sums(scans: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Of the kernel over all pairs of vectors of two scans (scans, scans), and of each vector with itself (scans)."""
    sums = np.zeros((len(scans), len(scans)))
    own = np.zeros(len(scans))
    for index, one in enumerate(scans):
        own[index] = ((np.square(one).sum(axis=1) / one.shape[1] + 1) ** 3).sum()
        for further in range(index, len(scans)):
            sums[index, further] = sums[further, index] = _kernel(one, scans[further]).sum()
    return sums, own


def _from_the_others(sums: Rows, own: Rows, sizes: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """`kernel_distance` of each scan from all others."""
    rest = sizes.sum() - sizes
    alone = np.diagonal(sums)
    cross = sums.sum(axis=1) - alone
    here = (alone - own) / (sizes * (sizes - 1))
    there = (sums.sum() - 2 * cross - alone - (own.sum() - own)) / (rest * (rest - 1))
    return tuple(float(value) for value in here + there - 2 * cross / (sizes * rest))


def _within(rows: Rows) -> float:
    """The mean of the kernel over all pairs of two vectors."""
    count, similar = len(rows), _kernel(rows, rows)
    return float((similar.sum() - np.trace(similar)) / (count * (count - 1)))


def _kernel(here: Rows, there: Rows) -> Rows:
    similar: Rows = (here @ there.T / here.shape[1] + 1) ** 3
    return similar
