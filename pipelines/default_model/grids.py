"""Scans as SimpleITK images and back, for what the default weights' scripts register."""

from __future__ import annotations

from dataclasses import replace

import nibabel.orientations
import numpy as np
import numpy.typing as npt
import SimpleITK

from medgan.errors import InputRefusedError
from medgan.scans import Scan
from medgan.scans.orientation import closest_turns

_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def to_itk(voxels: npt.NDArray[np.generic], affine: npt.NDArray[np.float64]) -> SimpleITK.Image:
    """An image of voxels (I, J, K) and their affine to RAS+ mm, whose axes are at right angles."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing([float(side) for side in spacing])
    image.SetDirection([float(part) for part in (_TO_LPS @ (affine[:3, :3] / spacing)).ravel()])
    image.SetOrigin([float(part) for part in _TO_LPS @ affine[:3, 3]])
    return image


def on_grid_of(scan: Scan, image: SimpleITK.Image) -> Scan:
    """The voxels of a SimpleITK image on a scan's grid as a scan with that scan's header."""
    voxels = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    return replace(scan, voxels=np.ascontiguousarray(voxels, dtype=np.float32))


def canonical_on_grid_of(scan: Scan, voxels: npt.NDArray[np.float32]) -> Scan:
    """Voxels on a scan's canonical grid (right, anterior, superior) as a scan with that scan's header."""
    straight = nibabel.orientations.axcodes2ornt("RAS")
    turn = nibabel.orientations.ornt_transform(straight, closest_turns(scan.affine))
    turned = nibabel.orientations.apply_orientation(voxels, turn)
    return replace(scan, voxels=np.ascontiguousarray(turned, dtype=np.float32))


def refuse_grid_beside(scan: Scan, other: Scan) -> None:
    """Refuse a scan that is not on another's grid, axis by axis.

    Raises:
        InputRefusedError: it is not.
    """
    if scan.voxels.shape != other.voxels.shape or not np.allclose(scan.affine, other.affine, atol=1e-3):
        raise InputRefusedError(
            f"is not on the grid of {other.source.path.name}",
            file=scan.source.path,
            remedy="Move it there with register_pairs.py, or derive masks from the T1w with brain_masks.py.",
        )


def isotropic(image: SimpleITK.Image, spacing: float) -> SimpleITK.Image:
    """Resampled linearly to cubic voxels along its own axes, smoothed first where it is finer."""
    for axis, side in enumerate(image.GetSpacing()):
        if side < 0.75 * spacing:
            image = SimpleITK.RecursiveGaussian(image, sigma=0.45 * spacing, direction=axis)
    sides = zip(image.GetSize(), image.GetSpacing(), strict=True)
    size = [max(1, round(count * side / spacing)) for count, side in sides]
    # The first voxel's outer edge stays where it was.
    shift = [(spacing - side) / 2 for side in image.GetSpacing()]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = [float(part) for part in np.array(image.GetOrigin()) + direction @ shift]
    still, linear = SimpleITK.Transform(), SimpleITK.sitkLinear
    return SimpleITK.Resample(image, size, still, linear, origin, [spacing] * 3, image.GetDirection(), 0.0)
