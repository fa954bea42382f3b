"""Which images each step sees: unpaired, from the same height of the head, and the same again on a resume.

Every draw depends on the seed and the number of the step alone. There is no state to lose: a resumed training
sees what it would have seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from medgan.preparation import vary
from medgan.preparation.augmentation import Among
from medgan.preparation.slabs import slab_planes, slab_step
from medgan.recipe import Recipe
from medgan.scans.finding import SMALLEST_STACK
from medgan.training.cases import Case, Cases
from medgan.training.shares import share_of

_FEWEST_PIXELS = 36
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Stack:
    """Slices in order along one head, or for 3D its volume.

    Attributes:
        items: pairs of case and slice index; for 3D one pair.
        positions: for each, how far up the head it lies, 0 to 1; None where nothing tells.
    """

    items: tuple[tuple[Case, int], ...]
    positions: tuple[float, ...] | None


def stacks(cases: Sequence[Case], *, spatial_dims: int) -> list[Stack]:
    """Volumes are stacks of their slices; numbered pictures of one name are one; other pictures tell no position."""
    made: list[Stack] = []
    numbered: dict[str, list[tuple[int, Case]]] = defaultdict(list)
    loose: list[Case] = []
    for case in cases:
        if spatial_dims == 3:
            made.append(Stack(((case, 0),), None))
        elif case.kind != "picture":
            low, high = case.head[2]
            span = max(high - low, 1)
            items = tuple((case, index) for index in case.slices)
            made.append(Stack(items, tuple((index - low) / span for index in case.slices)))
        elif case.rank is not None:
            numbered[case.rank[0]].append((case.rank[1], case))
        else:
            loose.append(case)
    for pictures in numbered.values():
        if len(pictures) < SMALLEST_STACK:
            loose += [case for _, case in pictures]
            continue
        ordered = [case for _, case in sorted(pictures, key=lambda numbered: numbered[0])]
        last = len(ordered) - 1
        made.append(Stack(tuple((case, 0) for case in ordered), tuple(k / last for k in range(last + 1))))
    if loose:
        made.append(Stack(tuple((case, 0) for case in loose), None))
    return made


@dataclass(frozen=True)
class Frame:
    """The sizes that a step's images have: the whole frame, and what is cut out of it."""

    whole: tuple[int, ...]
    cut: tuple[int, ...]


class Batches:
    """The images of each step, by contrast: float32, (N, C, X, Y[, Z]), -1 to 1.

    Args:
        domains: the prepared scans of each contrast.
        recipe: the settings.
        slab: slices that a network sees at once.
        seed: the run's seed.
        paired: draw the same slice of the same head for both contrasts, varied alike (simulated pairs).
        share: how many images a batch has -> those of them that are wanted; all where none is given.
        device: where a batch is varied, made smaller or cut, and given.
    """

    def __init__(
        self,
        domains: dict[str, Cases],
        recipe: Recipe,
        *,
        slab: int,
        seed: int,
        paired: bool = False,
        share: Callable[[int], slice] = share_of,
        device: torch.device = _CPU,
    ) -> None:
        self.recipe, self.share, self.device = recipe, share, device
        self.slab = slab
        self.seed = seed
        self.paired = paired
        self.stacks = {
            key: stacks(cases.cases, spatial_dims=recipe.spatial_dims) for key, cases in domains.items()
        }
        self.frame = _frame([case for cases in domains.values() for case in cases.cases], recipe)

    @property
    def matched(self) -> bool:
        """Whether positions are known on both sides, so that they can be matched."""
        known = (any(stack.positions for stack in group) for group in self.stacks.values())
        return self.recipe.sampling.match_position and (self.recipe.spatial_dims == 3 or all(known))

    @property
    def coarsest(self) -> int:
        """The largest factor that leaves a frame with enough pixels for sulci and cortex to tell apart."""
        return max(1, min(self.frame.whole) // _FEWEST_PIXELS)

    def count(self, scale: int = 1) -> int:
        """How many images of each contrast a batch has, whatever share of them is wanted."""
        return self.recipe.sampling.batch_size * scale

    def sizes(self, scale: int = 1) -> tuple[int, ...]:
        """The pixels (voxels) of an image along each axis."""
        if scale == 1:
            return self.frame.cut
        return tuple(size // scale for size in shrinkable(self.frame.whole, scale, self.recipe))

    def batch(self, step: int, *, scale: int = 1) -> dict[str, torch.Tensor]:
        """The images of one step, or the share of them that is wanted.

        Args:
            step: its number; the same number gives the same images.
            scale: above 1, whole frames averaged over this many pixels instead of crops, and as many times more
                of them.
        """
        chance = np.random.default_rng([self.seed, step])
        images: dict[str, list[torch.Tensor]] = {key: [] for key in self.stacks}
        count = self.count(scale)
        these = self.share(count)
        for number in range(count):
            height = chance.random(3 if self.recipe.spatial_dims == 3 else 1)
            start = chance.bit_generator.state
            for key in self.stacks:
                if self.paired:
                    chance.bit_generator.state = start
                drawn = self._draw(key, height, chance)
                if these.start <= number < these.stop:
                    images[key].append(self._read(*drawn, scale))
        return {
            key: self._finish(
                torch.stack(drawn).to(self.device), step, 0 if self.paired else index, scale, (these, count)
            )
            for index, (key, drawn) in enumerate(images.items())
        }

    def evenly(self, key: str, count: int) -> torch.Tensor:
        """`count` whole images of a contrast spread over its heads, without augmentation: (count, C, ...)."""
        if self.recipe.spatial_dims == 3:
            group = [stack.items[0] for stack in self.stacks[key]]
            chosen = [group[index] for index in np.linspace(0, len(group) - 1, count).round().astype(int)]
            return torch.stack([self._patch(case, np.full(3, 0.5)) for case, _ in chosen])
        largest = max(self.stacks[key], key=lambda stack: len(stack.items))
        picks = np.linspace(0.15, 0.85, count) * (len(largest.items) - 1)
        return torch.stack([self._whole(*largest.items[round(pick)]) for pick in picks])

    def spread(self, key: str, *, heads: int, levels: int) -> torch.Tensor:
        """Whole images of up to so many heads, each at so many heights: (levels * heads, C, ...), level by level.

        Where there are fewer heads, each shows more slices; of 3D it is the middle patch of each head.
        """
        group = self.stacks[key]
        chosen = [group[i] for i in np.unique(np.linspace(0, len(group) - 1, heads).round().astype(int))]
        if self.recipe.spatial_dims == 3:
            return torch.stack([self._patch(stack.items[0][0], np.full(3, 0.5)) for stack in chosen])
        each = -(-heads // len(chosen))
        images = []
        for place in (np.arange(levels * each) + 0.5) / (levels * each):
            images += [self._whole(*stack.items[round(place * (len(stack.items) - 1))]) for stack in chosen]
        return torch.stack(images)

    def _draw(
        self, key: str, height: np.ndarray, chance: np.random.Generator
    ) -> tuple[Case, int, np.ndarray]:
        """A case, a slice of it, and the place in it."""
        sampling = self.recipe.sampling
        stack = self.stacks[key][self._pick_stack(key, chance)]
        where = height + chance.normal(0, sampling.position_jitter, len(height))
        where = np.clip(where, 0, 1) if sampling.match_position else chance.random(len(height))
        index = 0
        if self.recipe.spatial_dims == 2:
            if stack.positions is not None and sampling.match_position:
                index = int(np.argmin(np.abs(np.asarray(stack.positions) - where[0])))
            else:
                index = int(chance.integers(len(stack.items)))
        return (*stack.items[index], where)

    def _read(self, case: Case, plane: int, where: np.ndarray, scale: int) -> torch.Tensor:
        patch = scale == 1 and self.recipe.spatial_dims == 3
        return self._patch(case, where) if patch else self._whole(case, plane)

    def _finish(self, images: torch.Tensor, step: int, group: int, scale: int, among: Among) -> torch.Tensor:
        """Vary a batch, then make it smaller or cut crops out of it."""
        chance = np.random.default_rng([self.seed, step, group + 1])
        images = vary(images, self.recipe.augmentation, chance, among=among)
        if scale > 1:
            return shrunk(images, scale, self.recipe)
        if self.recipe.spatial_dims == 3 or self.frame.cut == self.frame.whole:
            return images
        these, count = among
        places = [chance.random(2) for _ in range(count)][these]
        return torch.stack([self._crop(image, place) for image, place in zip(images, places, strict=True)])

    def _pick_stack(self, key: str, chance: np.random.Generator) -> int:
        """A head as often as another, whatever its slices; loose pictures as often as there are of them."""
        weights = np.array([len(s.items) if s.positions is None else 1.0 for s in self.stacks[key]])
        if self.recipe.spatial_dims == 3:
            weights[:] = 1.0
        elif any(stack.positions is None for stack in self.stacks[key]):
            weights = np.array([float(len(stack.items)) for stack in self.stacks[key]])
        return int(chance.choice(len(weights), p=weights / weights.sum()))

    def _whole(self, case: Case, plane: int) -> torch.Tensor:
        """(C, X, Y[, Z]) of the common frame."""
        voxels = case.voxels()
        if self.recipe.spatial_dims == 3:
            return _fit(torch.from_numpy(voxels[None].astype(np.float32)), self.frame.whole)
        step = slab_step(self.recipe.sampling.slab_spacing, case.spacing[2])
        planes = slab_planes(plane, case.shape[2], self.slab, step)
        array = np.stack([voxels[:, :, index] for index in planes]).astype(np.float32)
        return _fit(torch.from_numpy(array), self.frame.whole)

    def _patch(self, case: Case, where: np.ndarray) -> torch.Tensor:
        """A 3D patch around the relative position `where` in the head; only it is read from disk."""
        window = []
        ranges = zip(where, case.shape, case.head, self.frame.cut, strict=True)
        for position, size, (low, high), cut in ranges:
            start = round(low + position * (high - low) - cut / 2)
            start = min(max(start, 0), max(size - cut, 0))
            window.append(slice(start, start + cut))
        voxels = case.voxels()[tuple(window)].astype(np.float32)
        return _fit(torch.from_numpy(voxels[None]), self.frame.cut)

    def _crop(self, image: torch.Tensor, where: np.ndarray) -> torch.Tensor:
        starts = [
            int(position * (size - cut + 1))
            for position, size, cut in zip(where, image.shape[1:], self.frame.cut, strict=True)
        ]
        window = [slice(start, start + cut) for start, cut in zip(starts, self.frame.cut, strict=True)]
        return image[tuple([slice(None), *window])]  # noqa: C409 - mypy takes a starred index for Python 3.11


def _frame(cases: Sequence[Case], recipe: Recipe) -> Frame:
    dims = recipe.spatial_dims
    multiple = recipe.preparation.divisor
    largest = [max(case.shape[axis] for case in cases) for axis in range(dims)]
    crop = recipe.sampling.crop
    least = max(crop or 0, recipe.least_side)
    whole = tuple(-(-max(size, least) // multiple) * multiple for size in largest)
    return Frame(whole, whole if crop is None else tuple(min(crop, size) for size in whole))


def shrunk(images: torch.Tensor, scale: int, recipe: Recipe) -> torch.Tensor:
    """Average over `scale` pixels, after padding so that the networks can still take the result."""
    images = _fit(images, shrinkable(images.shape[2:], scale, recipe))
    pool = functional.avg_pool2d if images.ndim == 4 else functional.avg_pool3d
    return pool(images, scale)


def shrinkable(sizes: Sequence[int], scale: int, recipe: Recipe) -> list[int]:
    """The sizes to pad to before `scale` pixels are averaged."""
    multiple, least = scale * recipe.halvings, scale * recipe.least_side
    return [max(-(-size // multiple) * multiple, least) for size in sizes]


def _fit(images: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Pad the last axes with background, centred, to `sizes`."""
    padding: list[int] = []
    for have, want in zip(reversed(images.shape[-len(sizes) :]), reversed(sizes), strict=True):
        before = (want - have) // 2
        padding += [before, want - have - before]
    return functional.pad(images, padding, value=-1.0)
