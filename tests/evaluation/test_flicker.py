"""Flicker is what jumps from slice to slice, and neither anatomy nor noise."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.evaluation.flicker import flicker

MASK = np.ones((20, 20, 12), dtype=bool)


@pytest.fixture
def smooth() -> np.ndarray:
    x, _, z = np.indices(MASK.shape)
    return 50 + 5.0 * x + 3.0 * z


def test_a_ramp_along_the_volume_does_not_flicker(smooth: np.ndarray) -> None:
    assert flicker(smooth, MASK) == pytest.approx(0, abs=2e-3)


def test_slices_that_alternate_do(smooth: np.ndarray) -> None:
    jumping = smooth + np.where(np.arange(12) % 2, 10.0, 0.0)
    assert flicker(jumping, MASK) > 0.05
    more = smooth + np.where(np.arange(12) % 2, 20.0, 0.0)
    assert flicker(more, MASK) > 1.5 * flicker(jumping, MASK)


def test_noise_in_each_voxel_hardly_counts(smooth: np.ndarray) -> None:
    noisy = smooth + np.random.default_rng(0).normal(0, 10, MASK.shape)
    assert flicker(noisy, MASK) < 0.02


def test_too_few_slices_have_none(smooth: np.ndarray) -> None:
    assert flicker(smooth[:, :, :2], MASK[:, :, :2]) is None
    assert flicker(smooth[:, :, :1], MASK[:, :, :1]) is None
