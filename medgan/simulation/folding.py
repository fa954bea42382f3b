"""How a sheet of cortex buckles: meandering lines on a surface, and the way from a voxel up to it."""

from __future__ import annotations

import numpy as np

from medgan.simulation.canvas import Canvas, Region
from medgan.simulation.fields import Field
from medgan.simulation.shapes import f32


class Folding:
    """Meandering lines on a surface: the zeros of a random field whose waves all have one length.

    Such a field is the labyrinth that buckling makes, which is why its zero lines look like sulci.

    Args:
        canvas: gives the chance.
        spacing: mean distance in mm between neighbouring lines.
        anisotropy: size of the waves' left-right component, below 1 for lines that run from left to right.
    """

    def __init__(self, canvas: Canvas, *, spacing: float, anisotropy: float = 1.0) -> None:
        count = 22
        rng = canvas.rng
        directions = rng.standard_normal((count, 3)) * (anisotropy, 1, 1)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = np.pi / spacing * rng.uniform(0.85, 1.15, (count, 1))
        self.waves = (directions * lengths).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)

    def distance(self, points: Field) -> Field:
        """Distance in mm of points (N, 3) to the nearest line, to first order."""
        angles = points @ self.waves.T + self.phases
        value = np.cos(angles).sum(axis=1)
        slope = np.sin(angles) @ self.waves
        typical = (self.waves**2).sum() / 6
        return f32(
            np.abs(value) / np.sqrt((slope**2).sum(axis=1) * np.float32(0.8) + np.float32(0.2) * typical)
        )


def surface_points(
    canvas: Canvas, depth: Field, region: Region, mask: np.ndarray, *, reach: float
) -> tuple[Field, Field]:
    """What lies over voxels on the surface of a body, that folds can be drawn there and go straight down.

    Args:
        canvas: gives the positions.
        depth: distance in mm to the surface, positive inside.
        region: where on the canvas `depth` lies.
        mask: the N voxels of it that are asked for.
        reach: how much of the way to the surface is gone, 0 to 1.

    Returns:
        Points (N, 3) in mm, and the slope of `depth` (N), which is 1 but where two surfaces are equally near.
    """
    spacing = canvas.grid.spacing
    axes = [axis[part] for axis, part in zip(canvas.grid.axes, region, strict=True)]
    slopes = np.stack([np.gradient(depth, spacing, axis=i)[mask] for i in range(3)], axis=1)
    steepness = np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-3)
    slopes /= steepness
    indices = np.nonzero(mask)
    points = np.stack([axis[index] for axis, index in zip(axes, indices, strict=True)], axis=1)
    return f32(points - np.float32(reach) * depth[mask][:, None] * slopes), f32(steepness[:, 0])
