"""What the notebooks did that medgan grew from, in plain torch: the U-Net of TensorFlow's CycleGAN tutorial at 64x64.

Networks and step as the tutorial describes them, in float32: generators of 4x4 convolutions that halve the image down
to one pixel and double it again with skips, instance norm and dropout; discriminators on patches; cross-entropy, cycle
weight 15, identity at a quarter of it; each generator is called three times and each discriminator twice in a step, as
the tutorial writes it; batches of 32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

_CYCLE, _IDENTITY = 15.0, 3.75
_CHANNELS = (64, 128, 256, 512, 512, 512)
_LEAK = 0.3


class UNet(nn.Module):
    """4x4 convolutions of stride 2 down, transposed ones up, and a skip at each size."""

    def __init__(self) -> None:
        super().__init__()
        last = len(_CHANNELS) - 1
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(_CHANNELS):
            layers: list[nn.Module] = [
                nn.Conv2d(_CHANNELS[level - 1] if level else 1, channels, 4, 2, 1, bias=False)
            ]
            if 0 < level < last:
                layers.append(nn.InstanceNorm2d(channels, affine=True))
            self.downs.append(nn.Sequential(*layers, nn.LeakyReLU(_LEAK)))
        for level in range(last, 0, -1):
            shown = _CHANNELS[level] * (1 if level == last else 2)
            layers = [nn.ConvTranspose2d(shown, _CHANNELS[level - 1], 4, 2, 1, bias=False)]
            layers.append(nn.InstanceNorm2d(_CHANNELS[level - 1], affine=True))
            if last - level < 3:
                layers.append(nn.Dropout(0.5))
            self.ups.append(nn.Sequential(*layers, nn.ReLU()))
        self.out = nn.ConvTranspose2d(2 * _CHANNELS[0], 1, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 64, 64) -> the same, in [-1, 1]."""
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)
        return torch.tanh(self.out(x))


def discriminator() -> nn.Module:
    """C64, C128, C256, C512 of stride 1, and a verdict on each patch."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(_LEAK)]
    for channels, stride in ((64, 2), (128, 2), (256, 1)):
        layers += [
            nn.Conv2d(channels, 2 * channels, 4, stride, 1, bias=False),
            nn.InstanceNorm2d(2 * channels, affine=True),
            nn.LeakyReLU(_LEAK),
        ]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


class Notebooks:
    """Both generators and discriminators, an optimiser for each, and one step of them."""

    batch = 32

    def __init__(self, device: torch.device) -> None:
        torch.manual_seed(0)
        self.to = {key: UNet().to(device) for key in ("t1", "t2")}
        self.judges = {key: discriminator().to(device) for key in ("t1", "t2")}
        settings: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
        networks = [*self.to.values(), *self.judges.values()]
        self.optimisers = [torch.optim.Adam(network.parameters(), **settings) for network in networks]

    def step(self, real: dict[str, torch.Tensor]) -> None:
        """One update of all four networks; (32, 1, 64, 64) images in [-1, 1] by contrast."""
        fake = {"t2": self.to["t2"](real["t1"]), "t1": self.to["t1"](real["t2"])}
        loss = torch.zeros((), device=real["t1"].device)
        judged = torch.zeros((), device=real["t1"].device)
        for key, other in (("t1", "t2"), ("t2", "t1")):
            loss = loss + _CYCLE * functional.l1_loss(self.to[key](fake[other]), real[key])
            loss = loss + _IDENTITY * functional.l1_loss(self.to[key](real[key]), real[key])
            loss = loss + _verdict(self.judges[key](fake[key]), real=True)
            judged = judged + _verdict(self.judges[key](real[key]), real=True) / 2
            judged = judged + _verdict(self.judges[key](fake[key].detach()), real=False) / 2
        generators = [p for network in self.to.values() for p in network.parameters()]
        judges = [p for network in self.judges.values() for p in network.parameters()]
        gradients = torch.autograd.grad(loss, generators) + torch.autograd.grad(judged, judges)
        for parameter, gradient in zip([*generators, *judges], gradients, strict=True):
            parameter.grad = gradient
        for optimiser in self.optimisers:
            optimiser.step()


def _verdict(logits: torch.Tensor, *, real: bool) -> torch.Tensor:
    aim = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return functional.binary_cross_entropy_with_logits(logits, aim)
