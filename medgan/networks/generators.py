"""Generators: image to image networks, 2D and 3D from one code, assembled from MONAI blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from monai.networks.blocks import Convolution, ResidualUnit, UpSample
from torch import nn

Upsampling = Literal["resize", "transposed"]


class Head(nn.Module):
    """The last layer: a convolution to the image and tanh, so that the output lies in [-1, 1].

    `initial_gain` scales the convolution's initial weights: a small gain starts the generator near a flat image
    that has no polarity yet, instead of near a copy of the source that then has to be unlearnt.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, slab: int, *, kernel_size: int, initial_gain: float
    ) -> None:
        super().__init__()
        self.convolution = Convolution(
            spatial_dims, in_channels, slab, kernel_size=kernel_size, conv_only=True, bias=True
        )
        with torch.no_grad():
            for parameter in self.convolution.parameters():
                parameter.mul_(initial_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> (N, slab, ...) in [-1, 1], as float32."""
        return torch.tanh(self.convolution(x).float())


class Up(nn.Module):
    """Twice the size, then the skip of that size if there is one, then a convolution.

    "resize" (nearest, then convolution) leaves no checkerboard (Odena et al., Distill 2016); "transposed" is
    what the TensorFlow tutorial's U-Net does.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        skip_channels: int,
        out_channels: int,
        *,
        upsampling: Upsampling,
        dropout: float,
    ) -> None:
        super().__init__()
        self.takes_skip = skip_channels > 0
        if upsampling == "resize":
            self.enlarge: nn.Module = UpSample(
                spatial_dims,
                in_channels,
                in_channels,
                mode="nontrainable",
                interp_mode="nearest",
                pre_conv=None,
                align_corners=None,
            )
            enlarged = in_channels
        else:
            self.enlarge = _block(
                spatial_dims, in_channels, out_channels, kernel_size=4, strides=2, transposed=True
            )
            enlarged = out_channels
        self.merge = _block(spatial_dims, enlarged + skip_channels, out_channels, dropout=dropout)

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """(N, C, ...) and the skip of twice its size -> (N, out_channels, ...) of the skip's size."""
        x = self.enlarge(x)
        if skip is not None and self.takes_skip:
            x = torch.cat([x, skip], dim=1)
        merged: torch.Tensor = self.merge(x)
        return merged


class UNetGenerator(nn.Module):
    """U-Net with instance norm, residual units at the bottom and skips (Ronneberger et al., MICCAI 2015).

    Args:
        spatial_dims: 2 or 3.
        slab: 1, or for 2.5D the number of neighbouring slices, which are channels on both sides: the network
            translates a slab into a slab, so that it can be cycled and judged as one.
        channels: feature channels from full size downwards; each further level halves the size.
        residual_units: how many residual units the coarsest level has.
        upsampling: "resize" or "transposed".
        finest_skip: the finest level that has a skip: 0 for all of them, 1 for none at full size, and so on.
            Without the finest ones a copy of the source is harder to make than a translation.
        initial_gain: see `Head`.
        dropout: probability in the upward path while training.
    """

    __jit_unused_properties__ = ("coarse",)

    def __init__(
        self,
        *,
        spatial_dims: int,
        slab: int = 1,
        channels: Sequence[int] = (16, 32, 64, 128),
        residual_units: int = 4,
        upsampling: Upsampling = "resize",
        finest_skip: int = 0,
        initial_gain: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = _block(spatial_dims, slab, channels[0])
        pairs = list(itertools.pairwise(channels))
        self.downs = nn.ModuleList(_block(spatial_dims, above, below, strides=2) for above, below in pairs)
        self.bottom = nn.Sequential(*(_residual(spatial_dims, channels[-1]) for _ in range(residual_units)))
        self.ups = nn.ModuleList(
            Up(
                spatial_dims,
                below,
                above if level >= finest_skip else 0,
                above,
                upsampling=upsampling,
                dropout=dropout if level else 0.0,
            )
            for level, (above, below) in reversed(list(enumerate(pairs)))
        )
        self.head = Head(spatial_dims, channels[0], slab, kernel_size=3, initial_gain=initial_gain)

    @property
    def coarse(self) -> nn.Module:
        """Its output is the coarsest features of the image."""
        return self.bottom

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, slab, ...) in [-1, 1] -> the same; sizes divisible by 2 ** (levels - 1)."""
        features = self.stem(x)
        skips = []
        for down in self.downs:
            skips.append(features)
            features = down(features)
        features = self.bottom(features)
        for up in self.ups:
            features = up(features, skips.pop())
        image: torch.Tensor = self.head(features)
        return image


class ResNetGenerator(nn.Module):
    """The CycleGAN paper's generator: down twice, residual units, up twice, no skips (Zhu et al., ICCV 2017).

    Args are those of `UNetGenerator`; the paper's own is channels (64, 128, 256) with 9 residual units.
    """

    __jit_unused_properties__ = ("coarse",)

    def __init__(
        self,
        *,
        spatial_dims: int,
        slab: int = 1,
        channels: Sequence[int] = (64, 128, 256),
        residual_units: int = 9,
        upsampling: Upsampling = "resize",
        initial_gain: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(channels))
        self.stem = _block(spatial_dims, slab, channels[0], kernel_size=7)
        self.downs = nn.Sequential(*(_block(spatial_dims, above, below, strides=2) for above, below in pairs))
        self.bottom = nn.Sequential(
            *(_residual(spatial_dims, channels[-1], dropout=dropout) for _ in range(residual_units))
        )
        self.ups = nn.ModuleList(
            Up(spatial_dims, below, 0, above, upsampling=upsampling, dropout=0.0)
            for above, below in reversed(pairs)
        )
        self.head = Head(spatial_dims, channels[0], slab, kernel_size=7, initial_gain=initial_gain)

    @property
    def coarse(self) -> nn.Module:
        """Its output is the coarsest features of the image."""
        return self.bottom

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, slab, ...) in [-1, 1] -> the same; sizes divisible by 2 ** (levels - 1)."""
        features = self.bottom(self.downs(self.stem(x)))
        for up in self.ups:
            features = up(features, None)
        image: torch.Tensor = self.head(features)
        return image


def _block(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 3,
    strides: int = 1,
    transposed: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    """Convolution, instance norm, ReLU."""
    block: nn.Module = Convolution(
        spatial_dims,
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        strides=strides,
        is_transposed=transposed,
        padding=(kernel_size - strides) // 2 if transposed else None,
        output_padding=0 if transposed else None,
        norm=("INSTANCE", {"affine": True}),
        act="RELU",
        dropout=dropout or None,
        bias=False,
    )
    return block


def _residual(spatial_dims: int, channels: int, *, dropout: float = 0.0) -> nn.Module:
    unit: nn.Module = ResidualUnit(
        spatial_dims,
        channels,
        channels,
        subunits=2,
        norm=("INSTANCE", {"affine": True}),
        act="RELU",
        dropout=dropout or None,
        bias=False,
    )
    return unit
