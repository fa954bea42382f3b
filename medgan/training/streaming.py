"""Simulated pairs drawn on the fly: a new head, pose and examination for every image, and none of it on disk."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from medgan.cyclegan.cyclegan import SEEN
from medgan.preparation.augmentation import toned
from medgan.recipe import Recipe
from medgan.simulation import Anatomy, Variety, simulate_batch
from medgan.training.sampling import shrinkable, shrunk
from medgan.training.shares import share_of

_AHEAD = 3
_TONES = 1


class PairStream:
    """The simulated pairs of each step, with the interface of `sampling.Batches`.

    A process beside the training draws them ahead of time. Each batch follows from the seed and the number of
    its step alone, so a resumed training sees what it would have seen.

    Args:
        anatomies: whom to simulate.
        recipe: the settings; pictures and volumes are simulated as its `simulation` says.
        slab: slices that a network sees at once.
        seed: the run's seed.
        variety: what differs from one examination to the next, and how far.
        share: how many pairs a step has -> those of them that are wanted; all where none is given.
    """

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        recipe: Recipe,
        *,
        slab: int,
        seed: int,
        variety: Variety | None = None,
        share: Callable[[int], slice] = share_of,
    ) -> None:
        self._recipe = recipe
        self._drawn = _Drawn(anatomies, recipe, slab, seed, variety or Variety(), share)
        self._ahead: Iterator[dict[str, torch.Tensor]] | None = None
        self._next = -1

    def sizes(self, scale: int = 1) -> tuple[int, ...]:
        """The sides of the largest images in pixels."""
        side = self._recipe.simulation.side + 32 * self._recipe.simulation.side_steps
        sides = (side, side)
        return sides if scale == 1 else tuple(n // scale for n in shrinkable(sides, scale, self._recipe))

    def count(self, scale: int = 1) -> int:
        """How many pairs a step has, whatever share of them is wanted; at every scale as many."""
        return self._drawn.count

    def batch(self, step: int, *, scale: int = 1) -> dict[str, torch.Tensor]:
        """The pairs of one step, or the share of them that is wanted, by contrast: float32, (N, slices, X, Y), -1 to 1.

        Args:
            step: its number; numbers that follow each other are drawn ahead.
            scale: average over so many pixels.
        """
        if self._ahead is None or step != self._next:
            self.close()
            self._ahead = iter(
                DataLoader(
                    self._drawn,
                    sampler=_Steps(step),
                    batch_size=None,
                    num_workers=1,
                    prefetch_factor=_AHEAD,
                    worker_init_fn=_leave_signals_to_the_training,
                )
            )
        self._next = step + 1
        images = next(self._ahead)
        if scale == 1:
            return images
        return {key: shrunk(image, scale, self._recipe) for key, image in images.items()}

    def close(self) -> None:
        """End the process that draws ahead."""
        self._ahead = None


def _leave_signals_to_the_training(worker: int) -> None:
    """Ctrl-C and schedulers signal all processes; the training ends in order, and with it this one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _Steps(torch.utils.data.Sampler[int]):
    """The numbers of the steps from one on."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.first)


class _Drawn(Dataset[dict[str, torch.Tensor]]):
    """Step number -> its pairs."""

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        recipe: Recipe,
        slab: int,
        seed: int,
        variety: Variety,
        share: Callable[[int], slice],
    ) -> None:
        self.anatomies, self.slab, self.seed, self.variety = anatomies, slab, seed, variety
        self.count = recipe.simulation.pairs or recipe.sampling.batch_size
        self.side, self.side_steps = recipe.simulation.side, recipe.simulation.side_steps
        self.tone, self.share = recipe.augmentation.tone, share

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        chance = np.random.default_rng([self.seed, step, _TONES])
        these = self.share(self.count)
        side = self.side + 32 * int(chance.integers(-self.side_steps, self.side_steps + 1))
        pairs = simulate_batch(
            self.anatomies,
            count=self.count,
            shape=(self.slab, side, side),
            seed=(self.seed, step),
            variety=self.variety,
            only=these,
        )
        images = {}
        for key, image in (("t1", pairs.t1), ("t2", pairs.t2)):
            low, high = pairs.ranges[key][:, :, None, None, None].unbind(1)
            scaled = ((image - low) * (2 / (high - low)) - 1).clamp_(-1, 1)
            images[key] = scaled.masked_fill_(~pairs.foreground, -1.0)
            if self.tone:
                images[f"{key}{SEEN}"] = toned(images[key], self.tone, chance, among=(these, self.count))
        return images
