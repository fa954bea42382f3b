"""Whether a scan is skull-stripped, by what its voxels show."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.preparation.stripped import is_skull_stripped
from medgan.simulation import procedural_head, simulate_pair

SPACING = (4.0, 4.0, 4.0)


def ball(
    radius_mm: float, *, shape: tuple[int, int, int] = (64, 64, 64), background: float = 0
) -> np.ndarray:
    centre = [(size - 1) / 2 for size in shape]
    far = sum(((axis - middle) * 4.0) ** 2 for axis, middle in zip(np.indices(shape), centre, strict=True))
    return np.where(far < radius_mm**2, 500.0, background).astype(np.float32)


@pytest.mark.parametrize("background", [0, -1, 30])
def test_a_brain_in_a_background_of_one_value_is_stripped(background: float) -> None:
    assert is_skull_stripped(ball(70, background=background), spacing=SPACING)


def test_so_it_is_in_a_frame_that_is_cut_to_it() -> None:
    brain = ball(70)
    rows = np.flatnonzero(brain.any(axis=(1, 2)))
    cut = slice(rows[0], rows[-1] + 1)
    assert is_skull_stripped(brain[cut, cut, cut], spacing=SPACING)


def test_a_head_whose_background_was_cleared_is_not() -> None:
    assert not is_skull_stripped(ball(100), spacing=SPACING)


def test_nor_is_a_slab_that_ends_within_the_head() -> None:
    assert not is_skull_stripped(ball(95)[:, :, 28:36], spacing=SPACING)


def test_nor_is_anything_with_noise_around_it() -> None:
    noise = np.random.default_rng(0).random((64, 64, 64), dtype=np.float32)
    assert not is_skull_stripped(ball(70) + noise, spacing=SPACING)


@pytest.mark.parametrize("stripped", [True, False])
def test_simulated_heads_are_told_from_simulated_brains(stripped: bool) -> None:
    head = procedural_head(1, shape=(48, 56, 48), spacing_mm=4.0)
    voxels = np.asarray(simulate_pair(head, 1)["t1"], dtype=np.float32)
    if stripped:
        voxels = np.where(head.brain_mask(), voxels, np.float32(0))
    assert is_skull_stripped(voxels, spacing=SPACING) is stripped
