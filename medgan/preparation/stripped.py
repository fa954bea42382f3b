"""Whether a scan is skull-stripped, which BIDS has each derived image say (SkullStripped)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LARGEST_BRAIN = 2.2e6
"""mm³. Adult brains with the fluid around them have 1.1 to 1.9 litres; heads without a neck have 2.5 and more."""
_TOUCHED = 0.1
"""Share of a face of the frame that a brain may reach, in a frame cut to it; a neck or a slab takes more."""


def is_skull_stripped(voxels: npt.NDArray[np.float32], *, spacing: tuple[float, float, float]) -> bool:
    """Whether all that is not brain was set to one value.

    So it is where the faces of the frame are of one value, and what differs from that is no larger than a brain. (Of
    the faces alone, as BIDS apps judge it, a head in a large frame whose background was cleared would seem to be
    stripped.) The head of a newborn, whose background was cleared and which is cut off above the neck, is taken for
    a brain.

    Args:
        voxels: shape (I, J, K), more than one slice along each axis; any orientation.
        spacing: voxel size in mm.
    """
    faces = [voxels[index] for axis in range(3) for index in _both_ends(axis)]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    background = values[int(counts.argmax())]
    if any(float((face != background).mean()) > _TOUCHED for face in faces):
        return False
    return float((voxels != background).sum()) * float(np.prod(spacing)) <= _LARGEST_BRAIN


def _both_ends(axis: int) -> tuple[tuple[slice | int, ...], tuple[slice | int, ...]]:
    whole = (slice(None),) * axis
    return (*whole, 0), (*whole, -1)
