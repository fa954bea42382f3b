"""Two signs of trouble in a synthetic image that need no reference: what its mirror image and the way back disagree on.

An image of a head and its mirror image show the same tissues, and a generator that knows what it does makes the same
of both (test-time augmentation, Wang et al., Neurocomputing 2019). What was made and is led back to the source
contrast should be the source again (Zhu et al., ICCV 2017); where it is not, something was lost or invented.
Both may be blind to the same mistake: they are signs, and only a calibration makes errors of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medgan.models.translator import Translator
from medgan.preparation import Prepared

Floats = npt.NDArray[np.float32]

_SMOOTHING = 1.5  # pixels: a sign is of a neighbourhood, one voxel's is mostly noise


@dataclass(frozen=True, eq=False)
class Signs:
    """By voxel, in the source's canonical grid (X, Y, Z), 0 to 1; in shares of a network's range.

    Attributes:
        flip: how far the image is from the one that was made of the mirrored source.
        cycle: how far the source is from what leads back to it.
    """

    flip: Floats
    cycle: Floats


def find_signs(
    prepared: Prepared,
    made: torch.Tensor,
    *,
    there: Translator,
    back: Translator,
    slab_step: int,
    planes: Sequence[int] | None = None,
) -> Signs:
    """Look again at what was made: one more pass in each direction.

    Args:
        prepared: the source.
        made: (1, X, Y, Z), what `there` made of it; at least in the slices that `back.seen(planes, ...)` names.
        there, back: the two directions.
        slab_step: as for them.
        planes: the slices that are wanted, of 2D networks; all where it is None.
    """
    mirrored = there(prepared.image.flip(1), slab_step=slab_step, planes=planes).flip(1)
    cycled = back(made.clamp(-1, 1), slab_step=slab_step, planes=planes)
    return Signs(
        flip=_on_own_grid(prepared, made.clamp(-1, 1) - mirrored.clamp(-1, 1), planes),
        cycle=_on_own_grid(prepared, cycled.clamp(-1, 1) - prepared.image, planes),
    )


def _on_own_grid(prepared: Prepared, difference: torch.Tensor, planes: Sequence[int] | None) -> Floats:
    """The size of a difference around each voxel, on the canonical grid of the scan; of the wanted slices alone."""
    from monai.networks.layers import GaussianFilter

    size = difference.abs() / 2
    wanted = list(range(size.shape[3]) if planes is None else planes)
    smooth = torch.zeros_like(size)
    smooth[..., wanted] = GaussianFilter(spatial_dims=2, sigma=_SMOOTHING)(
        size[..., wanted].permute(3, 0, 1, 2)
    ).permute(1, 2, 3, 0)
    return np.asarray(prepared.frame.unfit(smooth).clamp(0, 1)[0].numpy(), dtype=np.float32)
