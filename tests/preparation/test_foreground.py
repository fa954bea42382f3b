"""Where the head is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medgan.preparation import find_foreground, foreground

Make = Callable[..., np.ndarray]


def rician(voxels: np.ndarray, sigma: float) -> np.ndarray:
    draw = np.random.default_rng(0)
    real = voxels + draw.normal(0, sigma, voxels.shape)
    return np.hypot(real, draw.normal(0, sigma, voxels.shape)).astype(np.float32)


def test_a_noise_free_head_is_found_exactly(make_head: Make) -> None:
    voxels = make_head()
    found = find_foreground(voxels)
    assert found.found
    assert found.background == 0
    np.testing.assert_array_equal(found.mask, voxels > 0)


@pytest.mark.parametrize("sigma", [3, 10, 20])
def test_a_noisy_background_is_not_head(make_head: Make, sigma: float) -> None:
    voxels = make_head((64, 64, 24))
    found = find_foreground(rician(voxels, sigma))
    assert found.found
    truth = voxels > 0
    assert (found.mask & truth).sum() / truth.sum() > 0.99
    assert (found.mask & ~truth).sum() / truth.sum() < 0.03


def test_dark_bone_and_ventricles_inside_the_head_are_not_holes(make_head: Make) -> None:
    voxels = make_head((64, 64, 24))
    assert foreground(rician(voxels, 8))[(voxels == 12) | (voxels == 20)].all()


def test_ventricles_below_zero_in_a_stripped_brain_belong_to_it(make_head: Make) -> None:
    voxels = make_head()
    brain = (voxels > 12) & (voxels < 300)
    stripped = np.where(brain, voxels, 0).astype(np.float32)
    stripped[voxels == 20] = -5
    stripped[16, 20, 12] = 0
    mask = foreground(stripped)
    np.testing.assert_array_equal(mask, brain)


def test_the_faint_rim_of_a_stripped_brain_is_kept(make_head: Make) -> None:
    voxels = make_head()
    rim = voxels == 12
    stripped = np.where(voxels == 300, 0, voxels).astype(np.float32)
    assert foreground(stripped)[rim].all()


def test_a_normalised_brain_that_is_negative_in_half_of_its_voxels_is_found_whole(make_head: Make) -> None:
    voxels = make_head()
    brain = (voxels > 12) & (voxels < 300)
    normalised = np.where(brain, (voxels - 150) / 50, 0).astype(np.float32)
    assert foreground(normalised)[brain].mean() > 0.99
    assert not foreground(normalised)[~brain].any()


def test_a_background_below_zero_is_background(make_head: Make) -> None:
    voxels = make_head()
    np.testing.assert_array_equal(foreground(voxels - 1000), voxels > 0)


def test_a_gap_in_the_skin_does_not_let_the_background_in(make_head: Make) -> None:
    voxels = rician(make_head((64, 64, 24)), 4)
    truth = make_head((64, 64, 24)) > 0
    voxels[31:33, 45:] = np.minimum(voxels[31:33, 45:], 12)
    inside = make_head((64, 64, 24)) == 12
    inside[30:34] = False
    assert foreground(voxels)[inside & truth].mean() > 0.99


def test_a_picture_is_a_volume_of_one_slice(make_head: Make) -> None:
    voxels = make_head((48, 56, 1))
    np.testing.assert_array_equal(foreground(voxels), voxels > 0)


def test_a_blank_slice_parts_no_head_and_stays_blank(make_head: Make) -> None:
    voxels = rician(make_head((64, 64, 24)), 3)
    truth = make_head((64, 64, 24)) > 0
    voxels[:, :, 8] = 0
    mask = foreground(voxels)
    assert not mask[:, :, 8].any()
    truth[:, :, 8] = False
    assert mask[truth].mean() > 0.99


def test_lobes_that_lie_apart_in_a_slice_are_all_kept() -> None:
    picture = np.zeros((64, 64, 1), dtype=np.float32)
    picture[8:20, 20:30] = 100
    picture[44:58, 20:30] = 110
    picture[24:40, 40:60] = 90
    np.testing.assert_array_equal(foreground(picture), picture > 0)


def test_specks_in_the_background_are_not_head(make_head: Make) -> None:
    voxels = make_head()
    specks = voxels.copy()
    specks[1::7, 1, ::5] = 250
    np.testing.assert_array_equal(foreground(specks)[:, :3], False)


def test_a_few_hot_voxels_do_not_hide_the_head(make_head: Make) -> None:
    voxels = rician(make_head((64, 64, 24)), 4)
    truth = make_head((64, 64, 24)) > 0
    voxels[30, 30, 10:14] = 1e6
    assert foreground(voxels)[truth].mean() > 0.99


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_an_image_of_one_value_is_taken_whole_and_says_so(value: float) -> None:
    found = find_foreground(np.full((8, 9, 4), value, dtype=np.float32))
    assert not found.found
    assert found.mask.all()


def test_a_patch_out_of_a_brain_is_taken_whole_and_says_so() -> None:
    patch = np.random.default_rng(0).normal(100, 5, (16, 16, 16)).astype(np.float32)
    found = find_foreground(patch)
    assert found.mask.mean() > 0.9


def test_the_input_is_left_alone(make_head: Make) -> None:
    voxels = make_head()
    before = voxels.copy()
    foreground(voxels)
    np.testing.assert_array_equal(voxels, before)
