"""Smooth fields on tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medgan.simulation.splines import SplineField


def field(pitch: float, *, seed: int = 0, spacing: float = 1.0) -> SplineField:
    return SplineField.draw(np.random.default_rng(seed), (40, 40, 40), (spacing,) * 3, pitch, channels=4)


def test_a_field_has_mean_0_and_variance_1() -> None:
    values = torch.stack([field(3.0, seed=seed).at(slice(0, 40)) for seed in range(4)])
    assert values.shape == (4, 4, 40, 40, 40)
    assert values.mean().item() == pytest.approx(0, abs=0.05)
    assert values.std().item() == pytest.approx(1, abs=0.05)


def test_a_part_is_that_part_of_the_whole() -> None:
    drawn = field(8.0)
    torch.testing.assert_close(drawn.at(slice(10, 13)), drawn.at(slice(0, 40))[:, 10:13])


def test_a_longer_pitch_is_smoother() -> None:
    steps = [field(pitch).at(slice(0, 40)).diff(dim=-1).abs().mean() for pitch in (4.0, 8.0, 16.0)]
    assert steps[0] > 1.5 * steps[1] > 2 * steps[2]


def test_a_pitch_is_in_mm_along_each_axis() -> None:
    thick = SplineField.draw(np.random.default_rng(0), (20, 60, 60), (6.0, 1.0, 1.0), 8.0)
    values = thick.at(slice(0, 20))[0]
    assert values.diff(dim=0).abs().mean() > 3 * values.diff(dim=1).abs().mean()
