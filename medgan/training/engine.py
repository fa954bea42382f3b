"""The training loop: a MONAI trainer whose iteration is a CycleGAN step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from monai.engines import Trainer
from torch import nn

from medgan.cyclegan.cyclegan import SEEN, Images
from medgan.errors import ModelRefusedError
from medgan.preparation.augmentation import toned
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.state import TrainingState
from medgan.training.streaming import PairStream

_UNLIMITED = 1_000_000
_TONES = 2


class CycleGANTrainer(Trainer):  # type: ignore[misc]  # MONAI has no types
    """`monai.engines.Trainer` with two generators, two discriminators and a schedule.

    After each step `state.output` holds the losses by name; `training` is what they changed.

    Args:
        training: networks, optimisers and how far they are; a restored one goes on where it was.
        batches: the images.
        pairs: simulated pairs, or None.
        acquired: acquired pairs, or None.
        schedule: sizes, rates and the end.
        epoch_length: steps in an epoch.
        seed: of augmentation, history and dropout.
        precision: what convolutions compute in.
    """

    def __init__(
        self,
        training: TrainingState,
        batches: Batches,
        schedule: Schedule,
        *,
        pairs: Batches | PairStream | None = None,
        acquired: Batches | None = None,
        epoch_length: int,
        seed: int,
        precision: torch.dtype,
    ) -> None:
        self.training, self.batches, self.pairs, self.schedule = training, batches, pairs, schedule
        self.acquired, self.seed, self.precision = acquired, seed, precision
        self.torch_device = next(training.gan.parameters()).device
        recipe = training.recipe
        self.simulated_weight = recipe.simulation.weight * recipe.losses.cycle
        self.paired_weight = recipe.losses.paired * recipe.losses.cycle
        epochs = -(-schedule.steps // epoch_length) if schedule.steps else _UNLIMITED
        super().__init__(
            device=self.torch_device,
            max_epochs=epochs,
            data_loader=_Stream(self),
            epoch_length=epoch_length,
            iteration_update=_iterate,
            decollate=False,
        )
        self.logger.disabled = True  # what goes wrong is raised, and told once
        self.state.iteration = training.step
        self.state.epoch = training.step // epoch_length
        self._clock = time.monotonic() - training.elapsed

    @property
    def progress(self) -> float:
        """How far the training is, 0 to 1."""
        return self.schedule.progress(self.training.step, self.training.elapsed)

    @property
    def scale(self) -> int:
        """The factor by which the next step's images are smaller."""
        return min(self.schedule.scale(self.progress), self.batches.coarsest)

    def run(self) -> None:
        """Train until the schedule ends or `terminate` is called."""
        if self.progress >= 1:
            return
        self._clock = time.monotonic() - self.training.elapsed
        super().run()

    @property
    def warming_up(self) -> bool:
        """Whether the next step sees simulated pairs alone."""
        return self.pairs is not None and self.progress < self.schedule.warmup

    def images(self, *, every_kind: bool = False) -> tuple[Images, Images, Images]:
        """The next step's real images, simulated pairs and acquired pairs, any of which may be empty.

        With `every_kind`, those of a step after the warm-up at full size, whatever the progress.
        """
        number, scale = self.training.step, 1 if every_kind else self.scale
        real = {} if self.warming_up and not every_kind else self.batches.batch(number, scale=scale)
        pairs = self.pairs.batch(number, scale=scale) if self.pairs is not None else {}
        acquired = self.acquired.batch(number, scale=scale) if self.acquired is not None else {}
        if acquired and (tone := self.training.recipe.augmentation.tone):
            chance = np.random.default_rng([self.seed, number, _TONES])
            acquired |= {f"{key}{SEEN}": toned(images, tone, chance) for key, images in acquired.items()}
        return self._moved(real), self._moved(pairs), self._moved(acquired)

    def _moved(self, images: Images) -> Images:
        return {key: value.to(self.torch_device, non_blocking=True) for key, value in images.items()}

    @torch.no_grad()
    def translate(self, generator: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Images through a generator one by one, on the training's device; (N, C, ...) on the CPU."""
        mixed = self.precision != torch.float32
        with torch.autocast(self.torch_device.type, dtype=self.precision, enabled=mixed):
            made = [generator(image[None].to(self.torch_device)) for image in images]
        return torch.cat(made).float().cpu()

    def step(self, real: Images, pairs: Images, acquired: Images) -> dict[str, float]:
        """One update of the generators, and with real images one of the discriminators."""
        training, gan = self.training, self.training.gan
        number = training.step
        torch.manual_seed(self.seed * _UNLIMITED + number)
        chance = torch.Generator().manual_seed(self.seed * _UNLIMITED + number)
        rate, weights = self.schedule.rate(self.progress), self.schedule.weights(self.progress)
        for optimiser in (training.generator_optimiser, training.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate
        mixed = self.precision != torch.float32
        autocast = torch.autocast(self.torch_device.type, dtype=self.precision, enabled=mixed)
        record: dict[str, float] = {}
        loss = torch.zeros((), device=self.torch_device)
        known = [
            (name, weight, images)
            for name, weight, images in (
                ("simulated", self.simulated_weight, pairs),
                ("paired", self.paired_weight, acquired),
            )
            if images
        ]
        with autocast:
            gan.discriminators.requires_grad_(False)
            made = gan.translate(
                real, identity=weights.identity > 0, pairs=[images for _, _, images in known]
            )
            if real:
                loss, record = gan.generator_losses(made, weights, chance)
            for (name, weight, images), of_them in zip(known, made.known, strict=True):
                supervised, more = gan.supervised_loss(images, of_them, name=name)
                loss = loss + weight * supervised
                record |= more
        _update(training.generator_optimiser, loss)
        if real:
            with autocast:
                gan.discriminators.requires_grad_(True)
                judged, more = gan.discriminator_losses(made, chance)
            _update(training.discriminator_optimiser, judged)
            record |= more
        if not all(math.isfinite(value) for value in record.values()):
            raise ModelRefusedError(
                f"the training has diverged: a loss became infinite or NaN at step {number}",
                remedy="Resume with --resume --set optimiser.learning_rate=... (lower), or look at the data with "
                "`medgan inspect`.",
            )
        training.step += 1
        if training.recipe.optimiser.ema:
            training.average()
        training.elapsed = time.monotonic() - self._clock
        return {**record, "learning_rate": rate}


class _Stream:
    """The batches from the training's present step on; the engine takes as many as it wants."""

    def __init__(self, trainer: CycleGANTrainer) -> None:
        self.trainer = trainer

    def __iter__(self) -> Iterator[tuple[Images, Images, Images]]:
        while True:
            yield self.trainer.images()


def _iterate(engine: Engine, batch: Any) -> dict[str, float]:
    assert isinstance(engine, CycleGANTrainer)  # noqa: S101 - for the type checker
    return engine.step(*batch)


def _update(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
