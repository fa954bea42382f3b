"""Whether the brightness of a volume jumps from slice to slice, as that of slices made one by one may."""

from __future__ import annotations

import numpy as np

from medgan.evaluation.protocol import Mask, Volume, to_unit


def flicker(voxels: Volume, mask: Mask) -> float | None:
    """How far the mean of an axial slice lies off the mean of its two neighbours', root mean square over slices.

    Both means are taken over the voxels that are in the mask in all three slices, scaled to [0, 1] as by the
    protocol; each slice counts by their number. 0 is a volume without flicker; anatomy leaves a little, which is
    why it is read beside the source's.

    Returns:
        None where no three neighbouring slices show the same voxels.
    """
    shared = mask[:, :, 1:-1] & mask[:, :, :-2] & mask[:, :, 2:]
    if not shared.any():
        return None
    unit = to_unit(voxels, mask)
    off = unit[:, :, 1:-1] - (unit[:, :, :-2] + unit[:, :, 2:]) / 2
    weights = shared.sum(axis=(0, 1))
    means = np.where(shared, off, 0).sum(axis=(0, 1)) / np.maximum(weights, 1)
    return float(np.sqrt(np.average(means**2, weights=weights)))
