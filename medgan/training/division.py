"""In how many parts a step's images go through the networks, so that it fits into memory; the result is the same."""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medgan.errors import ResourceError
from medgan.recipe import Recipe
from medgan.training.footprint import Shown, footprint, parameter_bytes
from medgan.training.memory import Limit, shown
from medgan.training.sampling import Batches
from medgan.training.streaming import PairStream

_LIBRARIES = 192 * 2**20
"""What code and tables of the libraries take that the first step, picture and page load."""
_WASTE = 1.45
"""Of the tensors of a step, with workspace and what the allocator cannot use again: measured, see
docs/decisions/0010-training-on-several-processes.md."""


_WRITING, _GIVEN_BACK = 2.1, 0.3
"""Times what is remembered, while a checkpoint is written; and how much of a step's memory is free again by then."""


@dataclass(frozen=True)
class Division:
    """How the images of a step are gone through.

    Attributes:
        parts: one after another; their gradients are added up.
        recompute: see `CycleGAN`.
        limit: what this keeps to; None where nothing had to be kept to.
    """

    parts: int = 1
    recompute: bool = False
    limit: Limit | None = None

    def text(self, batch: int) -> str:
        """In words, after `a batch of ...`; empty where all images go through at once.

        Args:
            batch: images of each contrast that this process shows in a step.
        """
        how = []
        if self.parts > 1:
            how.append(f"in {self.parts} parts" if self.parts < batch else "image by image")
        if self.recompute:
            how.append("with each pass through a network done twice")
        under = f", to stay under {shown(self.limit.total)}" if self.limit else ""
        return f"{' and '.join(how)}{under}" if how else ""


WHOLE = Division()


def choose_division(
    recipe: Recipe,
    steps: Sequence[Shown],
    *,
    slab: int,
    precision: torch.dtype,
    device: torch.device,
    limit: Limit | None,
) -> Division:
    """The fewest parts that fit; each pass done twice only where single images do not fit otherwise.

    Args:
        recipe: the settings.
        steps: what this process shows in the steps of each size that the training has.
        slab: slices that a network sees at once.
        precision: what convolutions compute in.
        device: where the networks are.
        limit: of its memory; None for none.

    Raises:
        ResourceError: one image at a time does not fit either.
    """
    if limit is None or all(_surely(recipe, step) <= limit.room for step in steps):
        return WHOLE

    def need(parts: int, recompute: bool) -> int:
        return max(
            _kept(recipe, step, tensors, slab=slab, device=device) + tensors
            for step in steps
            for tensors in [_of_step(recipe, step, parts, slab, precision, recompute)]
        )

    candidates = _candidates(max(step.most for step in steps))
    for recompute in (False, True):
        fits = [functools.partial(need, parts, recompute) for parts in candidates]
        first = 0 if fits[0]() <= limit.room else bisect_left(fits, True, key=lambda of: of() <= limit.room)
        if first < len(candidates):
            return Division(candidates[first], recompute, limit)
    raise ResourceError(
        f"a step with one image at a time needs about {shown(limit.used + need(candidates[-1], True))} of memory, "
        f"and the limit is {limit}",
        remedy="Train with a smaller --set sampling.crop=... or fewer generator.channels, or raise --max-memory and "
        "close other programs.",
    )


def steps_shown(
    real: Batches, pairs: Batches | PairStream | None, acquired: Batches | None, *, processes: int
) -> list[Shown]:
    """What a process shows in the steps of each size that a training has; of its share the most.

    Args:
        real, pairs, acquired: the images; None for none.
        processes: that share them.
    """

    def shape(images: Batches | PairStream, scale: int) -> tuple[int, ...]:
        return (-(-images.count(scale) // processes), real.slab, *images.sizes(scale))

    stages = {min(stage.scale, real.coarsest) for stage in real.recipe.training.coarse}
    return [
        Shown(
            shape(real, scale),
            None if pairs is None else shape(pairs, scale),
            None if acquired is None else shape(acquired, scale),
            seen=real.recipe.augmentation.tone > 0,
        )
        for scale in sorted(stages | {1})
    ]


def _candidates(images: int) -> list[int]:
    """Numbers of parts, each twice as many as the one before, until each image is one."""
    return [*(2**power for power in range(images.bit_length()) if 2**power < images), images]


def _of_step(
    recipe: Recipe, step: Shown, parts: int, slab: int, precision: torch.dtype, recompute: bool
) -> int:
    """Bytes that come and go with each part of a step."""
    return int(
        _WASTE * footprint(recipe, step.part(parts), slab=slab, precision=precision, recompute=recompute)
    )


def _kept(recipe: Recipe, step: Shown, tensors: int, *, slab: int, device: torch.device) -> int:
    """Bytes that lie beside that: the images of all parts, and what the training remembers.

    Of each weight the two moments and one more for averages and the best ones; the fakes of the history. On top of it
    comes a copy of the networks on which the time of a step is measured, or a checkpoint while it is written, which on
    a CPU takes the place of a part's tensors in some measure.

    Args:
        recipe, step, slab, device: as for `choose_division`.
        tensors: bytes that come and go with each part.
    """
    weights = parameter_bytes(recipe, slab=slab)
    fakes = 2 * recipe.losses.history * step.image_bytes
    remembered, copied = 4 * weights + fakes, 4 * weights
    if device.type == "cpu":
        copied = max(copied, int(_WRITING * remembered - _GIVEN_BACK * tensors))
    return _LIBRARIES + remembered + copied + step.bytes


def _surely(recipe: Recipe, step: Shown) -> int:
    """More than can be needed, told without counting: each layer as wide as the widest, and at full size."""
    generator, discriminator = recipe.generator, recipe.discriminator
    width = max(*generator.channels, discriminator.channels * 2**discriminator.layers)
    layers = 2 * (len(generator.channels) + generator.residual_units + 1)
    weights = 8 * 2 * (2 * layers * width**2 * 7**recipe.spatial_dims) * 4
    tensors = 8 * 3 * layers * width * step.bytes
    bound: int = _LIBRARIES + weights + tensors + 2 * recipe.losses.history * step.image_bytes
    return bound
