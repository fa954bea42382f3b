"""Correction of the coil's bias field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK

N4_SHRINK = 4
N4_ITERATIONS = (30, 30, 20)


def correct_bias(
    voxels: npt.NDArray[np.float32], foreground: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Divide voxels (X, Y, Z) by the smooth field that N4 (Tustison et al. 2010) estimates in the foreground.

    The field is fitted to every fourth voxel of each axis that has enough of them, in steps of its control
    points, and evaluated on the full grid.
    """
    flat = voxels.shape[2] == 1
    pixels = voxels[:, :, 0] if flat else voxels
    inside = (foreground & (voxels > 0))[:, :, 0] if flat else foreground & (voxels > 0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(pixels))
    mask = SimpleITK.GetImageFromArray(inside.astype(np.uint8))
    shrink = [max(1, min(N4_SHRINK, size // 16)) for size in image.GetSize()]
    corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(N4_ITERATIONS)
    corrector.Execute(SimpleITK.Shrink(image, shrink), SimpleITK.Shrink(mask, shrink))
    field = np.exp(SimpleITK.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)))
    return np.asarray(pixels / field, dtype=np.float32).reshape(voxels.shape)
