"""How near an image is to the real one, under the protocol of `medgan.evaluation.protocol`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from monai.metrics.regression import compute_ssim_and_cs

from medgan.evaluation.protocol import Mask, Volume, to_unit

_WINDOW, _SIGMA = 11, 1.5


@dataclass(frozen=True)
class Score:
    """Figures inside the mask.

    Attributes:
        psnr: peak signal-to-noise ratio in dB, range 1.
        ssim: structural similarity (Wang et al., IEEE TIP 2004), -1 to 1.
        mae: mean absolute error, range 1.
        r: Pearson correlation.
    """

    psnr: float
    ssim: float
    mae: float
    r: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def score(prediction: Volume, reference: Volume, mask: Mask) -> Score:
    """Compare two canonical volumes (X, Y, Z) of one grid inside a mask."""
    p, r = to_unit(prediction, mask), to_unit(reference, mask)
    error = p[mask] - r[mask]
    flat = p[mask].std() == 0 or r[mask].std() == 0
    return Score(
        psnr=-10 * math.log10(max(float(np.mean(error**2)), 1e-12)),
        ssim=float(ssim_map(p, r)[mask].mean()),
        mae=float(np.abs(error).mean()),
        r=0.0 if flat else float(np.corrcoef(p[mask], r[mask])[0, 1]),
    )


def ssim_map(a: Volume, b: Volume) -> Volume:
    """SSIM around each voxel of two volumes in [0, 1], axial slice by slice, mirrored at the edges."""
    half = _WINDOW // 2
    padding = ((0, 0), (half, half), (half, half))
    slices = [
        torch.from_numpy(np.pad(np.moveaxis(volume, 2, 0), padding, mode="symmetric"))[:, None]
        for volume in (a, b)
    ]
    similarity, _ = compute_ssim_and_cs(
        slices[0],
        slices[1],
        spatial_dims=2,
        kernel_size=(_WINDOW, _WINDOW),
        kernel_sigma=(_SIGMA, _SIGMA),
        data_range=1.0,
    )
    return np.moveaxis(similarity[:, 0].numpy(), 0, 2)
