"""The protocol that images are compared by: one scaling, one mask, for every image alike."""

from __future__ import annotations

from collections.abc import Mapping

import nibabel
import numpy as np
import numpy.typing as npt

from medgan.preparation.foreground import foreground
from medgan.scans.scan import Scan

Volume = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PROTOCOL: Mapping[str, str] = {
    "version": "1",
    "mask": "the head in the reference (its foreground, filled)",
    "scaling": "each image by the 0.5 and 99.5 percentile inside the mask to [0, 1], clipped",
    "psnr": "range 1, inside the mask",
    "ssim": "gaussian window of 11 pixels (sigma 1.5) on axial slices, mean inside the mask",
    "r": "Pearson correlation inside the mask",
}


def canonical_voxels(scan: Scan) -> Volume:
    """(X, Y, Z) towards right, anterior, superior: axial slices are the last axis."""
    turn = nibabel.io_orientation(scan.affine)
    turned: npt.NDArray[np.float32] = nibabel.apply_orientation(scan.voxels, turn)
    voxels: Volume = np.array(turned, dtype=np.float64)
    return voxels


def head(reference: Volume) -> Mask:
    """The mask of a canonical reference volume."""
    return foreground(reference.astype(np.float32))


def to_unit(voxels: Volume, mask: Mask) -> Volume:
    """Scale by robust percentiles inside the mask to [0, 1], and clip."""
    low, high = np.percentile(voxels[mask], [0.5, 99.5])
    scaled: Volume = np.clip((voxels - low) / max(high - low, 1e-9), 0, 1)
    return scaled
