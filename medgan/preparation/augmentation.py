"""Random but plausible variants of what a network is trained on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pydantic
import torch
from torch.nn import functional

Among = tuple[slice, int]
"""Some images of a batch: which of them, and how many there are in all."""


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
    tone: float = pydantic.Field(
        0.0,
        ge=0,
        lt=1,
        description="How far gamma and range are varied of what is translated in a pair, while its aim stays.",
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


def vary(
    images: torch.Tensor,
    settings: AugmentationSettings,
    chance: np.random.Generator,
    *,
    among: Among | None = None,
) -> torch.Tensor:
    """Random variants of a batch: float32 (N, C, X, Y[, Z]) in [-1, 1] on canonical axes -> the same.

    Swap, turn and scaling are one resampling of the whole batch on its device, bilinear; MONAI's random
    transforms take one image at a time, at ten times the cost. All channels of an image are varied alike.
    Beyond the edge the image is mirrored: background there stays background, and a patch out of the middle of
    a head gets no black corners.

    Args:
        images: whole frames or patches.
        settings: how much.
        chance: the same state gives the same variants.
        among: of which images these are some; each is varied as it would be with all of them.
    """
    if settings.off:
        return images
    these, count = among or (slice(None), len(images))
    dims = images.ndim - 2
    matrices = np.stack([_matrix(dims, settings, chance) for _ in range(count)])[these]
    gammas = [_gamma(settings, chance) for _ in range(count)][these]
    moved = _resample(images, matrices)
    if all(gamma == 1 for gamma in gammas):
        return moved
    exponents = torch.tensor(gammas, dtype=moved.dtype, device=moved.device).reshape(-1, *[1] * (dims + 1))
    return ((moved.clamp(-1, 1) + 1) / 2) ** exponents * 2 - 1


def toned(
    images: torch.Tensor, strength: float, chance: np.random.Generator, *, among: Among | None = None
) -> torch.Tensor:
    """Vary the tone of images, (N, C, ...) from -1 to 1: gamma, and a range that is measured a little otherwise.

    What is brighter stays brighter, and background (-1) what it is.

    Args:
        images: what to vary, each in its own way.
        strength: of the logarithm of gamma and of the range, 0 to below 1.
        chance: where the numbers come from.
        among: as for `vary`.
    """
    these, count = among or (slice(None), len(images))
    shape = (len(images), *[1] * (images.ndim - 1))
    exponents, gains, offsets = (
        torch.from_numpy(values[these].reshape(shape).astype(np.float32)).to(images.device)
        for values in (
            np.exp(chance.uniform(-strength, strength, count)),
            chance.uniform(1 - 0.5 * strength, 1 + strength, count),
            chance.uniform(-0.15 * strength, 0.15 * strength, count),
        )
    )
    unit = ((images + 1) / 2) ** exponents
    toned = (unit * gains + offsets).clamp_(0, 1) * 2 - 1
    return torch.where(images > -1, toned, images)


def _matrix(
    dims: int, settings: AugmentationSettings, chance: np.random.Generator
) -> npt.NDArray[np.float64]:
    """From a place in the result to its place in the image, about the centre, in pixels; (dims, dims)."""
    matrix = np.eye(dims)
    if chance.random() < settings.flip:
        matrix[0, 0] = -1
    angles = np.radians(chance.uniform(-settings.rotate, settings.rotate, 3 if dims == 3 else 1))
    scales = chance.uniform(1 - settings.scale, 1 + settings.scale, dims)
    if chance.random() < settings.probability:
        for (first, second), angle in zip(((0, 1), (0, 2), (1, 2)), angles, strict=False):
            turn = np.eye(dims)
            turn[[first, second], [first, second]] = np.cos(angle)
            turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
            matrix = matrix @ turn
        matrix = matrix @ np.diag(scales)
    return matrix


def _gamma(settings: AugmentationSettings, chance: np.random.Generator) -> float:
    wanted, draw = chance.random() < settings.probability, chance.random()
    if settings.gamma is None or not wanted:
        return 1.0
    low, high = settings.gamma
    return float(low + draw * (high - low))


def _resample(images: torch.Tensor, matrices: npt.NDArray[np.float64]) -> torch.Tensor:
    """torch's grids go from -1 to 1 along each axis, and name the axes in reverse."""
    half = np.array(images.shape[2:], dtype=np.float64) / 2
    normalised = (matrices * half[None, None, :] / half[None, :, None])[:, ::-1, ::-1]
    theta = np.concatenate([normalised, np.zeros((len(images), len(half), 1))], axis=2)
    grid = functional.affine_grid(
        torch.from_numpy(theta).to(images.device, images.dtype), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
