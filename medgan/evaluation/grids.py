"""Whether two scans lie on one grid, in whatever order their axes are stored, and what differs where they do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError
from medgan.scans.orientation import closest_turns
from medgan.scans.same_grid import SAME_PLACE
from medgan.scans.scan import Affine, Scan

Points = npt.NDArray[np.float64]


def canonical_grid(scan: Scan) -> tuple[Affine, tuple[int, int, int]]:
    """The affine and the shape (X, Y, Z) that `canonical_voxels` of the scan have."""
    import nibabel.orientations

    turns = closest_turns(scan.affine)
    x, y, z = (scan.voxels.shape[axis] for axis in np.argsort(turns[:, 0]))
    affine: Affine = scan.affine @ nibabel.orientations.inv_ornt_aff(turns, scan.voxels.shape)
    return affine, (x, y, z)


def corners(affine: Affine, shape: tuple[int, int, int]) -> Points:
    """The centres of the eight outermost voxels in mm, (8, 3)."""
    indices = np.array(np.meshgrid(*[(0, size - 1) for size in shape], indexing="ij")).reshape(3, -1).T
    places: Points = indices @ affine[:3, :3].T + affine[:3, 3]
    return places


def refuse_other_grid(scan: Scan, reference: Scan, *, called: str, beside: str, remedy: str) -> None:
    """Refuse a scan that does not lie on the grid of another.

    Args:
        scan, reference: on which each voxel should have its own place.
        called, beside: what they are, such as `prediction` and `reference`, for the message.
        remedy: the way out.

    Raises:
        InputRefusedError: they differ; says whether in size, spacing, direction or place.
    """
    found = differences(scan, reference)
    if found:
        raise InputRefusedError(
            f"the {called} is not on the grid of the {beside}: {', '.join(found)}",
            file=scan.source.path,
            remedy=remedy,
        )


def differences(scan: Scan, other: Scan) -> list[str]:
    """What differs between two grids, from left to right, back to front and foot to head; nothing where they agree.

    They agree where no voxel lies farther from its place than `SAME_PLACE` of the smallest voxel edge.
    """
    (here, shape), (there, other_shape) = canonical_grid(scan), canonical_grid(other)
    edges = np.linalg.norm(here[:3, :3], axis=0), np.linalg.norm(there[:3, :3], axis=0)
    allowed = SAME_PLACE * float(edges[1].min())
    if shape == other_shape:
        beside = float(np.linalg.norm(corners(here, shape) - corners(there, shape), axis=1).max())
        if beside <= allowed:
            return []
    found = []
    if shape != other_shape:
        found.append(f"{_times(shape)} voxels against {_times(other_shape)}")
    extent = np.array(shape) / 2
    if (np.abs(edges[0] - edges[1]) * extent).max() > allowed / 4:
        found.append(f"spacing {_spacing(edges[0])} mm against {_spacing(edges[1])} mm")
    cosines = ((here[:3, :3] / edges[0]) * (there[:3, :3] / edges[1])).sum(axis=0)
    angle = float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))
    if np.radians(angle) * (extent * edges[0]).max() > allowed / 4:
        found.append(f"axes turned by {angle:.3g} degrees")
    middles = corners(here, shape).mean(axis=0), corners(there, other_shape).mean(axis=0)
    apart = float(np.linalg.norm(middles[0] - middles[1]))
    if apart > allowed / 4 or not found:
        found.append(f"middles {apart:.3g} mm apart")
    return found


def _times(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))


def _spacing(edges: Points) -> str:
    return " x ".join(f"{edge:.4g}" for edge in edges)
