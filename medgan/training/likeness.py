"""What fakes look like: their sources again, or the target contrast; without any truth to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

_COPY = 0.97
_CELLS = 12


def copies_source(source: torch.Tensor, fake: torch.Tensor) -> bool:
    """Whether fakes are their sources again: nearly equal intensities within the head.

    Args:
        source: (N, C, ...) in [-1, 1], with background -1.
        fake: their translations.
    """
    head = source > -0.95
    if head.sum() < 16:
        return False
    s, f = source[head].double(), fake[head].double()
    return _correlation(s, f) > _COPY and float((s - f).abs().mean()) < 0.1


def polarity(source: torch.Tensor, fake: torch.Tensor, target: torch.Tensor) -> tuple[float, float]:
    """How the fakes' coarse map of the head correlates with the target contrast's and with the source's.

    The maps are means over many images of comparable heights, averaged over large cells: in them ventricles,
    white matter and scalp lie at about the same place in every head, so unpaired images can be compared. They
    are compared inside the head alone, where the two contrasts differ.

    Args:
        source, fake, target: (N, C, ...) in [-1, 1], spread over the same heights.

    Returns:
        Two Pearson correlations, of fake with target and of fake with source.
    """
    maps = {name: _map(images) for name, images in (("source", source), ("fake", fake), ("target", target))}
    head = (_map((source > -0.95).float()) > 0.9) & (_map((target > -0.95).float()) > 0.9)
    if head.sum() < 8:
        return float("nan"), float("nan")
    fakes = maps["fake"][head]
    return _correlation(fakes, maps["target"][head]), _correlation(fakes, maps["source"][head])


def _map(images: torch.Tensor) -> torch.Tensor:
    """(N, C, ...) -> the mean image in large cells."""
    mean = images.double().mean(dim=(0, 1))[None, None]
    sizes: tuple[Any, ...] = tuple(min(_CELLS, size) for size in mean.shape[2:])
    pool = functional.adaptive_avg_pool2d if mean.ndim == 4 else functional.adaptive_avg_pool3d
    return pool(mean, sizes)[0, 0]


def _correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a.cpu().numpy(), b.cpu().numpy())[0, 1])
