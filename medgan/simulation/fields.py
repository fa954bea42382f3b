"""Smooth random fields over a grid that do not depend on the grid: finer voxels show the same field finer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

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
    an aligned grid: three small matrix products. The lattice has its place in mm, so one generator state
    gives one field whatever the grid.
    """
    knots = max(4, round(_PERIOD_MM / pitch_mm))
    values = rng.standard_normal((knots, knots, knots), dtype=np.float32)
    for axis in grid.axes:
        # Each product contracts the first dimension and appends its own as the last: x, y, z in turn.
        values = np.tensordot(values, _spline_weights(axis, knots), axes=(0, 1))
    # The squared weights of a cubic B-spline sum to 151/315 on average.
    return cast(Field, (values / np.float32((151 / 315) ** 1.5)).astype(np.float32))


def _spline_weights(positions: Field, knots: int) -> Field:
    """Weights (position, knot) of the periodic cubic B-spline."""
    at = positions.astype(np.float64) / _PERIOD_MM * knots
    first = np.floor(at).astype(int)
    t = at - first
    pieces = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    weights = np.zeros((len(at), knots), np.float32)
    rows = np.arange(len(at))
    for offset, piece in enumerate(pieces):
        weights[rows, (first - 1 + offset) % knots] += piece
    return weights
