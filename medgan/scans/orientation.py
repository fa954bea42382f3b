"""Which of the patient's axes the axes of a grid are closest to: the one rule for everything that turns a scan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medgan.scans.scan import Affine, Scan, Voxels


def closest_turns(affine: Affine) -> npt.NDArray[np.float64]:
    """For each axis of a grid the RAS axis that it is closest to, and 1 or -1, as nibabel's `io_orientation`.

    It follows from where the axes point to in the world, and not from the order in which they are stored:
    where two RAS axes are equally close, as at 45 degrees, the last digits would decide, so the world is first
    turned by a twentieth of a degree about an axis of no symmetry. NaN for an axis that points nowhere.
    """
    import nibabel.orientations

    turns: npt.NDArray[np.float64] = nibabel.orientations.io_orientation(_OFF_TIES @ affine)
    return turns


def canonical(scan: Scan) -> tuple[Voxels, tuple[float, float, float]]:
    """Voxels (X, Y, Z) turned to run right, to the front and up, and the spacing in mm along these axes.

    The voxels may be a view of the scan's.
    """
    import nibabel.orientations

    turns = closest_turns(scan.affine)
    voxels: Voxels = nibabel.orientations.apply_orientation(scan.voxels, turns)
    x, y, z = (scan.spacing[axis] for axis in np.argsort(turns[:, 0]))
    return voxels, (x, y, z)


def _rotation(x: float, y: float, z: float) -> Affine:
    """4x4, about the axis (x, y, z) by its length in radians (Rodrigues), for small angles."""
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation = np.eye(4)
    rotation[:3, :3] += cross + cross @ cross / 2
    return rotation


_OFF_TIES = _rotation(2e-4, 5e-4, 7e-4)
