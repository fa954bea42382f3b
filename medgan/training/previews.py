"""Preview pictures of a training: both directions, there, back, and identity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from medgan.contrasts import contrast
from medgan.cyclegan import Translation
from medgan.reports.figures import MARK, picture_grid, save_picture

if TYPE_CHECKING:
    from medgan.training.engine import CycleGANTrainer

_IMAGES = 4


@torch.no_grad()
def translate_evenly(engine: CycleGANTrainer) -> Translation:
    """Whole images spread over the heads, through the generators that a model would now have; on the CPU."""
    gan, generators = engine.training.gan, engine.training.generators
    was_training = generators.training
    generators.eval()
    real = {key: engine.batches.evenly(key, _IMAGES) for key in gan.other}

    def translate(target: str, images: torch.Tensor) -> torch.Tensor:
        return engine.translate(generators[target], images)

    fake = {target: translate(target, real[source]) for target, source in gan.other.items()}
    back = {key: translate(key, fake[other]) for key, other in gan.other.items()}
    same = {key: translate(key, real[key]) for key in gan.other}
    generators.train(was_training)
    return Translation(real, fake, back, same)


def draw_preview(made: Translation, path: Path, *, heading: str) -> None:
    """Write a table: a row an image; source, fake, back again, and identity, for both directions."""
    first, second = made.real
    columns: list[torch.Tensor] = []
    headings: list[str] = []
    for source, target in ((first, second), (second, first)):
        columns += [made.real[source], made.fake[target], made.back[source], made.same[source]]
        a, b = contrast(source).label, contrast(target).label
        headings += [a, f"{b} made", f"{a} back", f"{a} kept"]
    planes = [_unit_planes(images) for images in columns]
    rows = [[column[row] for column in planes] for row in range(min(len(column) for column in planes))]
    save_picture(picture_grid(rows, headings=headings, mark=f"{heading} | {MARK}"), path)


def _unit_planes(images: torch.Tensor) -> npt.NDArray[np.float32]:
    """(N, C, X, Y[, Z]) in [-1, 1] -> (N, X, Y) in [0, 1]: the middle slice of a slab or patch."""
    planes = (
        images[:, 0, :, :, images.shape[-1] // 2] if images.ndim == 5 else images[:, images.shape[1] // 2]
    )
    unit: npt.NDArray[np.float32] = ((planes + 1) / 2).numpy()
    return unit
