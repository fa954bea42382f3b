"""Weights of a generator for slabs of one thickness, fitted to one for slabs of another (1, 3, 5, ... slices)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

_STEM = "stem.conv.weight"
_HEAD = ("head.convolution.conv.weight", "head.convolution.conv.bias")


def adapt_slab(weights: Mapping[str, torch.Tensor], *, slab: int) -> dict[str, torch.Tensor]:
    """Weights that make of a slab of equal slices what the given ones make of it in their middle slice.

    Slices are channels, so only the first and the last convolution depend on their number. The first sees the sum
    of its weights over the given slab, shared among the slices of the new one; the last makes the middle slice, for
    each slice of the new slab. All other layers stay.

    Args:
        weights: the state of a generator of `medgan.networks`.
        slab: slices that the generator to come sees at once.
    """
    adapted = dict(weights)
    stem = weights[_STEM]
    given = stem.shape[1]
    if given == slab:
        return adapted
    repeats = [1] * stem.ndim
    repeats[1] = slab
    adapted[_STEM] = (stem.sum(dim=1, keepdim=True) / slab).repeat(repeats)
    for name in _HEAD:
        middle = weights[name][given // 2]
        adapted[name] = torch.stack([middle] * slab)
    return adapted
