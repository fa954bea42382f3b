"""How much memory a step takes, counted without doing it: on tensors that have a size and no content."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medgan.cyclegan import Weights
from medgan.cyclegan.cyclegan import SEEN, Images
from medgan.recipe import Recipe
from medgan.training.shares import Part
from medgan.training.state import build_gan
from medgan.training.step import Aims, teach_discriminators, teach_generators

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shown:
    """What goes through the networks in a step.

    Attributes:
        real: shape (N, C, ...) of the images of each contrast.
        simulated, paired: the same; None for none.
        seen: whether other images are shown in the place of the pairs.
    """

    real: Shape
    simulated: Shape | None
    paired: Shape | None
    seen: bool = False

    def part(self, parts: int) -> Shown:
        """The largest of so many parts."""
        a, b = (_fewer(shape, parts) if shape else None for shape in (self.simulated, self.paired))
        return Shown(_fewer(self.real, parts), a, b, seen=self.seen)

    @property
    def most(self) -> int:
        """Images of the kind of which there are most."""
        return max(shape[0] for shape in (self.real, self.simulated, self.paired) if shape)

    @property
    def bytes(self) -> int:
        """Of all images, of both contrasts."""
        pairs = sum(math.prod(shape) for shape in (self.simulated, self.paired) if shape)
        return 2 * 4 * (math.prod(self.real) + pairs * (2 if self.seen else 1))

    @property
    def image_bytes(self) -> int:
        """Of one real image."""
        return 4 * math.prod(self.real[1:])


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """Counts the bytes of all tensors that are alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: Any) -> None:
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known.add(storage)
        weakref.finalize(storage, self._forget, size)
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, size: int) -> None:
        self.live -= size


@functools.lru_cache(maxsize=256)
def footprint(recipe: Recipe, shown: Shown, *, slab: int, precision: torch.dtype, recompute: bool) -> int:
    """The most bytes of tensors that are alive at once while both kinds of networks learn of some images.

    Weights and their gradients are among them, and the images; workspace of the libraries is not.

    Args:
        recipe: the settings.
        shown: the images.
        slab: slices that a network sees at once.
        precision: what convolutions compute in.
        recompute: see `CycleGAN`.
    """
    with _imagined() as live:
        gan = build_gan(recipe, slab=slab)
        gan.recompute = recompute
        part = Part(
            _images(shown.real), _pairs(shown.simulated, shown), _pairs(shown.paired, shown), (1, 1, 1)
        )
        losses = recipe.losses
        weights = Weights(adversarial=1.0, cycle=1.0, identity=losses.identity, structure=losses.structure)
        aims = Aims.of(recipe, weights, precision)
        gan.discriminators.requires_grad_(False)
        looks = {key: [0.5] * (2 * recipe.spatial_dims) for key in gan.other}
        fakes, _ = teach_generators(gan, part, aims, looks)
        gan.discriminators.requires_grad_(True)
        teach_discriminators(gan, part.real, fakes, 1.0, looks, precision)
        return live.peak


@contextmanager
def _imagined() -> Iterator[_Live]:
    """Within, tensors have no content, and nothing that is done to them takes time or chance."""
    with FakeTensorMode(), _Live() as live:
        yield live


@functools.lru_cache(maxsize=256)
def parameter_bytes(recipe: Recipe, *, slab: int) -> int:
    """Bytes of the weights of all four networks."""
    with FakeTensorMode():
        gan = build_gan(recipe, slab=slab)
        return sum(parameter.numel() * parameter.element_size() for parameter in gan.parameters())


def _fewer(shape: Shape, parts: int) -> Shape:
    return (-(-shape[0] // parts), *shape[1:])


def _images(shape: Shape | None) -> Images:
    return {key: torch.empty(shape) for key in ("t1", "t2")} if shape else {}


def _pairs(shape: Shape | None, shown: Shown) -> Images:
    images = _images(shape)
    return images | {f"{key}{SEEN}": torch.empty_like(image) for key, image in images.items() if shown.seen}
