"""Says so when a training goes wrong: contrast inverted, output equals input, or a discriminator has won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

_COPY = 0.97
_CELLS = 12
_MARGIN = 0.2
_WON_LOSS = 0.02
_WON_GAP = 0.9


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


class Monitor:
    """Turns figures of an epoch into sentences, each said once until it is mended."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def judge(
        self,
        target: str,
        source_images: torch.Tensor,
        fakes: torch.Tensor,
        target_images: torch.Tensor,
        metrics: Mapping[str, float],
    ) -> list[str]:
        """Sentences about the direction to `target`; none where all is well or was said already."""
        to_target, to_source = polarity(source_images, fakes, target_images)
        found = {
            f"{target}: the output equals the input: the generator copies its source": copies_source(
                source_images, fakes
            ),
            f"{target}: the contrast is inverted: over the head, bright and dark parts lie as in the source "
            "contrast rather than as in the target's": to_source > to_target + _MARGIN,
            f"{target}: the discriminator has won: it tells all fakes, so the generator learns nothing from it": (
                metrics.get(f"discriminator_{target}", 1.0) < _WON_LOSS
                and metrics.get(f"real_{target}", 0.0) - metrics.get(f"fake_{target}", 0.0) > _WON_GAP
            ),
        }
        fresh = [text for text, true in found.items() if true and text not in self._said]
        self._said = {text for text, true in found.items() if true} | {
            text for text in self._said if text not in found
        }
        return fresh


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
