"""Differentiable augmentation of what the discriminators see (Zhao et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Look = Sequence[float]
"""Where `shift_and_cut` shifts to and cuts, in [0, 1): twice as many numbers as there are axes."""


def draw_look(spatial_dims: int, generator: torch.Generator) -> Look:
    """A random look.

    Args:
        spatial_dims: 2 or 3.
        generator: source of chance on the CPU.
    """
    draws: list[float] = torch.rand(2 * spatial_dims, generator=generator).tolist()
    return draws


def shift_and_cut(images: torch.Tensor, look: Look) -> torch.Tensor:
    """Shift all images alike by up to an eighth of their size, and blank one box of a third of it.

    Real and fake images get the same look, so that it tells nothing of which is which. Intensities are left as
    they are: they carry the contrast.

    Args:
        images: (N, C, ...) in [-1, 1], with background -1.
        look: where to.
    """
    sizes, draws = images.shape[2:], look
    axes = range(2, images.ndim)
    shifts = [round((2 * draw - 1) * size / 8) for draw, size in zip(draws, sizes, strict=False)]
    images = torch.roll(images, shifts, dims=list(axes))
    keep = torch.ones(sizes, dtype=torch.bool, device=images.device)
    for axis, (shift, size) in enumerate(zip(shifts, sizes, strict=True)):
        wrapped = slice(0, shift) if shift > 0 else slice(size + shift, size)
        keep[(slice(None),) * axis + (wrapped,)] = False
    box = tuple(
        slice(start := int(draw * size * 2 / 3), start + size // 3)
        for draw, size in zip(draws[len(sizes) :], sizes, strict=True)
    )
    keep[box] = False
    return torch.where(keep, images, torch.full_like(images, -1.0))
