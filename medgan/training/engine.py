"""The training loop: a MONAI trainer whose iteration is a CycleGAN step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from monai.engines import Trainer
from torch import nn

from medgan.cyclegan.cyclegan import SEEN, Images, Losses
from medgan.devices import autocast
from medgan.errors import ModelRefusedError
from medgan.preparation.augmentation import toned
from medgan.training.pace import Pace
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.shares import Counts, Part, divided, number_of
from medgan.training.state import TrainingState
from medgan.training.step import Aims, teach_discriminators, teach_generators
from medgan.training.streaming import PairStream
from medgan.training.team import Team

_UNLIMITED = 1_000_000
_TONES = 2
_APART = 2**51
"""Between the seeds of dropout of one process and the next: more than any run's seed and step come to."""
STOPPING = ("SIGINT", "SIGTERM")
"""The signals that end a training in order."""


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
        pace: how it computes; the networks lie in memory accordingly.
        team: the processes that train together; this one alone where none is given.
        parts: how many parts the images of a step go through the networks in.
        recompute: see `CycleGAN`.

    Attributes:
        received: the signals that are to end the training after the step in hand, of whichever process.
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
        pace: Pace,
        team: Team | None = None,
        parts: int = 1,
        recompute: bool = False,
    ) -> None:
        self.training, self.batches, self.pairs, self.schedule = training, batches, pairs, schedule
        self.acquired, self.seed, self.pace, self.precision = acquired, seed, pace, pace.dtype
        self.torch_device = next(training.gan.parameters()).device
        self.team, self.parts, self.recompute = team or Team(), parts, recompute
        self.received: list[str] = []
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

    def images(self, *, every_kind: bool = False) -> tuple[Images, Images, Images, Counts]:
        """The next step's real images, simulated pairs and acquired pairs, any of which may be empty.

        Of several processes each has its share; last comes how many of each all have together. With `every_kind`,
        they are those of a step after the warm-up at full size, whatever the progress.
        """
        number, scale = self.training.step, 1 if every_kind else self.scale
        real = {} if self.warming_up and not every_kind else self.batches.batch(number, scale=scale)
        pairs = self.pairs.batch(number, scale=scale) if self.pairs is not None else {}
        acquired = self.acquired.batch(number, scale=scale) if self.acquired is not None else {}
        sources = ((real, self.batches), (pairs, self.pairs), (acquired, self.acquired))
        counts = [source.count(scale) if images and source is not None else 0 for images, source in sources]
        if acquired and (tone := self.training.recipe.augmentation.tone):
            chance = np.random.default_rng([self.seed, number, _TONES])
            among = (self.team.share(counts[2]), counts[2])
            acquired |= {
                f"{key}{SEEN}": toned(images, tone, chance, among=among) for key, images in acquired.items()
            }
        return self._moved(real), self._moved(pairs), self._moved(acquired), (counts[0], counts[1], counts[2])

    def _moved(self, images: Images) -> Images:
        return {
            key: self.pace.arranged(value.to(self.torch_device, non_blocking=True))
            for key, value in images.items()
        }

    @torch.no_grad()
    def translate(self, generator: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Images through a generator one by one, on the training's device; (N, C, ...) on the CPU."""
        with autocast(self.torch_device, self.precision):
            made = [generator(self.pace.arranged(image[None].to(self.torch_device))) for image in images]
        return torch.cat(made).float().cpu()

    def step(
        self, real: Images, pairs: Images, acquired: Images, of: Counts | None = None
    ) -> dict[str, float]:
        """One update of the generators, and with real images one of the discriminators.

        Args:
            real, pairs, acquired: by contrast; the share of this process.
            of: how many of each all processes show together; as many where none is given.

        Returns:
            The losses by name, means over the images of all processes.
        """
        training, gan = self.training, self.training.gan
        chance = self._start_step()
        of = of or (number_of(real), number_of(pairs), number_of(acquired))
        parts = list(divided(real, pairs, acquired, parts=self.parts, of=of))
        aims = Aims.of(training.recipe, self.schedule.weights(self.progress), self.precision)
        gan.discriminators.requires_grad_(False)
        looks = gan.draw_looks(chance) if real else {}
        losses: Losses = {}
        fakes: list[Images] = []
        for part in parts:
            made, more = teach_generators(gan, part, aims, looks)
            fakes += [made] if made else []
            losses = _sum(losses, more)
        self._update(training.generator_optimiser, gan.generators)
        if real:
            gan.discriminators.requires_grad_(True)
            more = self._teach_discriminators([part for part in parts if part.real], fakes, of[0], chance)
            self._update(training.discriminator_optimiser, gan.discriminators)
            losses = _sum(losses, more)
        return self._end_step(losses)

    def _start_step(self) -> torch.Generator:
        """Rates and seeds; returns the chance that is alike in all processes."""
        training = self.training
        seed = self.seed * _UNLIMITED + training.step
        torch.manual_seed(seed + self.team.launch.rank * _APART)
        training.gan.recompute = self.recompute
        rate = self.schedule.rate(self.progress)
        for optimiser in (training.generator_optimiser, training.discriminator_optimiser):
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        return torch.Generator().manual_seed(seed)

    def _teach_discriminators(
        self, parts: Sequence[Part], fakes: Sequence[Images], count: int, chance: torch.Generator
    ) -> Losses:
        """All processes keep the same history: that of all fakes."""
        gan, team = self.training.gan, self.team
        every = {key: team.gather(torch.cat([made[key] for made in fakes]), count) for key in gan.other}
        handed, looks = gan.exchange(every, chance)
        own = {key: images[team.share(count)] for key, images in handed.items()}
        losses: Losses = {}
        start = 0
        for part in parts:
            end = start + number_of(part.real)
            some = {key: images[start:end] for key, images in own.items()}
            more = teach_discriminators(gan, part.real, some, part.weights[0], looks, self.precision)
            losses, start = _sum(losses, more), end
        return losses

    def _update(self, optimiser: torch.optim.Optimizer, networks: nn.Module) -> None:
        self.team.add_up(networks.parameters())
        optimiser.step()

    def _end_step(self, losses: Losses) -> dict[str, float]:
        """Count the step, and agree on all that the next one depends on."""
        training = self.training
        record = self._agreed(losses)
        if not all(math.isfinite(value) for value in record.values()):
            raise ModelRefusedError(
                f"the training has diverged: a loss became infinite or NaN at step {training.step}",
                remedy="Resume with --resume --set optimiser.learning_rate=... (lower), or look at the data with "
                "`medgan inspect`.",
            )
        training.step += 1
        if training.recipe.optimiser.ema:
            training.average()
        rate: float = training.generator_optimiser.param_groups[0]["lr"]
        return {**record, "learning_rate": rate}

    def _agreed(self, losses: Losses) -> dict[str, float]:
        """The losses of all processes; the clock is the first one's, and a signal to one is one to all."""
        names = sorted(losses)  # every process adds in this order, whatever its own parts began with
        values: list[float] = torch.stack([losses[name].float() for name in names]).tolist() if names else []
        elapsed = time.monotonic() - self._clock if self.team.first else 0.0
        stops = [float(name in self.received) for name in STOPPING]
        *values, elapsed, interrupted, terminated = self.team.sums([*values, elapsed, *stops])
        self.training.elapsed = elapsed
        for name, count in zip(STOPPING, (interrupted, terminated), strict=True):
            if count and not self.received:
                self.received.append(name)
        if interrupted or terminated:  # not what this process alone has received since
            self.terminate()
        return dict(zip(names, values, strict=True))


class _Stream:
    """The batches from the training's present step on; the engine takes as many as it wants."""

    def __init__(self, trainer: CycleGANTrainer) -> None:
        self.trainer = trainer

    def __iter__(self) -> Iterator[tuple[Images, Images, Images, Counts]]:
        while True:
            yield self.trainer.images()


def _iterate(engine: Engine, batch: Any) -> dict[str, float]:
    assert isinstance(engine, CycleGANTrainer)  # noqa: S101 - for the type checker
    return engine.step(*batch)


def _sum(losses: Losses, more: Losses) -> Losses:
    return losses | {name: losses[name] + value if name in losses else value for name, value in more.items()}
