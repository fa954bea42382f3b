"""What a CycleGAN is trained for: adversarial, cycle, identity and structure losses."""

from __future__ import annotations

from typing import Literal

import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss
from monai.losses.adversarial_loss import PatchAdversarialLoss
from monai.networks.layers import separable_filtering
from torch import nn
from torch.nn import functional

Adversarial = Literal["least_squares", "bce"]

_REACH = 5
"""Pixels of SSIM's window to each side."""
_STABLE = ((0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2)
"""Wang's constants, for images whose range is 2."""


class AdversarialLoss(nn.Module):
    """Plain LSGAN on raw logits (Mao et al., ICCV 2017), or binary cross-entropy as in the original GAN.

    Computed in float32 outside of autocast, under which CUDA refuses MONAI's sigmoid and cross-entropy.
    """

    def __init__(self, kind: Adversarial) -> None:
        super().__init__()
        self.loss = PatchAdversarialLoss(criterion=kind, no_activation_leastsq=True)

    def forward(self, logits: list[torch.Tensor], *, real: bool, for_discriminator: bool) -> torch.Tensor:
        """Raw logits of each view -> a scalar: how far they are from saying that all is real, or fake."""
        with torch.autocast(logits[0].device.type, enabled=False):
            views = [view.float() for view in logits]
            loss: torch.Tensor = self.loss(views, target_is_real=real, for_discriminator=for_discriminator)
        return loss


class SimilarityLoss(nn.Module):
    """1 - SSIM (Wang 2004: a gaussian window of 11 pixels, sigma 1.5), in float32: variances are differences of sums.

    The window is taken axis by axis and all images in one pass, which on a CPU is fifteen times as fast as MONAI's
    SSIMLoss, whose values it has.
    """

    def __init__(self, spatial_dims: int) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        window = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1) / 1.5) ** 2)
        self.register_buffer("window", window / window.sum(), persistent=False)

    def forward(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Two (N, C, ...) images in [-1, 1], of 11 pixels a side or more -> a scalar in [0, 2]."""
        with torch.autocast(made.device.type, enabled=False):
            a, b = as_single(made).float(), as_single(real).float()
            moments = torch.cat([a, b, a * a + b * b, a * b]).transpose(0, 1)
            inner = (..., *[slice(_REACH, -_REACH)] * self.spatial_dims)
            means = separable_filtering(moments, [self.window] * self.spatial_dims)[inner]
            of_a, of_b, squares, product = means.transpose(0, 1).chunk(4)
            both = of_a * of_b
            each = of_a * of_a + of_b * of_b
            luminance = (2 * both + _STABLE[0]) / (each + _STABLE[0])
            structure = (2 * (product - both) + _STABLE[1]) / (squares - each + _STABLE[1])
            loss: torch.Tensor = 1 - (luminance * structure).mean()
        return loss


class CycleLoss(nn.Module):
    """L1 between an image and its way there and back, with a share of 1 - SSIM if asked for."""

    def __init__(self, spatial_dims: int, *, ssim_share: float = 0.0) -> None:
        super().__init__()
        self.ssim_share = ssim_share
        self.similarity = SimilarityLoss(spatial_dims)

    def forward(self, back: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Two (N, C, ...) images in [-1, 1] -> a scalar."""
        loss = functional.l1_loss(back, real)
        if self.ssim_share:
            loss = (1 - self.ssim_share) * loss + self.ssim_share * self.similarity(back, real)
        return loss


class SupervisedLoss(nn.Module):
    """L1 between what was made and what is known to be right, with the squared error and 1 - SSIM by their weights."""

    def __init__(self, spatial_dims: int, *, squared: float = 0.0, ssim: float = 0.0) -> None:
        super().__init__()
        self.squared, self.ssim = squared, ssim
        self.similarity = SimilarityLoss(spatial_dims)

    def forward(self, made: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Two (N, C, ...) images in [-1, 1] -> the loss, and the absolute part of it."""
        absolute = functional.l1_loss(made, real)
        loss = absolute
        if self.squared:
            loss = loss + self.squared * functional.mse_loss(made, real)
        if self.ssim:
            loss = loss + self.ssim * self.similarity(made, real)
        return loss, absolute


class StructureLoss(nn.Module):
    """1 - squared local normalised cross-correlation of source and fake: blind to the sign of contrast.

    A flat neighbourhood, such as background, counts as uncorrelated: the floor in the denominator keeps it from
    exploding, and so does float32, in which variances are small differences of large sums.
    """

    def __init__(self, spatial_dims: int, *, kernel_size: int = 9) -> None:
        super().__init__()
        self.correlation = LocalNormalizedCrossCorrelationLoss(
            spatial_dims=spatial_dims, kernel_size=kernel_size, smooth_nr=0.0, smooth_dr=2e-3
        )

    def forward(self, source: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Two (N, C, ...) images in [-1, 1] -> a scalar in [0, 1]."""
        with torch.autocast(fake.device.type, enabled=False):
            loss: torch.Tensor = 1 + self.correlation(as_single(fake), as_single(source))
        return loss


def as_single(images: torch.Tensor) -> torch.Tensor:
    """(N, C, ...) -> (N * C, 1, ...): the slices of a slab become images of their own."""
    return images.reshape(-1, 1, *images.shape[2:])
