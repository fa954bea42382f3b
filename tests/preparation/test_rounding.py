"""Rounding to whole numbers does not hang on the last digits."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.preparation.foreground import find_foreground
from medgan.preparation.rounding import whole
from medgan.preparation.slabs import slab_step


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0.0, 0), (0.2, 0), (3.0, 3), (3.4, 3), (3.6, 4), (254.51, 255), (255.99999, 256)],
)
def test_the_nearest_whole_number(number: float, expected: int) -> None:
    assert whole(number) == expected


@pytest.mark.parametrize("half", [0.5, 1.5, 2.5, 25.5, 511.5])
def test_a_half_goes_down_with_and_without_the_noise_of_a_header(half: float) -> None:
    noise = half * 2 * np.finfo(np.float32).eps
    assert {whole(half), whole(half - noise), whole(half + noise)} == {int(half)}


def test_slabs_of_one_spacing_are_alike_however_its_last_digit_fell() -> None:
    assert slab_step(5.0, 2.0) == slab_step(5.0, 2.0 - 1e-7) == slab_step(5.0, 2.0 + 1e-7) == 2


def test_so_are_heads_whose_outline_has_a_gap() -> None:
    """Of five pixels, which at 0.8 mm is just too much to be closed."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, 128),) * 2, indexing="ij")
    ring = np.abs(np.hypot(x, y) - 0.7) < 0.05
    ring[64:, 62:67] = False
    voxels = (100 * ring + np.random.default_rng(0).random(ring.shape))[..., None].astype(np.float32)
    sizes = [
        find_foreground(voxels, spacing=(mm, mm, 1.0)).mask.sum() for mm in (0.8, 0.8 - 1e-7, 0.8 + 1e-7)
    ]
    assert sizes[0] == sizes[1] == sizes[2]
    assert find_foreground(voxels, spacing=(0.79, 0.79, 1.0)).mask.sum() > 3 * sizes[0]
