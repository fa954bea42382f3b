"""What the intensities deep inside a head say: T1w or T2w, and whether it is an MR image of a head at all.

Far from the surface there is brain, and the fluid of its ventricles and cisterns. Fluid is the darkest of it in
T1w and the brightest in T2w, so the intensities there have a dark tail in the one and a bright tail in the other.
The tail is measured by a skewness of quantiles (Bowley 1920, Elements of Statistics; Hinkley 1975, Biometrika
62:101), which no scaling and no shift changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

_SAMPLES = 300_000
_DEEP = 0.45  # of the depth of the deepest voxel: from there on inwards it is brain
_THIN = 40.0  # mm: a slab as thin as that has its depth measured within its slices
_FEWEST = 50  # deep voxels, for the quantiles to mean something
_QUANTILES = (5, 25, 50, 75, 97)
_T1_BELOW, _T2_ABOVE = 0.05, 0.3  # skewness; of real volumes T1w have at most -0.06, T2w at least 0.66
_T1_SLICE = (0.0, 0.58, 0.0, 1.3)  # of the median: what a single slice's low and high quantile lie between
_T2_SLICE = (0.65, 1.0, 1.85, np.inf)
_UNIFORM = 0.06  # of the median: a brain's middle half spreads wider
_AIR_IN_CT, _TISSUE_IN_CT = -500.0, (-50.0, 150.0)  # Hounsfield units
_SMALLEST, _LARGEST = 40.0, 450.0  # mm: the second longest side of a head, or of a brain


@dataclass(frozen=True)
class Appearance:
    """What the intensities say.

    Attributes:
        contrast: `t1` where fluid is dark, `t2` where it is bright, None where the intensities do not tell. Dark
            fluid is what sets T1w apart from T2w; FLAIR has it as well, and proton density is between the two:
            neither can be told from T1w by this.
        doubts: what speaks against an MR image of a head, as sentences that begin with `it` or `its`.
    """

    contrast: str | None
    doubts: tuple[str, ...] = ()


def judge_appearance(
    voxels: npt.NDArray[Any], mask: npt.NDArray[np.bool_], *, spacing: tuple[float, float, float]
) -> Appearance:
    """Judge a scan by the intensities deep inside the head.

    Args:
        voxels: shape (X, Y, Z) with axes in any order, finite; one axis is 1 for a picture.
        mask: the head, or the brain where the rest was taken away, as `find_foreground` gives it.
        spacing: voxel size in mm along the axes of `voxels`.
    """
    if float(voxels.min()) <= _AIR_IN_CT and _looks_like_ct(voxels[mask]):
        return Appearance(None, ("its intensities look like those of a CT in Hounsfield units",))
    if not mask.any() or mask.all():
        return Appearance(None)
    flat = 1 in voxels.shape
    doubts = () if flat else _doubts_of_size(mask, spacing)
    coarse, inside, size = _coarser(voxels, mask, spacing)
    depth = _depth(inside, size)
    deep = coarse[depth > _DEEP * depth.max()].astype(np.float64)
    if doubts or deep.size < _FEWEST:
        return Appearance(None, doubts)
    low, quarter, middle, three_quarters, high = np.percentile(deep, _QUANTILES)
    if not flat and three_quarters - quarter <= _UNIFORM * abs(middle):
        return Appearance(
            None, ("it is nearly uniform inside, as a phantom is, or a CT that was not rescaled",)
        )
    if not high > low:
        return Appearance(None)
    skewness = (high + low - 2 * middle) / (high - low)
    contrast = "t1" if skewness < _T1_BELOW else "t2" if skewness > _T2_ABOVE else None
    return Appearance(None if flat and _of_a_slice(low, middle, high) != contrast else contrast)


def _looks_like_ct(head: npt.NDArray[Any]) -> bool:
    """Half of a head in Hounsfield units is brain, muscle or fat, whatever air and bone there are."""
    low, high = _TISSUE_IN_CT
    return bool(head.size) and low <= float(np.median(head[:: max(1, head.size // _SAMPLES)])) <= high


def _doubts_of_size(mask: npt.NDArray[np.bool_], spacing: tuple[float, float, float]) -> tuple[str, ...]:
    """Of three sides the second longest, since a scan may show but a few slices."""
    sides = []
    for axis in range(3):
        occupied = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        sides.append(float(occupied[-1] - occupied[0] + 1) * spacing[axis])
    side = sorted(sides)[1]
    if _SMALLEST <= side <= _LARGEST:
        return ()
    return (f"it shows something {side:.0f} mm wide, which no head is: check its voxel size",)


def _of_a_slice(low: float, middle: float, high: float) -> str | None:
    """The contrast of a single slice, where one tail is long and the other short, relative to black.

    It may pass above or below the ventricles, where air, bone and fat give either tail; only one that shows plainly
    nothing of them tells anything, and a normalised one, in which black means nothing, never does.
    """
    if not middle > 0:
        return None
    for contrast, (least_low, most_low, least_high, most_high) in (("t1", _T1_SLICE), ("t2", _T2_SLICE)):
        if least_low <= low / middle <= most_low and least_high <= high / middle <= most_high:
            return contrast
    return None


def _coarser(
    voxels: npt.NDArray[Any], mask: npt.NDArray[np.bool_], spacing: tuple[float, float, float]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], tuple[float, ...]]:
    """Every second voxel, and so on, along the finest axis until few enough are left."""
    sizes = list(spacing)
    while voxels.size > _SAMPLES:
        finest = min((axis for axis in range(3) if voxels.shape[axis] > 1), key=lambda axis: sizes[axis])
        step = tuple(slice(None, None, 2 if axis == finest else 1) for axis in range(3))
        voxels, mask = voxels[step], mask[step]
        sizes[finest] *= 2
    return voxels, mask, tuple(sizes)


def _depth(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Distance in mm from what is not the head, the outside of the frame included; of slabs within each slice."""
    thin = [mask.shape[axis] * spacing[axis] < _THIN for axis in range(3)]
    if all(thin):
        thin = [False] * 3
    padded = np.pad(mask, [(0, 0) if flat else (1, 1) for flat in thin])
    image = SimpleITK.GetImageFromArray(padded.astype(np.uint8))
    image.SetSpacing([1e4 if flat else size for size, flat in zip(spacing, thin, strict=True)][::-1])
    distance = SimpleITK.SignedMaurerDistanceMap(
        image, insideIsPositive=True, squaredDistance=False, useImageSpacing=True
    )
    inner = tuple(slice(None) if flat else slice(1, -1) for flat in thin)
    return np.asarray(SimpleITK.GetArrayFromImage(distance)[inner])
