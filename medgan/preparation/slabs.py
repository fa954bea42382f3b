"""Which slices make a slab (2.5D): the same rule for training and for synthesis."""

from __future__ import annotations

from medgan.preparation.rounding import whole


def slab_step(wanted_mm: float | None, spacing_mm: float) -> int:
    """How many slices apart a slab's slices are, at least one.

    Args:
        wanted_mm: their distance in the recipe, or None for neighbours.
        spacing_mm: the scan's own slice distance.
    """
    return 1 if wanted_mm is None else max(1, whole(wanted_mm / spacing_mm))


def slab_planes(plane: int, count: int, slab: int, step: int) -> list[int]:
    """The slices of the slab around `plane`; beyond the ends the outermost slice is repeated.

    Args:
        plane: the slab's middle slice.
        count: slices in the volume.
        slab: slices in the slab, odd.
        step: distance between them in slices.
    """
    half = slab // 2
    return [min(max(plane + offset * step, 0), count - 1) for offset in range(-half, half + 1)]
