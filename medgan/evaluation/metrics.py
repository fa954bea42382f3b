"""How near an image is to the real one, under the protocol of `medgan.evaluation.protocol`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from monai.metrics.regression import (
    MAEMetric,
    MultiScaleSSIMMetric,
    PSNRMetric,
    RMSEMetric,
    compute_ssim_and_cs,
)

from medgan.evaluation.protocol import LEAST_OF_SLICE, Mask, Volume, to_unit

_WINDOW, _SIGMA = 11, 1.5
_BEST_PSNR = 120.0  # of equal images, for which it is infinite
_MULTISCALE_SIDE = 176  # MONAI's least for five scales of this window
_BINS = 64
_AT_ONCE = 16  # slices in memory with their windows

FIGURES: Mapping[str, bool] = {
    "psnr": True,
    "ssim": True,
    "mae": False,
    "nrmse": False,
    "r": True,
    "nmi": True,
}
"""The figures that every score has, and whether more of one is better."""


@dataclass(frozen=True)
class Score:
    """Figures of one image against the reference, inside the foreground or of the whole.

    Attributes:
        psnr: peak signal-to-noise ratio in dB, range 1; at most 120.
        ssim: structural similarity (Wang et al., IEEE TIP 2004), -1 to 1.
        mae: mean absolute error, range 1.
        r: Pearson correlation; 0 for a flat image.
        nrmse: root mean square error over the reference's root mean square.
        nmi: normalised mutual information, 1 to 2.
        ms_ssim: multi-scale structural similarity (Wang et al., Asilomar 2003), of whole slices alone; None where they
            are too small for it.
    """

    psnr: float
    ssim: float
    mae: float
    r: float
    nrmse: float
    nmi: float
    ms_ssim: float | None = None

    def as_dict(self) -> dict[str, float]:
        """For JSON; without what there is not."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def score(prediction: Volume, reference: Volume, mask: Mask) -> Score:
    """Compare two canonical volumes (X, Y, Z) of one grid inside a mask, which is not empty."""
    p, r = to_unit(prediction, mask), to_unit(reference, mask)
    return _figures(p[mask], r[mask], ssim=_inside(ssim_map(p, r), mask))


def score_whole(
    prediction: Volume, reference: Volume, mask: Mask, *, region: Mask | None = None
) -> tuple[Score, Score]:
    """The scores inside the mask, and of all voxels scaled by the same percentiles.

    Args:
        prediction, reference, mask: as in `score`.
        region: what "all voxels" means, where the reference does not reach everywhere.
    """
    p, r = to_unit(prediction, mask), to_unit(reference, mask)
    similarity = ssim_map(p, r)
    inside = _figures(p[mask], r[mask], ssim=_inside(similarity, mask))
    everywhere = np.ones(mask.shape, dtype=bool) if region is None else region
    multiscale = None if region is not None else _multiscale(p, r, mask)
    whole = _figures(
        p[everywhere], r[everywhere], ssim=float(similarity[everywhere].mean()), ms_ssim=multiscale
    )
    return inside, whole


def psnr(prediction: Volume, reference: Volume, mask: Mask) -> float:
    """In dB inside the mask, as in `score`."""
    return _psnr(*(torch.from_numpy(to_unit(volume, mask)[mask])[None] for volume in (prediction, reference)))


def ssim_map(a: Volume, b: Volume) -> Volume:
    """SSIM around each voxel of two volumes in [0, 1], axial slice by slice, mirrored at the edges."""
    half = _WINDOW // 2
    room = ((half, half), (half, half), (0, 0))
    similarity = np.empty(a.shape, dtype=np.float64)
    padded = (np.pad(volume, room, mode="symmetric") for volume in (a, b))
    for planes, stacks in axial_slices(*padded):
        found, _ = compute_ssim_and_cs(
            *stacks,
            spatial_dims=2,
            kernel_size=(_WINDOW, _WINDOW),
            kernel_sigma=(_SIGMA, _SIGMA),
            data_range=1.0,
        )
        similarity[:, :, planes] = np.moveaxis(found[:, 0].numpy(), 0, 2)
    return similarity


def _figures(p: Volume, r: Volume, *, ssim: float, ms_ssim: float | None = None) -> Score:
    """Of the scaled voxels of two images, flat."""
    here, there = torch.from_numpy(p)[None], torch.from_numpy(r)[None]
    root_mean_square = float(np.sqrt(np.mean(r**2)))
    flat = p.std() == 0 or r.std() == 0
    return Score(
        psnr=_psnr(here, there),
        ssim=ssim,
        mae=float(MAEMetric()(here, there)),
        r=0.0 if flat else float(np.corrcoef(p, r)[0, 1]),
        nrmse=float(RMSEMetric()(here, there)) / max(root_mean_square, 1e-9),
        nmi=normalised_mutual_information(p, r),
        ms_ssim=ms_ssim,
    )


def normalised_mutual_information(p: npt.NDArray[np.float64], r: npt.NDArray[np.float64]) -> float:
    """(H(P) + H(R)) / H(P, R) of values in [0, 1] (Studholme et al., Pattern Recognition 1999); 1 for a flat image."""
    counts, _, _ = np.histogram2d(p.ravel(), r.ravel(), bins=_BINS, range=((0, 1), (0, 1)))
    joint = _entropy(counts)
    apart = _entropy(counts.sum(axis=0)), _entropy(counts.sum(axis=1))
    return sum(apart) / joint if min(apart) > 0 else 1.0


def _entropy(counts: npt.NDArray[np.float64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _psnr(p: torch.Tensor, r: torch.Tensor) -> float:
    return min(float(PSNRMetric(max_val=1.0)(p, r)), _BEST_PSNR)


def _inside(similarity: Volume, mask: Mask) -> float:
    """The mean in the mask, over slices that show enough of it."""
    enough = mask.sum(axis=(0, 1)) > LEAST_OF_SLICE
    counted = mask & enough if enough.any() else mask
    return float(similarity[counted].mean())


def _multiscale(p: Volume, r: Volume, mask: Mask) -> float | None:
    """MS-SSIM, mean over the slices that show the head."""
    if min(p.shape[:2]) < _MULTISCALE_SIDE:
        return None
    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, kernel_size=_WINDOW, kernel_sigma=_SIGMA)
    shown = mask.any(axis=(0, 1))
    found = [metric(*stacks) for _, stacks in axial_slices(p[:, :, shown], r[:, :, shown])]
    return float(torch.cat(found).mean())


def axial_slices(*volumes: Volume) -> Iterator[tuple[slice, list[torch.Tensor]]]:
    """Volumes (X, Y, Z) some slices at a time, as batches (slices, 1, X, Y): which ones, and of each volume."""
    count = volumes[0].shape[2]
    for start in range(0, count, _AT_ONCE):
        planes = slice(start, min(start + _AT_ONCE, count))
        yield (
            planes,
            [
                torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume[:, :, planes], 2, 0)))[:, None]
                for volume in volumes
            ],
        )
