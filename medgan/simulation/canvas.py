"""What a head is painted with: who the person is, where each voxel lies in the anatomy, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgan.simulation.fields import Field, Grid, smooth_noise
from medgan.simulation.shapes import Coordinates
from medgan.simulation.tissues import TISSUE_NAMES

Region = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class Person:
    """What makes one head differ from another; lengths in mm, angles in degrees, factors around 1."""

    scale: tuple[float, float, float]
    rotation: tuple[float, float, float]
    shift: tuple[float, float, float]
    egg: float
    atrophy: float
    ventricles: float
    cortex: float
    gyrus: float
    sulcus_depth: float
    skull: float
    fat: float
    skin: float
    muscle: float
    pneumatisation: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Person:
        """Somebody, of the size and build that adults have."""
        size = rng.normal(0.965, 0.02)
        age = rng.beta(1.3, 1.8)
        return cls(
            scale=(
                float(np.clip(size * rng.normal(1, 0.02), 0.9, 1.02)),
                float(np.clip(size * rng.normal(1, 0.02), 0.9, 1.01)),
                float(np.clip(size * rng.normal(1, 0.02), 0.9, 1.02)),
            ),
            rotation=(float(rng.normal(0, 4)), float(rng.normal(0, 2)), float(rng.normal(0, 2.5))),
            shift=(float(rng.normal(0, 1)), float(rng.normal(0, 1)), float(rng.normal(0, 1.5))),
            egg=float(rng.uniform(0.04, 0.10)),
            atrophy=float(age),
            ventricles=float(0.75 + 0.75 * age * rng.uniform(0.5, 1.2)),
            cortex=float(rng.uniform(2.5, 3.0) - 0.3 * age),
            gyrus=float(rng.uniform(9.5, 12.0)),
            sulcus_depth=float(rng.uniform(16, 21)),
            skull=float(rng.uniform(5.2, 7.5)),
            fat=float(rng.uniform(1.8, 4.2)),
            skin=float(rng.uniform(1.5, 2.1)),
            muscle=float(rng.uniform(0.7, 1.2)),
            pneumatisation=float(rng.uniform(0.6, 1.2)),
        )


class Canvas:
    """A grid that is painted from the front to the back: what is painted first hides what comes later.

    Attributes:
        at: the anatomical coordinates of every voxel in mm: right, anterior and superior of the anterior
            commissure, in a head of standard size; three arrays of the grid's shape.
        fractions: (tissue, X, Y, Z), what has been painted so far.
        remaining: (X, Y, Z), what is still bare.
        rng: where the person's chance comes from; it must be asked the same questions on every grid.
    """

    def __init__(self, grid: Grid, person: Person, rng: np.random.Generator) -> None:
        self.grid = grid
        self.person = person
        self.rng = rng
        self.at = self._anatomical_coordinates()
        self.fractions = np.zeros((len(TISSUE_NAMES), *grid.shape), np.float32)
        self.remaining = np.ones(grid.shape, np.float32)
        self.everywhere: Region = (slice(None), slice(None), slice(None))

    def noise(self, pitch_mm: float) -> Field:
        """A smooth random field of mean 0 and variance 1 over the grid."""
        return smooth_noise(self.rng, self.grid, pitch_mm)

    def paint(self, tissue: str, fraction: Field, region: Region | None = None) -> None:
        """Give `fraction` (0 to 1) of what is still bare in a region to a tissue."""
        where = self.everywhere if region is None else region
        bare = self.remaining[where]
        part = bare * fraction
        self.fractions[TISSUE_NAMES.index(tissue)][where] += part
        bare -= part

    def region(self, low: tuple[float, float, float], high: tuple[float, float, float]) -> Region:
        """The voxels that hold the anatomical box from `low` to `high`, with room for pose and size."""
        margin = 8.0
        origin = np.array(_COMMISSURE) + np.array(self.person.shift)
        slices = []
        for axis, start, stop, zero in zip(self.grid.axes, low, high, origin, strict=True):
            first, last = np.searchsorted(axis, [start + zero - margin, stop + zero + margin])
            slices.append(slice(int(first), int(last)))
        return slices[0], slices[1], slices[2]

    def coordinates(self, region: Region) -> Coordinates:
        """The anatomical coordinates within a region."""
        x, y, z = self.at
        return x[region], y[region], z[region]

    def _anatomical_coordinates(self) -> Coordinates:
        yaw, pitch, roll = np.deg2rad(np.array(self.person.rotation)[[2, 0, 1]])
        turn = _turn(yaw, 0, 1) @ _turn(pitch, 1, 2) @ _turn(roll, 0, 2)
        inverse = (np.diag(1 / np.array(self.person.scale)) @ turn.T).astype(np.float32)
        zero = np.array(_COMMISSURE, np.float32) + np.array(self.person.shift, np.float32)
        world = [p - z for p, z in zip(self.grid.positions, zero, strict=True)]
        warped = []
        for row in inverse:
            straight = row[0] * world[0] + row[1] * world[1] + row[2] * world[2]
            bend = 1.6 * self.noise(60.0) + 0.7 * self.noise(27.0)
            warped.append(np.asarray(straight + bend, np.float32))
        return warped[0], warped[1], warped[2]


_COMMISSURE = (0.0, 16.0, -8.0)
"""Where the anterior commissure lies in the grid's mm, so that a standard head fills 160 x 192 x 160 mm."""


def _turn(angle: float, first: int, second: int) -> np.ndarray:
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second] = -np.sin(angle)
    matrix[second, first] = np.sin(angle)
    return matrix
