"""Random but plausible variants of what a network is trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pydantic

if TYPE_CHECKING:
    from monai.transforms import Compose


class AugmentationSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How much training images are varied; zeros and none turn everything off."""

    flip: float = pydantic.Field(
        default=0.5,
        ge=0,
        le=1,
        description="Probability of swapping left and right, the one flip that leaves anatomy plausible.",
    )
    rotate: float = pydantic.Field(
        default=6.0, ge=0, le=180, description="Largest rotation in degrees, about each axis in 3D."
    )
    scale: float = pydantic.Field(
        default=0.08, ge=0, lt=1, description="Largest change of size along each axis, as a share."
    )
    gamma: tuple[float, float] | None = pydantic.Field(
        default=(0.85, 1.2), description="Range of the exponent that bends contrast; none leaves it alone."
    )
    probability: float = pydantic.Field(
        default=0.5,
        ge=0,
        le=1,
        description="Probability of turning and scaling, and, drawn apart, of bending contrast. Below 1, "
        "since interpolation blurs, and a network must see unblurred images too.",
    )

    @pydantic.field_validator("gamma")
    @classmethod
    def _ordered(cls, gamma: tuple[float, float] | None) -> tuple[float, float] | None:
        if gamma is not None and not 0 < gamma[0] <= gamma[1] < math.inf:
            raise ValueError(f"gamma must satisfy 0 < low <= high, not {gamma[0]} and {gamma[1]}")
        return gamma

    @property
    def off(self) -> bool:
        """Whether nothing is varied."""
        return not (self.flip or (self.probability and (self.rotate or self.scale or self.gamma)))


def augmentation(
    settings: AugmentationSettings, *, spatial_dims: Literal[2, 3], keys: Sequence[str] | None = None
) -> Compose:
    """A MONAI transform of tensors (C, X, Y) or (C, X, Y, Z) in [-1, 1] on canonical axes.

    The result has the input's shape and range, and is a plain tensor. All channels, and all `keys`, are
    varied alike. Beyond the edge the image is mirrored: background there stays background, and a crop out of
    the middle of a head gets no black corners.

    Args:
        settings: how much.
        spatial_dims: 2 for slices, 3 for patches.
        keys: work on these entries of a dictionary instead of on a tensor.

    Example:
        >>> vary = augmentation(AugmentationSettings(), spatial_dims=2)
        >>> vary.set_random_state(seed=7)
        >>> varied = vary(image)
    """
    from monai import transforms  # takes a second to load, and synthesis has no use for it

    pick: dict[str, Any] = {} if keys is None else {"keys": list(keys)}
    steps: list[Any] = []
    if settings.flip:
        flip = transforms.RandFlip if keys is None else transforms.RandFlipd
        steps.append(flip(prob=settings.flip, spatial_axis=0, **pick))
    if settings.probability and (settings.rotate or settings.scale):
        affine = transforms.RandAffine if keys is None else transforms.RandAffined
        steps.append(
            affine(
                prob=settings.probability,
                rotate_range=[math.radians(settings.rotate)] * (1 if spatial_dims == 2 else 3),
                scale_range=[settings.scale] * spatial_dims,
                mode="bilinear",
                padding_mode="reflection",
                **pick,
            )
        )
    if settings.probability and settings.gamma:
        contrast = transforms.RandAdjustContrast if keys is None else transforms.RandAdjustContrastd
        steps.append(contrast(prob=settings.probability, gamma=settings.gamma, **pick))
    plain = transforms.EnsureType if keys is None else transforms.EnsureTyped
    steps.append(plain(track_meta=False, **pick))
    return transforms.Compose(steps)
