"""The CycleGAN of Zhu et al. (ICCV 2017), written from the paper in plain torch: the reference of training steps.

Networks and step as section 4 and the appendix describe them, in float32: generators of nine residual blocks and 64
channels, discriminators on patches of 70 pixels, least squares, cycle weight 10, identity at half of it, a history of
50 fakes, batches of one image. One channel, since the images are grey.
"""

from __future__ import annotations

import random
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_CYCLE, _IDENTITY = 10.0, 5.0
_HISTORY = 50


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflected borders, and what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same."""
        made: torch.Tensor = x + self.layers(x)
        return made


def generator() -> nn.Module:
    """c7s1-64, d128, d256, nine R256, u128, u64, c7s1-1."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(1, 64, 7),
        nn.InstanceNorm2d(64),
        nn.ReLU(True),
    ]
    for channels in (64, 128):
        layers += [
            nn.Conv2d(channels, 2 * channels, 3, 2, 1),
            nn.InstanceNorm2d(2 * channels),
            nn.ReLU(True),
        ]
    layers += [ResidualBlock(256) for _ in range(9)]
    for channels in (256, 128):
        layers += [
            nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, output_padding=1),
            nn.InstanceNorm2d(channels // 2),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(64, 1, 7), nn.Tanh())


def discriminator() -> nn.Module:
    """C64, C128, C256, C512, and a verdict on each patch of 70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for channels, stride in ((64, 2), (128, 2), (256, 1)):
        layers += [
            nn.Conv2d(channels, 2 * channels, 4, stride, 1),
            nn.InstanceNorm2d(2 * channels),
            nn.LeakyReLU(0.2, True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))


class CycleGAN2017:
    """Both generators and discriminators, their optimisers, and one step of them."""

    batch = 1

    def __init__(self, device: torch.device) -> None:
        torch.manual_seed(0)
        self.to = {key: generator().to(device) for key in ("t1", "t2")}
        self.judges = {key: discriminator().to(device) for key in ("t1", "t2")}
        settings: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.of_generators = torch.optim.Adam(
            chain(*(network.parameters() for network in self.to.values())), **settings
        )
        self.of_judges = torch.optim.Adam(
            chain(*(network.parameters() for network in self.judges.values())), **settings
        )
        self.history: dict[str, list[torch.Tensor]] = {"t1": [], "t2": []}
        self.chance = random.Random(0)  # noqa: S311 - no secret

    def step(self, real: dict[str, torch.Tensor]) -> None:
        """One update of the generators and one of the discriminators; (1, 1, H, W) images in [-1, 1] by contrast."""
        fake = {"t2": self.to["t2"](real["t1"]), "t1": self.to["t1"](real["t2"])}
        loss = torch.zeros((), device=real["t1"].device)
        for key, other in (("t1", "t2"), ("t2", "t1")):
            verdict = self.judges[key](fake[key])
            loss = loss + functional.mse_loss(verdict, torch.ones_like(verdict))
            loss = loss + _CYCLE * functional.l1_loss(self.to[key](fake[other]), real[key])
            loss = loss + _IDENTITY * functional.l1_loss(self.to[key](real[key]), real[key])
        self.of_generators.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.of_generators.step()
        self.of_judges.zero_grad()
        for key, judge in self.judges.items():
            on_real, on_fake = judge(real[key]), judge(self._remembered(key, fake[key].detach()))
            judged = functional.mse_loss(on_real, torch.ones_like(on_real)) + functional.mse_loss(
                on_fake, torch.zeros_like(on_fake)
            )
            (judged / 2).backward()
        self.of_judges.step()

    def _remembered(self, key: str, fake: torch.Tensor) -> torch.Tensor:
        """One of the last fifty fakes, half of the time."""
        kept = self.history[key]
        if len(kept) < _HISTORY:
            kept.append(fake)
            return fake
        if self.chance.random() < 0.5:
            return fake
        place = self.chance.randrange(_HISTORY)
        older, kept[place] = kept[place], fake
        return older
