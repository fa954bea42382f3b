"""What a training found and will do, with an estimate of time and memory, before its first step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medgan.devices import DeviceChoice
from medgan.memory import peak_memory
from medgan.recipe import Recipe
from medgan.training.cases import Cases
from medgan.training.schedule import warmup_share

if TYPE_CHECKING:
    from medgan.training.engine import CycleGANTrainer


@dataclass(frozen=True)
class Estimate:
    """Measured on steps of a throw-away copy of the networks, at full size.

    Attributes:
        seconds_per_step: of the full-size steps.
        seconds: of the whole training.
        memory: peak bytes of this process (CPU) or of the device's allocator (CUDA); None where unknown.
    """

    seconds_per_step: float
    seconds: float
    memory: int | None


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        run: the run folder.
        recipe: the resolved settings.
        domains: the scans found, by contrast.
        device: where, and why there.
        precision: what convolutions compute in.
        slab: slices that a network sees at once.
        paired: acquired pairs that are shown as such.
        matched: whether images are drawn from the same height of the head.
        frame: pixels (voxels) of a training image.
        epoch_length: steps in an epoch.
        steps: steps in all, or None where the clock alone ends it.
        minutes: time limit, or None.
        done: steps done before (resumed).
        parameters: of one generator and of one discriminator.
        estimate: of time and memory.
        start: what it begins with, or began with, in a sentence.
        processes: that train together.
        division: how the images of a step go through the networks, where not all at once.
    """

    run: Path
    recipe: Recipe
    domains: Mapping[str, Cases]
    device: DeviceChoice
    precision: str
    slab: int
    matched: bool
    paired: int
    frame: tuple[int, ...]
    epoch_length: int
    steps: int | None
    minutes: float | None
    done: int
    parameters: tuple[int, int]
    estimate: Estimate
    start: str
    processes: int = 1
    division: str = ""

    @property
    def batch(self) -> str:
        """How many images of each contrast a step shows, and how they go through the networks."""
        size = self.recipe.sampling.batch_size
        each = -(-size // self.processes)
        shared = f", {each} in each of {self.processes} processes" if self.processes > 1 else ""
        if size % self.processes:
            shared = f", at most{shared.removeprefix(',')}"
        of = f" a batch of {each}" if self.processes > 1 and self.division else ""
        return f"{size}{shared}{f',{of} {self.division}' if self.division else ''}"

    @property
    def warmup(self) -> float:
        """The share in which the generators see simulated pairs alone."""
        return warmup_share(self.recipe, self.steps)


def estimate(trial: CycleGANTrainer, *, first_step: int) -> Estimate:
    """Time two steps of a throw-away trainer at full size, after one to warm up."""
    device = trial.torch_device

    def step() -> None:
        trial.step(*trial.images(every_kind=True))
        _wait(device)

    step()
    started = time.perf_counter()
    step()
    per_step = time.perf_counter() - started
    recipe, schedule = trial.training.recipe, trial.schedule
    if schedule.steps is None:
        total = schedule.seconds or 0.0
    else:
        stages = recipe.training.coarse  # each has as many times more images as they are smaller
        coarse = sum(stage.share / stage.scale ** (recipe.spatial_dims - 1) for stage in stages)
        fine = 1 - sum(stage.share for stage in recipe.training.coarse)
        by_steps = (schedule.steps - first_step) * per_step * (coarse + fine)
        total = min(by_steps, schedule.seconds or by_steps)
    return Estimate(per_step, total, peak_memory(device))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
