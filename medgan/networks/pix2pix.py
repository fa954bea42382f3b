"""The generator of pix2pix, which TensorFlow's tutorials made known: strided and transposed convolutions, and skips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn import functional

_LEAK = 0.3
_DEEPEST_WITH_DROPOUT = 3
_FEW_PIXELS = 16
"""On the coarse side of a layer: up to so many, a product of matrices takes a CPU a third to a sixth of the time."""


class Pix2PixGenerator(nn.Module):
    """U-Net whose every layer halves or doubles the size (Isola et al., CVPR 2017), with instance norm.

    Nothing is computed at full size but the image, so it costs little and blurs more than `UNetGenerator`. The
    coarsest features, which may be a single pixel, and the finest are not normalised.

    Args:
        spatial_dims: 2 or 3.
        slab: 1, or for 2.5D the number of neighbouring slices, which are channels on both sides.
        channels: feature channels from half size downwards; each further level halves the size again.
        initial_gain: scale of the last layer's first weights.
        dropout: probability in the three coarsest levels of the upward path while training.
    """

    __jit_unused_properties__ = ("coarse",)

    def __init__(
        self,
        *,
        spatial_dims: int,
        slab: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512, 512, 512),
        initial_gain: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        last = len(channels) - 1
        above = (slab, *channels)
        self.downs = nn.ModuleList(
            _layer(spatial_dims, above[level], below, norm=0 < level < last, act=("LEAKYRELU", _LEAK))
            for level, below in enumerate(channels)
        )
        self.ups = nn.ModuleList(
            _layer(
                spatial_dims,
                channels[level] * (1 if level == last else 2),
                channels[level - 1],
                transposed=True,
                act=("RELU", None),
                dropout=dropout if last - level < _DEEPEST_WITH_DROPOUT else 0.0,
            )
            for level in range(last, 0, -1)
        )
        self.head = _layer(spatial_dims, channels[0] * (2 if last else 1), slab, transposed=True, norm=False)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.mul_(initial_gain)

    @property
    def coarse(self) -> nn.Module:
        """Its output is features of places in the image: an eighth of its size, or of fewer levels the coarsest."""
        return self.downs[min(2, len(self.downs) - 1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, slab, ...) in [-1, 1] -> the same, as float32; sizes divisible by 2 ** len(channels)."""
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)
        return torch.tanh(self.head(x).float())


def _layer(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    *,
    transposed: bool = False,
    norm: bool = True,
    act: tuple[str, float | None] | None = None,
    dropout: float = 0.0,
) -> nn.Module:
    """A 4x4 (x4) convolution of stride 2; instance norm, dropout and activation where they are wanted."""
    settings: dict[str, Any] = {"conv_only": act is None, "adn_ordering": "NDA"}
    if act is not None:
        name, slope = act
        settings["act"] = name if slope is None else (name, {"negative_slope": slope})
        settings["norm"] = ("INSTANCE", {"affine": True}) if norm else None
        settings["dropout"] = dropout or None
    layer: nn.Module = Convolution(
        spatial_dims,
        in_channels,
        out_channels,
        kernel_size=4,
        strides=2,
        is_transposed=transposed,
        padding=1,
        output_padding=0 if transposed else None,
        bias=act is None,
        **settings,
    )
    if spatial_dims == 2:
        kind = _Up2d if transposed else _Down2d
        layer.conv = kind(in_channels, out_channels, 4, stride=2, padding=1, bias=act is None)
    return layer


_is_scripting: Callable[[], bool] = torch.jit.is_scripting  # type: ignore[attr-defined]
"""Here, since TorchScript takes a comment on types within a function for its own."""


class _Down2d(nn.Conv2d):
    """4x4, stride 2; the same numbers by another way where there are few."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in, X, Y) -> (N, out, X / 2, Y / 2)."""
        if _is_scripting():
            return functional.conv2d(x, self.weight, self.bias, stride=2, padding=1)
        else:
            return _down(self, x)


class _Up2d(nn.ConvTranspose2d):
    """4x4, stride 2; the same numbers by another way where there are few."""

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        """(N, in, X, Y) -> (N, out, 2 X, 2 Y)."""
        if _is_scripting():
            return functional.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)
        else:
            return _up(self, x)


def _down(layer: _Down2d, x: torch.Tensor) -> torch.Tensor:
    coarse = (x.shape[2] // 2, x.shape[3] // 2)
    if not _few(x, coarse):
        return functional.conv2d(x, layer.weight, layer.bias, stride=2, padding=1)
    columns = functional.unfold(x, 4, padding=1, stride=2).transpose(1, 2)
    made = functional.linear(columns, layer.weight.flatten(1), layer.bias)
    return made.transpose(1, 2).reshape(x.shape[0], -1, *coarse)


def _up(layer: _Up2d, x: torch.Tensor) -> torch.Tensor:
    if not _few(x, (x.shape[2], x.shape[3])):
        return functional.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
    pixels = x.flatten(2).transpose(1, 2)
    columns = torch.matmul(pixels, layer.weight.flatten(1)).transpose(1, 2)
    made = functional.fold(columns, (2 * x.shape[2], 2 * x.shape[3]), 4, padding=1, stride=2)
    return made if layer.bias is None else made + layer.bias[:, None, None]


def _few(x: torch.Tensor, coarse: tuple[int, int]) -> bool:
    """Never while a network is traced or exported: what comes of it is for images of any size."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined, no-untyped-call]
        return False
    return x.device.type == "cpu" and coarse[0] * coarse[1] <= _FEW_PIXELS
