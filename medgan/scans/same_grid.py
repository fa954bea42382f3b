"""Whether a scan lies on the grid of a DICOM series, its axes in whatever order, and what differs where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError
from medgan.scans.scan import Affine, Scan, Slicing

#: No voxel may lie farther from its place on the series' grid than this fraction of the smallest voxel edge; what
#: float32 affines and quaternions of NIfTI files lose is a hundredth of that.
SAME_PLACE = 0.05

_Points = npt.NDArray[np.float64]


def slicing_on(of_pictures: Affine, shape: tuple[int, int, int], scan: Scan, where: Path) -> Slicing:
    """How the pictures of a series lie in the voxels of a scan on the same grid.

    Args:
        of_pictures: the affine of the series, from [column, row, slice].
        shape: columns, rows, slices.
        scan: what should lie on its grid.
        where: the series, for the message.

    Raises:
        InputRefusedError: it does not; says whether the axes, the size, the voxels or the place differ.
    """
    directions = [_directions(of_pictures), _directions(scan.affine)]
    cosines = directions[0].T @ directions[1]
    axes = [int(axis) for axis in np.abs(cosines).argmax(axis=1)]  # of columns, rows, slices
    if sorted(axes) != [0, 1, 2]:
        raise _other_grid("axes in other directions", where)
    sizes = tuple(scan.voxels.shape[axis] for axis in axes)
    if sizes != shape:
        raise _other_grid(
            f"{_times(shape)} voxels (columns, rows, slices) and the scan {_times(sizes)}", where
        )
    reverse = [bool(cosines[picture, axis] < 0) for picture, axis in enumerate(axes)]
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape], indexing="ij")).reshape(3, -1).T
    indices = np.empty_like(corners)
    for picture, axis in enumerate(axes):
        along = corners[:, picture]
        indices[:, axis] = shape[picture] - 1 - along if reverse[picture] else along
    here = indices @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    there = corners @ of_pictures[:3, :3].T + of_pictures[:3, 3]
    beside = float(np.linalg.norm(here - there, axis=1).max())
    edges = np.linalg.norm(of_pictures[:3, :3], axis=0)
    allowed = SAME_PLACE * float(edges.min())
    if not beside <= allowed:
        angles = [abs(cosines[picture, axis]) for picture, axis in enumerate(axes)]
        found = _differences(there, here, edges, np.array(scan.spacing)[axes], angles, shape, allowed)
        raise _other_grid(
            f"{found}corners up to {beside:.3g} mm away from the scan's, and {allowed:.2g} mm are allowed",
            where,
        )
    columns, rows, slices = axes
    return Slicing(axes=(slices, rows, columns), reverse=(reverse[2], reverse[1], reverse[0]))


def _differences(
    there: _Points,
    here: _Points,
    edges: _Points,
    spacing: _Points,
    cosines: Sequence[float],
    shape: tuple[int, int, int],
    allowed: float,
) -> str:
    """What moves the corners: other voxels, turned axes, another place; each only if it matters.

    Args:
        there, here: corners of the series and of the scan, in mm.
        edges, spacing: mm along columns, rows and slices of the same.
        cosines: of the angles between their axes.
        shape: columns, rows, slices.
        allowed: mm.
    """
    halves = (np.array(shape) - 1) / 2
    angle = float(np.arccos(np.clip(min(cosines), 0, 1)))
    shift = float(np.linalg.norm(here.mean(axis=0) - there.mean(axis=0)))
    matters = allowed / 4
    found = []
    if (np.abs(spacing - edges) * halves).max() > matters:
        series, scan = _told_apart(edges, spacing)
        found.append(f"voxels of {series} mm (columns, rows, slices) and the scan {scan} mm")
    if angle * (halves * edges).max() > matters:
        found.append(f"axes that are turned by {np.degrees(angle):.3g} degrees against the scan's")
    if shift > matters:
        found.append(f"its middle {shift:.3g} mm away")
    return "".join(f"{part}, " for part in found)


def _directions(affine: Affine) -> _Points:
    directions: _Points = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return directions


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _told_apart(first: _Points, second: _Points) -> tuple[str, str]:
    """Numbers to as few digits, three or more, as show that they differ."""
    texts = ("", "")
    for digits in range(3, 10):
        texts = _numbers(first, digits), _numbers(second, digits)
        if texts[0] != texts[1]:
            break
    return texts


def _numbers(values: _Points, digits: int) -> str:
    return " x ".join(f"{value:.{digits}g}" for value in values)


def _other_grid(difference: str, where: Path) -> InputRefusedError:
    return InputRefusedError(
        f"is a series on another grid than the scan: it has {difference}",
        file=where,
        remedy="Give the series that the scan was made from, or write NIfTI instead.",
    )
