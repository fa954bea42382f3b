"""What can be said of the generators without a truth, on a few images of the training's scans, in figures.

Each is an error, relative to something that anyone can have:

- `distance`: how far the grey values of the fakes lie from the target contrast's, in the same part of the head
  (Wasserstein 1); 1 is as far as those of the source copied.
- `cycle`: what the way there and back costs; 1 is as much as grey of one shade in place of the image.
- `structure`: edges of the source whose direction the fake does not share; 1 is as many as by chance.

None sees whether an image is true. Of the three the first alone is large for a copy of the source, the second is 0
for it, and the third is 0 for any image with the source's edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from medgan.evaluation.unpaired import edge_agreement
from medgan.training.likeness import copies_source, polarity

if TYPE_CHECKING:
    from medgan.training.engine import CycleGANTrainer

PARTS = ("distance", "cycle", "structure")
_HEADS, _LEVELS = 4, 3  # of a contrast: so many heads, at so many heights
_RINGS = (0.45, 0.7, 0.88)  # of the head's half axes: deep brain, outer brain, cortex, skull and scalp
_QUANTILES = np.linspace(0, 1, 101)
_FEWEST = 50  # voxels that make a distribution
_HEAD = -0.95
_Zones = dict[int, npt.NDArray[np.float64]]


class Judge:
    """Judges generators on the same few images of each contrast.

    Args:
        engine: the training, whose scans the images are of.
    """

    def __init__(self, engine: CycleGANTrainer) -> None:
        keys = engine.training.gan.other
        self.images = {key: engine.batches.spread(key, heads=_HEADS, levels=_LEVELS) for key in keys}
        many = {key: engine.batches.spread(key, heads=4 * _HEADS, levels=_LEVELS) for key in keys}
        self._targets = {key: _quantiles(images, images) for key, images in many.items()}
        self._copied = {
            target: _apart(_quantiles(self.images[source], self.images[source]), self._targets[target])
            for target, source in keys.items()
        }

    @torch.no_grad()
    def __call__(self, engine: CycleGANTrainer) -> dict[str, float]:
        """Judge the generators that a model would now have.

        Returns:
            For each target contrast `distance_t2`, `cycle_t2` and `structure_t2`; `copy_t2`, 1 where the output
            equals the input; `like_target_t2` and `like_source_t2` (see `polarity`); and `score`, the root mean
            square of the three errors of both directions, so that none of them may be large.
        """
        found: dict[str, float] = {}
        generators = engine.training.generators
        was_training = generators.training
        generators.eval()
        for target, source in engine.training.gan.other.items():
            real = self.images[source]
            fake = engine.translate(generators[target], real)
            back = engine.translate(generators[source], fake)
            found |= {f"{name}_{target}": value for name, value in self._direction(target, real, fake, back)}
            like_target, like_source = polarity(real, fake, self.images[target])
            found[f"copy_{target}"] = float(copies_source(real, fake))
            found |= {f"like_target_{target}": like_target, f"like_source_{target}": like_source}
        generators.train(was_training)
        return {"score": score(found), **found}

    def _direction(
        self, target: str, real: torch.Tensor, fake: torch.Tensor, back: torch.Tensor
    ) -> Iterator[tuple[str, float]]:
        head = real > _HEAD
        grey = real[head].median() if head.any() else real.median()
        spread = (real - grey).abs()[head].mean()
        apart = _apart(_quantiles(fake, real), self._targets[target])
        yield "distance", apart / max(self._copied[target], 1e-3)
        yield "cycle", float((back - real).abs()[head].mean() / spread.clamp(min=1e-3)) if head.any() else 0.0
        made, given, mask = (_volume(images) for images in (fake, real, head))
        yield "structure", 2 * (1 - edge_agreement(made, given, mask > 0)) if mask.any() else 0.0


def score(figures: Mapping[str, float]) -> float:
    """Less is better; NaN where an error is not finite."""
    errors = [value for name, value in figures.items() if name.rpartition("_")[0] in PARTS]
    return math.sqrt(sum(error**2 for error in errors) / len(errors))


def _volume(images: torch.Tensor) -> npt.NDArray[np.float64]:
    """(N, C, X, Y[, Z]) in [-1, 1] -> (X, Y, slices) in [0, 1]: of a slab its middle slice."""
    slices = images[:, 0].permute(1, 2, 0, 3).flatten(2) if images.ndim == 5 else _middle(images)
    volume: npt.NDArray[np.float64] = ((slices.double() + 1) / 2).numpy()
    return volume


def _middle(images: torch.Tensor) -> torch.Tensor:
    return images[:, images.shape[1] // 2].permute(1, 2, 0)


def _quantiles(images: torch.Tensor, heads: torch.Tensor) -> _Zones:
    """The quantile function of the grey values in each part of the head.

    Args:
        images: (N, C, X, Y[, Z]), of a few heights, as often each, one after another.
        heads: of the same size; background -1.
    """
    zones: _Zones = {}
    levels = _LEVELS if images.ndim == 4 else 1  # patches are all of the middle of the head
    each = len(images) // levels
    for level in range(levels):
        some = slice(level * each, (level + 1) * each)
        values, ring = [], []
        for image, head in zip(_planes(images[some]), _planes(heads[some]), strict=True):
            inside = head > _HEAD
            if inside.any():
                values.append(image[inside])
                ring.append(_ring(inside))
        if values:
            grey, rings = np.concatenate(values), np.concatenate(ring)
            for index in range(2 * len(_RINGS) + 2):
                within = grey[rings == index]
                if within.size >= _FEWEST:
                    zones[level * 100 + index] = np.quantile((within + 1) / 2, _QUANTILES)
    return zones


def _planes(images: torch.Tensor) -> npt.NDArray[np.float32]:
    """(N, C, X, Y[, Z]) -> (slices, X, Y)."""
    solid = images.ndim == 5
    planes = images[:, 0].permute(0, 3, 1, 2).flatten(0, 1) if solid else images[:, images.shape[1] // 2]
    array: npt.NDArray[np.float32] = planes.float().numpy()
    return array


def _ring(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How far out each pixel of the head lies, and whether in front or behind."""
    x, y = np.nonzero(inside)
    middle = [(axis.max() + axis.min()) / 2 for axis in (x, y)]
    half = [max((axis.max() - axis.min()) / 2, 1) for axis in (x, y)]
    radius = np.hypot((x - middle[0]) / half[0], (y - middle[1]) / half[1])
    rings: npt.NDArray[np.int64] = np.searchsorted(_RINGS, radius) * 2 + (y > middle[1])
    return rings


def _apart(here: _Zones, there: _Zones) -> float:
    """Wasserstein 1 between quantile functions, mean over the parts that both have."""
    both = here.keys() & there.keys()
    return float(np.mean([np.abs(here[zone] - there[zone]).mean() for zone in both])) if both else 0.0
