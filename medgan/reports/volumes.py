"""Volumes as the viewer in a page takes them: small enough for a browser, on their own grid."""

from __future__ import annotations

import base64
import gzip

import nibabel
import numpy as np
import numpy.typing as npt

from medgan.scans.nifti_writing import is_sheared
from medgan.scans.scan import Affine, Scan

MOST_VOXELS = 12 * 2**20
"""What a page holds of a volume: 256 x 256 x 192, about 5 MB when compressed. Larger ones are halved."""
_LONGEST = 2048  # voxels along an axis that WebGL 2 can be relied on to take
_BEYOND_WHITE = 0.3  # of the window, that a reader can still open it to
_Grey = npt.NDArray[np.uint8]


def to_viewer(scan: Scan, *, low: float, high: float, halved: tuple[int, int, int] = (1, 1, 1)) -> str:
    """A scan as base64 of a compressed NIfTI file of 8 bits.

    The file holds the voxels, the affine and the window, and nothing else of the scan's header. Its values are the
    scan's, to one part in 255 of what is shown; what lies far beyond the window is clipped.

    Args:
        scan: voxels (I, J, K) in any orientation.
        low, high: the window that is shown first.
        halved: of `halvings`.
    """
    voxels = _means(scan.voxels, halved)
    bottom = min(low, max(float(voxels.min()), low - _BEYOND_WHITE * (high - low)))
    top = max(high, min(float(voxels.max()), high + _BEYOND_WHITE * (high - low)))
    step = (top - bottom) / 255
    grey: _Grey = np.rint(np.clip((voxels - bottom) / step, 0, 255)).astype(np.uint8)
    image = nibabel.Nifti1Image(grey, _affine(scan.affine, halved))
    image.header["scl_slope"], image.header["scl_inter"] = step, bottom
    image.header["cal_min"], image.header["cal_max"] = low, high
    if not is_sheared(image.affine):
        image.set_qform(image.affine, code=2)
    packed = gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def halvings(scan: Scan) -> tuple[int, int, int]:
    """How many voxels become one along each axis: 1, 2, 4, ...; the axis of the finest voxels is halved first."""
    times = [1, 1, 1]
    while True:
        sizes = [-(-size // by) for size, by in zip(scan.voxels.shape, times, strict=True)]
        if max(sizes) > _LONGEST:
            times[int(np.argmax(sizes))] *= 2
        elif int(np.prod(sizes)) > MOST_VOXELS:
            edges = [
                edge * by if size > 1 else np.inf
                for edge, by, size in zip(scan.spacing, times, sizes, strict=True)
            ]
            times[int(np.argmin(edges))] *= 2
        else:
            return times[0], times[1], times[2]


def _means(voxels: npt.NDArray[np.float32], by: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """The mean of each block of voxels; at the far end the last voxel is repeated."""
    if by == (1, 1, 1):
        return voxels
    room = [(0, -size % times) for size, times in zip(voxels.shape, by, strict=True)]
    padded = np.pad(voxels, room, mode="edge")
    blocks = [part for size, times in zip(padded.shape, by, strict=True) for part in (size // times, times)]
    means: npt.NDArray[np.float32] = padded.reshape(blocks).mean(axis=(1, 3, 5))
    return means


def _affine(affine: Affine, by: tuple[int, int, int]) -> Affine:
    """Of blocks: the centre of the first one lies between its voxels' centres."""
    blocks = np.eye(4)
    blocks[:3, :3] = np.diag(by)
    blocks[:3, 3] = (np.array(by) - 1) / 2
    coarser: Affine = affine @ blocks
    return coarser
