"""All that a training changes: networks, optimisers, averages, history. One checkpoint holds it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medgan.cyclegan import CycleGAN
from medgan.models.architecture import build_discriminator, build_generator
from medgan.recipe import Recipe
from medgan.training.pace import Pace


@dataclass(frozen=True, eq=False)
class Kept:
    """Generators of an earlier step: how they were judged, and their weights by name (`t1....`)."""

    step: int
    score: float
    tensors: dict[str, torch.Tensor]


def build_gan(recipe: Recipe, *, slab: int) -> CycleGAN:
    """The networks of a recipe, with fresh weights.

    Args:
        recipe: the settings.
        slab: slices that the networks see at once.
    """
    return CycleGAN(
        lambda: build_generator(recipe, slab=slab),
        lambda: build_discriminator(recipe, slab=slab),
        spatial_dims=recipe.spatial_dims,
        contrasts=("t1", "t2"),
        adversarial=recipe.losses.adversarial,
        cycle_ssim=recipe.losses.cycle_ssim,
        squared=recipe.losses.squared,
        ssim=recipe.losses.ssim,
        history=recipe.losses.history,
        augment=recipe.discriminator.augment,
    )


class TrainingState:
    """Networks and optimisers of a run.

    Args:
        recipe: the settings.
        slab: slices that the networks see at once.
        seed: of the first weights.
        device: where they live.
    """

    def __init__(self, recipe: Recipe, *, slab: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.recipe = recipe
        self.gan = build_gan(recipe, slab=slab).to(device)
        self.averaged = copy.deepcopy(self.gan.generators).requires_grad_(False).eval()
        settings = recipe.optimiser
        betas, fused = (settings.beta1, settings.beta2), device.type in ("cuda", "cpu")
        self.generator_optimiser = torch.optim.Adam(
            self.gan.generators.parameters(), lr=settings.learning_rate, betas=betas, fused=fused
        )
        self.discriminator_optimiser = torch.optim.Adam(
            self.gan.discriminators.parameters(), lr=settings.learning_rate, betas=betas, fused=fused
        )
        self.step = 0
        self.elapsed = 0.0
        self.best: Kept | None = None

    def lay_out(self, pace: Pace) -> None:
        """Let the weights lie in memory as a pace wants them; before the first step."""
        for module in (self.gan, self.averaged):
            pace.laid_out(module, self.recipe.spatial_dims)

    @property
    def generators(self) -> nn.ModuleDict:
        """The generators to synthesise with: the averaged ones, where an average is kept."""
        return self.averaged if self.recipe.optimiser.ema else self.gan.generators

    @torch.no_grad()
    def average(self) -> None:
        """Move the average towards the generators (Yazici et al., ICLR 2019).

        The decay grows with the steps at first, so that the average is not held back by the random start.
        """
        decay = min(self.recipe.optimiser.ema, (1 + self.step) / (10 + self.step))
        kept: list[torch.Tensor] = list(self.averaged.parameters())
        torch._foreach_lerp_(kept, list[torch.Tensor](self.gan.generators.parameters()), 1 - decay)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything in tensors, by flat names, on the CPU."""
        named: dict[str, torch.Tensor] = {}
        named |= {f"gan.{name}": tensor for name, tensor in self.gan.state_dict().items()}
        named |= {f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        for key, optimiser in self._optimisers().items():
            for index, moments in optimiser.state_dict()["state"].items():
                named |= {f"{key}.{index}.{name}": tensor for name, tensor in moments.items()}
        for key, history in self.gan.history.items():
            named |= {f"history.{key}.{index}": fake for index, fake in enumerate(history.fakes)}
        if self.best is not None:
            named |= {f"best.{name}": tensor for name, tensor in self.best.tensors.items()}
            named["best_of"] = torch.tensor([self.best.step, self.best.score], dtype=torch.float64)
        return {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in named.items()}

    def restore(self, tensors: dict[str, torch.Tensor], *, step: int, elapsed: float) -> None:
        """Become what `tensors` were taken from.

        Raises:
            RuntimeError, KeyError, ValueError: they do not fit.
        """
        device = next(self.gan.parameters()).device
        self.gan.load_state_dict(_under("gan.", tensors))
        self.averaged.load_state_dict(_under("averaged.", tensors))
        for key, optimiser in self._optimisers().items():
            content: dict[str, Any] = optimiser.state_dict()
            content["state"] = {}
            for name, tensor in _under(f"{key}.", tensors).items():
                index, _, moment = name.partition(".")
                content["state"].setdefault(int(index), {})[moment] = tensor
            optimiser.load_state_dict(content)
            for parameter, moments in optimiser.state.items():
                for name, moment in moments.items():
                    if (
                        moment.shape == parameter.shape
                    ):  # a fused step takes all of them to lie in memory alike
                        moments[name] = torch.empty_like(parameter).copy_(moment)
        for key, history in self.gan.history.items():
            fakes = _under(f"history.{key}.", tensors)
            history.fakes = [fakes[str(index)].to(device) for index in range(len(fakes))]
        self.best = None
        if "best_of" in tensors:
            best, score = tensors["best_of"].tolist()
            kept = {name: tensor.to(device) for name, tensor in _under("best.", tensors).items()}
            self.best = Kept(int(best), score, kept)
        self.step, self.elapsed = step, elapsed

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
