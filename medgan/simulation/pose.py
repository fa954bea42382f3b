"""Where a field of view lies in a head, and what of the head each of its voxels takes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from medgan.simulation.anatomy import Anatomy
from medgan.simulation.splines import SplineField
from medgan.simulation.variety import Variety

_ELASTIC_PITCH_MM = 34.0
_FINE_SLICE = 1.6
"""Planes through a slice lie no further apart than this many voxels of the anatomy, which are means themselves."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pose:
    """A field of view of slices in a head.

    Attributes:
        shape: (slices, X, Y).
        spacing: from slice to slice and along X and Y, in mm.
        thickness: of a slice in mm.
        matrix: (3, 3), takes an offset (X, Y, slice) from the field's centre in mm to one in the head.
        centre: of the field, in the head's mm.
        elastic: the smooth deformation, (3, slices, X, Y) with variance 1; None for none.
        elastic_mm: its standard deviation.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    thickness: float
    matrix: np.ndarray
    centre: np.ndarray
    elastic: SplineField | None
    elastic_mm: float

    def offsets(self, axis: int) -> np.ndarray:
        """Positions along an axis of `shape` in mm from the field's centre."""
        size = self.shape[axis]
        return (np.arange(size) - (size - 1) / 2) * self.spacing[axis]

    def points(self, part: slice, device: torch.device | str) -> torch.Tensor:
        """The positions in the head's mm of some slices' voxels, (3, part, X, Y)."""
        z, x, y = (
            torch.as_tensor(self.offsets(axis), dtype=torch.float32, device=device) for axis in range(3)
        )
        rows = []
        for row, centre in zip(self.matrix.astype(np.float64), self.centre, strict=True):
            flat = (float(row[0]) * x)[:, None] + (float(row[1]) * y + float(centre))[None]
            rows.append((float(row[2]) * z[part])[:, None, None] + flat[None])
        points = torch.stack(rows)
        return points if self.elastic is None else points.add_(self.elastic.at(part), alpha=self.elastic_mm)

    def through_slice(self, voxel_mm: float) -> list[np.ndarray]:
        """Offsets in the head's mm of the planes whose mean is a slice of an anatomy with voxels of `voxel_mm`."""
        count = max(1, int(np.ceil(self.thickness / (_FINE_SLICE * voxel_mm))))
        steps = ((np.arange(count) + 0.5) / count - 0.5) * self.thickness
        return [self.matrix[:, 2] * step for step in steps]


def draw_pose(
    anatomy: Anatomy,
    variety: Variety,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Pose:
    """Draw a field of view whose centre lies in the brain."""
    pixel = float(rng.uniform(*variety.pixel_mm))
    thickness, step = pixel, pixel
    if rng.random() < variety.thick:
        thickness = float(rng.uniform(*variety.slice_mm))
        step = thickness * (1 + float(rng.uniform(*variety.gap)))
    low, high = np.array(anatomy.low), np.array(anatomy.high)
    extent = (shape[1] * pixel, shape[2] * pixel, shape[0] * step)
    # Crops and slabs come from anywhere in the brain; a field as large as the brain shows all of it.
    room = np.clip(1 - np.array(extent) / (high - low), 0.15, 1.0)
    share = 0.5 + rng.uniform(-1, 1, 3) * variety.shift * room
    return _posed(variety, shape, (step, pixel, pixel), thickness, low + share * (high - low), rng, device)


def whole_head(
    anatomy: Anatomy,
    variety: Variety,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Pose:
    """A field of view of slices without gaps that takes in all of the head, however it is turned."""
    size = np.array(anatomy.shape) * anatomy.spacing
    centre = np.array(anatomy.origin) + (size - anatomy.spacing) / 2
    x, y, z = size * (1 + variety.scale)
    shape = tuple(int(np.ceil(length / step)) for length, step in zip((z, x, y), spacing, strict=True))
    return _posed(variety, (shape[0], shape[1], shape[2]), spacing, spacing[0], centre, rng, device)


def _posed(
    variety: Variety,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    thickness: float,
    centre: np.ndarray,
    rng: np.random.Generator,
    device: torch.device | str,
) -> Pose:
    elastic = None
    if variety.elastic_mm:
        elastic = SplineField.draw(rng, shape, spacing, _ELASTIC_PITCH_MM, channels=3, device=device)
    return Pose(
        shape=shape,
        spacing=spacing,
        thickness=thickness,
        matrix=_draw_matrix(variety, rng),
        centre=centre,
        elastic=elastic,
        elastic_mm=variety.elastic_mm * float(rng.uniform(0.3, 1.0)),
    )


def _draw_matrix(variety: Variety, rng: np.random.Generator) -> np.ndarray:
    turns = np.deg2rad(rng.uniform(-1, 1, 3) * (variety.tilt_deg, variety.tilt_deg, variety.rotation_deg))
    matrix = np.eye(3)
    for angle, (a, b) in zip(turns, ((1, 2), (0, 2), (0, 1)), strict=True):
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    sizes = 1 + rng.uniform(-1, 1, 3) * variety.scale
    if rng.random() < variety.mirror:
        sizes[0] = -sizes[0]
    shear = np.eye(3) + np.triu(rng.uniform(-1, 1, (3, 3)) * variety.shear, 1)
    return matrix @ shear @ np.diag(sizes)


class Corners:
    """The eight voxels around each point, and their weights in linear interpolation."""

    def __init__(self, anatomy: Anatomy, points: torch.Tensor) -> None:
        sizes = anatomy.shape
        index = torch.zeros_like(points[0], dtype=torch.int32)
        near, far = [], []
        inside = torch.ones_like(points[0], dtype=torch.bool)
        for at, origin, size in zip(points, anatomy.origin, sizes, strict=True):
            place = (at - origin) / anatomy.spacing
            inside &= (place >= 0) & (place <= size - 1)
            first = place.floor().clamp_(0, size - 2)
            part = place - first
            index = index * size + first.int()
            near.append(1 - part)
            far.append(part)
        # Beyond the grid is air: no weight at all.
        near[0] = near[0] * inside
        far[0] = far[0] * inside
        _, y, z = sizes
        jumps, weights = [], []
        for i, wx in enumerate((near[0], far[0])):
            for j, wy in enumerate((near[1], far[1])):
                both = wx * wy
                for k, wz in enumerate((near[2], far[2])):
                    jumps.append((i * y + j) * z + k)
                    weights.append(both * wz)
        self.indices = index.reshape(-1, 1) + torch.tensor(jumps, dtype=torch.int32, device=points.device)
        self.weights = torch.stack([weight.reshape(-1) for weight in weights], 1)
