"""Intensities to and from a network's range."""

from __future__ import annotations

import json

import numpy as np
import pydantic
import pytest
import torch

from medgan.preparation import IntensityRange, measure_range, median_range


def test_low_and_high_become_minus_one_and_one_and_the_rest_is_clipped() -> None:
    scaled = IntensityRange(low=10, high=110, background=0).scale(np.float32([0, 10, 60, 110, 500]))
    np.testing.assert_allclose(scaled, [-1, -1, 0, 1, 1])
    assert scaled.dtype == np.float32


def test_outside_the_foreground_is_exactly_minus_one() -> None:
    voxels = np.float32([50, 60, 70])
    scaled = IntensityRange(low=0, high=100, background=5).scale(voxels, np.array([True, False, True]))
    assert scaled[1] == -1
    assert (scaled[[0, 2]] > -1).all()


@pytest.mark.parametrize("low", [-1000.0, 0.0, 5e4])
def test_unscaling_undoes_scaling(low: float) -> None:
    intensity = IntensityRange(low=low, high=low + 3000, background=low)
    voxels = np.linspace(low, low + 3000, 1000, dtype=np.float32)
    np.testing.assert_allclose(intensity.unscale(intensity.scale(voxels)), voxels, rtol=1e-6, atol=1e-2)


def test_tensors_are_unscaled_as_arrays_are() -> None:
    intensity = IntensityRange(low=20, high=220, background=3)
    values = np.linspace(-1, 1, 7, dtype=np.float32)
    np.testing.assert_allclose(intensity.unscale(torch.from_numpy(values)), intensity.unscale(values))
    assert intensity.unscale_outside(torch.tensor(-1.0)) == 3


def test_a_few_hot_voxels_do_not_move_the_range() -> None:
    voxels = np.random.default_rng(0).uniform(100, 200, 10_000).astype(np.float32)
    inside = np.ones(voxels.shape, dtype=bool)
    cool = measure_range(voxels, inside)
    voxels[:10] = 1e6
    hot = measure_range(voxels, inside)
    assert hot.high == pytest.approx(cool.high, abs=1)
    assert hot.low == pytest.approx(cool.low, abs=1)


def test_the_background_is_the_median_outside_the_head() -> None:
    voxels = np.float32([100, 150, 200, 3, 4, 90])
    inside = np.array([True, True, True, False, False, False])
    assert measure_range(voxels, inside).background == 4


def test_a_head_without_background_has_its_darkest_tissue_for_one() -> None:
    measured = measure_range(np.float32([5, 6, 7]), np.ones(3, dtype=bool), percentiles=(0, 100))
    assert measured == IntensityRange(low=5, high=7, background=5)


@pytest.mark.parametrize("value", [0.0, -7.0, 1e7])
def test_a_single_intensity_still_has_a_range(value: float) -> None:
    measured = measure_range(np.full(9, value, dtype=np.float32), np.ones(9, dtype=bool))
    assert measured.high > measured.low == value


def test_a_contrast_learns_the_median_of_its_scans() -> None:
    ranges = [IntensityRange(low=k, high=100 * k + 50, background=-k) for k in (1, 2, 9)]
    assert median_range(ranges) == IntensityRange(low=2, high=250, background=-2)


def test_no_scans_teach_no_range() -> None:
    with pytest.raises(ValueError, match="no ranges"):
        median_range([])


def test_a_range_survives_json() -> None:
    intensity = IntensityRange(low=0.5, high=99.25, background=0)
    assert IntensityRange.model_validate_json(json.dumps(intensity.model_dump())) == intensity


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(pydantic.ValidationError):
        IntensityRange(low=low, high=high, background=0)
