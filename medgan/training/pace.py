"""Which precision and layout in memory make a training's steps fastest on a machine: measured, and kept for the next.

What helps one machine hurts another: on two idle cores with bfloat16, `channels_last` made a step slower, on a GPU it
makes it faster. So a generator's pass and its gradients are timed at the start, in a few seconds.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medgan.devices import autocast, choose_precision
from medgan.machine import keep, processor, recall
from medgan.models.architecture import build_generator
from medgan.recipe import Recipe

_GAIN = 0.9
"""Another way must take at most so much of the usual one's time: a busy machine's timings differ by as much."""
_TIMED, _SECONDS = 3, 5.0
"""Rounds that count, but no further one after so many seconds."""
_IMAGES = 8
"""At most so many are enough to tell."""
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Pace:
    """How a training computes.

    Attributes:
        precision: `float32` or `bfloat16`: what convolutions compute in, under autocast.
        channels_last: whether the channels of a pixel lie together in memory.
        why: in a sentence.
    """

    precision: str
    channels_last: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if self.precision not in _PRECISIONS:
            raise ValueError(f"{self.precision!r} is no precision")

    @property
    def text(self) -> str:
        """Such as `bfloat16, channels last`."""
        return f"{self.precision}, channels last" if self.channels_last else self.precision

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch knows it."""
        return _PRECISIONS[self.precision]

    def laid_out(self, module: nn.Module, spatial_dims: int) -> nn.Module:
        """A module whose weights lie in memory in this way."""
        if not self.channels_last:
            return module
        laid: nn.Module = module.to(memory_format=self._format(spatial_dims))  # type: ignore[call-overload]
        return laid

    def arranged(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) images in this way."""
        if not self.channels_last:
            return images
        return images.contiguous(memory_format=self._format(images.ndim - 2))

    @staticmethod
    def _format(spatial_dims: int) -> torch.memory_format:
        return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d


def choose_pace(recipe: Recipe, shape: Sequence[int], device: torch.device) -> Pace:
    """The fastest way that the recipe allows, as measured now or before on this machine.

    Args:
        recipe: its `training.precision` may leave no choice.
        shape: (N, C, ...) of the images of one contrast in a step.
        device: where.
    """
    usual = usual_pace(recipe, device)
    ways = _ways(recipe, usual, device)
    if len(ways) == 1:
        return usual
    shape = (min(shape[0], _IMAGES), *shape[1:])
    facts = _facts(recipe, shape, device)
    kept = recall("pace", facts)
    seconds = _valid(kept, ways) or _measure(ways, recipe, shape, device)
    if kept is None or seconds != kept:
        keep("pace", facts, seconds)
    fastest = min(ways, key=lambda way: seconds[way.text])
    if seconds[fastest.text] > _GAIN * seconds[usual.text]:
        fastest = usual
    others = ", ".join(f"{way.text} {seconds[way.text]:.3f} s" for way in ways if way != fastest)
    why = f"a generator's pass and gradients took {seconds[fastest.text]:.3f} s here, and with {others}"
    return Pace(fastest.precision, fastest.channels_last, why)


def usual_pace(recipe: Recipe, device: torch.device) -> Pace:
    """What such a device is made for, without a measurement."""
    precision = choose_precision(recipe.training.precision, device)
    return Pace(str(precision).removeprefix("torch."), why="what such a device is made for")


def _ways(recipe: Recipe, usual: Pace, device: torch.device) -> list[Pace]:
    """The usual way first."""
    if device.type not in ("cpu", "cuda"):
        return [usual]
    names = [usual.precision]
    if recipe.training.precision == "auto" and usual.precision != "float32":
        names.append("float32")
    return [
        usual,
        *(
            Pace(name, last)
            for name in names
            for last in (False, True)
            if (name, last) != (usual.precision, False)
        ),
    ]


def _measure(
    ways: Sequence[Pace], recipe: Recipe, shape: Sequence[int], device: torch.device
) -> dict[str, float]:
    """The least seconds of each; in turns, so that what else the machine does falls on all alike."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        plain, images = build_generator(recipe, slab=shape[1]).to(device), torch.randn(*shape, device=device)
    tried = [
        (way, way.laid_out(copy.deepcopy(plain), recipe.spatial_dims), way.arranged(images)) for way in ways
    ]
    seconds: dict[str, list[float]] = {way.text: [] for way in ways}
    end = time.perf_counter() + _SECONDS
    for number in range(1 + _TIMED):
        if number > 1 and time.perf_counter() > end:
            break
        for way, network, arranged in tried:
            seconds[way.text].append(_time(way, network, arranged))
    return {key: min(times[1:]) for key, times in seconds.items()}


def _time(way: Pace, network: nn.Module, images: torch.Tensor) -> float:
    """Seconds of a pass and its gradients."""
    started = time.perf_counter()
    network.zero_grad(set_to_none=True)
    with autocast(images.device, way.dtype):
        loss = network(images).square().mean()
    loss.backward()
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - started


def _facts(recipe: Recipe, shape: Sequence[int], device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "generator": recipe.generator.model_dump(mode="json"),
        "spatial_dims": recipe.spatial_dims,
        "precision": recipe.training.precision,
        "shape": list(shape),
    }


def _valid(kept: dict[str, Any] | None, ways: Sequence[Pace]) -> dict[str, float] | None:
    """Seconds of each way, if that is what was kept."""
    if kept is None or set(kept) != {way.text for way in ways}:
        return None
    right = all(isinstance(value, float) and value > 0 for value in kept.values())
    return dict(kept) if right else None
