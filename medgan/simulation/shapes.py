"""Signed distances: in mm, negative inside, near enough to true ones where a surface cuts a voxel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Point = tuple[float, float, float]
Coordinates = tuple[Field, Field, Field]


def ellipsoid(at: Coordinates, centre: Point, half_axes: Point) -> Field:
    """Distance to an ellipsoid, to first order: k (k - 1) / |grad| with k the scaled radius (Quilez)."""
    scaled: Field | float = 0.0
    slope: Field | float = 0.0
    for position, middle, half in zip(at, centre, half_axes, strict=True):
        part = (position - np.float32(middle)) / np.float32(half)
        part = part * part
        scaled = scaled + part
        slope = slope + part / np.float32(half * half)
    radius = np.sqrt(np.asarray(scaled, np.float32))
    return np.asarray(radius * (radius - 1) / np.sqrt(slope + np.float32(1e-9)), np.float32)


def chain(at: Coordinates, points: Sequence[tuple[float, float, float, float]]) -> Field:
    """Distance to a tube along points (x, y, z, radius), the radius running linearly between them."""
    nearest: Field | None = None
    for (x0, y0, z0, r0), (x1, y1, z1, r1) in itertools.pairwise(points):
        along = np.array([x1 - x0, y1 - y0, z1 - z0], np.float32)
        length2 = np.float32(max(float(along @ along), 1e-6))
        dx, dy, dz = (p - np.float32(q) for p, q in zip(at, (x0, y0, z0), strict=True))
        t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / length2, 0, 1)
        away = np.sqrt((dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2)
        distance = away - (np.float32(r0) + t * np.float32(r1 - r0))
        nearest = distance if nearest is None else np.minimum(nearest, distance)
    if nearest is None:
        raise ValueError("a chain needs two points")
    return np.asarray(nearest, np.float32)


def smooth_min(a: Field, b: Field, width: float) -> Field:
    """The union of two bodies, their seam rounded over `width` mm (Quilez's polynomial)."""
    h = np.maximum(np.float32(width) - np.abs(a - b), 0) / np.float32(width)
    return np.asarray(np.minimum(a, b) - h * h * np.float32(width / 4), np.float32)


def smooth_max(a: Field, b: Field, width: float) -> Field:
    """The intersection of two bodies, their edge rounded over `width` mm."""
    return np.asarray(-smooth_min(-a, -b, width), np.float32)


def both(a: Field, b: Field) -> Field:
    """The intersection of two bodies that meet at a right angle, with true distances around its edge."""
    return np.asarray(
        np.minimum(np.maximum(a, b), 0) + np.hypot(np.maximum(a, 0), np.maximum(b, 0)), np.float32
    )


def ramp(distance: Field, width: float) -> Field:
    """The fraction of a voxel that lies inside a body whose surface passes at `distance` from its centre."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1), np.float32)


def smooth_step(value: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high` and a cubic between them; falls where `high` is below `low`."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def f32(values: np.ndarray) -> Field:
    """The values in single precision, which constants in double would otherwise lift."""
    return np.asarray(values, np.float32)
