"""The protocol that images are compared by: one scaling, one mask, for every image alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan

Volume = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PROTOCOL: Mapping[str, str] = {
    "version": "2",
    "foreground": "the head in the reference: more than half of Otsu's threshold of its positive voxels, opened by one "
    "voxel, the largest piece, filled in 3D and in each axial slice; or the mask that was given",
    "scaling": "each image by the 0.5 and 99.5 percentile of its own voxels in the foreground to [0, 1], clipped",
    "whole": "all voxels, scaled by the foreground",
    "psnr": "dB, range 1",
    "ssim": "gaussian window of 11 pixels (sigma 1.5) on axial slices, edges mirrored, mean over the voxels; of the "
    "foreground only slices with more than 200 pixels of it count, if there are any",
    "ms_ssim": "five scales (Wang 2003), mean over whole axial slices that show the head; 176 pixels or more",
    "mae": "mean absolute error, range 1",
    "nrmse": "root mean square error over the root mean square of the reference, scaled",
    "r": "Pearson correlation",
    "nmi": "normalised mutual information (Studholme 1999), 64 bins: 1 for independent images, 2 for equal ones",
}
"""The rules that figures are made by, each under its name; written and printed beside every result."""
LEAST_OF_SLICE = 200
"""Pixels of the foreground that a slice has more than, for its SSIM to count."""


def canonical_voxels(scan: Scan) -> Volume:
    """(X, Y, Z) towards right, anterior, superior: axial slices are the last axis."""
    return np.array(canonical(scan)[0], dtype=np.float64)


def head(reference: Volume) -> Mask:
    """The foreground of a canonical reference volume, as `PROTOCOL` has it; empty where nothing is found.

    A picture (Z = 1), and a stack of two, are opened within their slices.
    """
    import SimpleITK

    positive = reference[reference > 0]
    if not positive.size:
        return np.zeros(reference.shape, dtype=bool)
    bright = np.moveaxis(reference > _otsu(positive) / 2, 2, 0)
    radius = (1, 1, 1 if bright.shape[0] > 2 else 0)
    room = (
        (radius[2], radius[2]),
        (1, 1),
        (1, 1),
    )  # what touches the frame's border is not more than what does not
    image = SimpleITK.GetImageFromArray(np.pad(bright, room).astype(np.uint8))
    image = SimpleITK.BinaryMorphologicalOpening(image, radius, SimpleITK.sitkCross, 0, 1)
    image = SimpleITK.BinaryFillhole(image, False, 1)
    pieces = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(image), sortByObjectSize=True)
    found = SimpleITK.GetArrayFromImage(pieces) == 1
    inner = found[tuple(slice(pad[0], size - pad[1]) for pad, size in zip(room, found.shape, strict=True))]
    return np.stack([_filled(plane) for plane in inner], axis=2)


def to_unit(voxels: Volume, mask: Mask) -> Volume:
    """Scale by robust percentiles inside the mask to [0, 1], and clip."""
    low, high = np.percentile(voxels[mask], [0.5, 99.5])
    scaled: Volume = np.clip((voxels - low) / max(high - low, 1e-9), 0, 1)
    return scaled


def _otsu(values: Volume) -> float:
    """Otsu's threshold (Otsu 1979) of 256 bins; the value itself where there is one alone."""
    if values.min() == values.max():
        return float(values[0])
    import SimpleITK

    otsu = SimpleITK.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.ReturnBinMidpointOn()
    otsu.Execute(SimpleITK.GetImageFromArray(values.reshape(1, -1)))
    return float(otsu.GetThreshold())


def _filled(plane: Mask) -> Mask:
    import SimpleITK

    fill = SimpleITK.BinaryFillholeImageFilter()
    fill.SetForegroundValue(1)
    fill.SetNumberOfThreads(1)  # starting threads costs more than a slice
    return np.asarray(
        SimpleITK.GetArrayFromImage(fill.Execute(SimpleITK.GetImageFromArray(plane.astype(np.uint8)))) > 0
    )
