"""Smooth random fields over a grid that do not depend on the grid: finer voxels show the same field finer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

_PERIOD_MM = 320.0
"""A field repeats after this length; longer than a head, so that it is never seen to."""


@dataclass(frozen=True)
class Grid:
    """Cubic voxels centred on the origin of RAS+ millimetres.

    Attributes:
        shape: voxels along right, anterior, superior.
        spacing: edge of a voxel in mm.
    """

    shape: tuple[int, int, int]
    spacing: float

    @property
    def axes(self) -> tuple[Field, Field, Field]:
        """The positions in mm of the voxel centres along each axis."""
        x, y, z = (((np.arange(n) - (n - 1) / 2) * self.spacing).astype(np.float32) for n in self.shape)
        return x, y, z

    @property
    def affine(self) -> Affine:
        """4x4, voxel index to RAS+ mm."""
        affine = np.diag([self.spacing, self.spacing, self.spacing, 1.0])
        affine[:3, 3] = [-(n - 1) / 2 * self.spacing for n in self.shape]
        return affine

    @property
    def positions(self) -> tuple[Field, Field, Field]:
        """The positions in mm, as three arrays that broadcast to `shape`."""
        x, y, z = self.axes
        return x[:, None, None], y[None, :, None], z[None, None, :]


def smooth_noise(rng: np.random.Generator, grid: Grid, pitch_mm: float) -> Field:
    """A Gaussian random field of mean 0 and variance 1 with detail of about `pitch_mm`.

    Random numbers on a lattice of that pitch are the coefficients of a cubic B-spline, which is separable on
    an aligned grid. The lattice has its place in mm, so one generator state gives one field on any grid.
    """
    knots = max(4, round(_PERIOD_MM / pitch_mm))
    values = rng.standard_normal((knots, knots, knots), dtype=np.float32)
    # The last axis first, while the array is small, and the slowest of them last, where memory is contiguous.
    for axis in (2, 1, 0):
        values = _interpolated(values, grid.axes[axis], axis)
    # The squared weights of a cubic B-spline sum to 151/315 on average.
    return np.asarray(values / np.float32((151 / 315) ** 1.5), np.float32)


def _interpolated(values: Field, positions: Field, axis: int) -> Field:
    """The periodic cubic B-spline with coefficients `values` along an axis, at positions in mm."""
    knots = values.shape[axis]
    at = positions.astype(np.float64) / _PERIOD_MM * knots
    first = np.floor(at).astype(int)
    t = at - first
    pieces = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    column = [1, 1, 1]
    column[axis] = len(at)
    total = np.zeros((), np.float32)
    for offset, piece in enumerate(pieces):
        weight = piece.astype(np.float32).reshape(column)
        total = total + weight * values.take((first - 1 + offset) % knots, axis)
    return total
