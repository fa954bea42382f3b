"""Figures follow their stated protocol."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.evaluation import histogram_matched, score, ssim_map
from medgan.evaluation.metrics import normalised_mutual_information, score_whole


@pytest.fixture
def reference() -> np.ndarray:
    chance = np.random.default_rng(0)
    return chance.random((24, 28, 4)) * 100


MASK = np.ones((24, 28, 4), dtype=bool)


def test_an_image_compared_with_itself_is_perfect(reference: np.ndarray) -> None:
    same = score(reference, reference, MASK)
    assert same.ssim == pytest.approx(1)
    assert same.r == pytest.approx(1)
    assert same.mae == 0
    assert same.psnr == pytest.approx(120)


def test_a_gain_or_an_offset_of_the_whole_image_changes_nothing(reference: np.ndarray) -> None:
    moved = score(reference * 7 + 300, reference, MASK)
    assert moved.ssim == pytest.approx(1)
    assert moved.mae == pytest.approx(0, abs=1e-9)


def test_psnr_is_what_its_definition_says(reference: np.ndarray) -> None:
    prediction = reference.copy()
    prediction[::2] = reference.mean()
    low, high = np.percentile(reference, [0.5, 99.5])
    unit = np.clip((reference - low) / (high - low), 0, 1)
    low, high = np.percentile(prediction, [0.5, 99.5])
    error = np.clip((prediction - low) / (high - low), 0, 1) - unit
    assert score(prediction, reference, MASK).psnr == pytest.approx(-10 * np.log10(np.mean(error**2)))


def test_a_negative_has_a_correlation_of_minus_one(reference: np.ndarray) -> None:
    assert score(-reference, reference, MASK).r == pytest.approx(-1, abs=1e-3)


def test_a_flat_image_has_no_correlation_and_no_nan(reference: np.ndarray) -> None:
    flat = score(np.full_like(reference, 5.0), reference, MASK)
    assert flat.r == 0
    assert np.isfinite([flat.psnr, flat.ssim, flat.mae]).all()


def test_what_lies_outside_the_mask_does_not_count(reference: np.ndarray) -> None:
    mask = MASK.copy()
    mask[:, :, 2:] = False
    spoilt = reference.copy()
    spoilt[:, :, 2:] = 1e6
    assert score(spoilt, reference, mask).mae == 0


def test_ssim_agrees_with_the_definition_at_a_pixel() -> None:
    chance = np.random.default_rng(1)
    a, b = chance.random((2, 31, 31, 1))
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    pa, pb = a[10:21, 10:21, 0], b[10:21, 10:21, 0]
    ma, mb = (window * pa).sum(), (window * pb).sum()
    va, vb = (window * pa**2).sum() - ma**2, (window * pb**2).sum() - mb**2
    cov = (window * pa * pb).sum() - ma * mb
    expected = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    assert ssim_map(a, b)[15, 15, 0] == pytest.approx(expected, abs=1e-5)  # MONAI computes in float32


def test_the_histogram_baseline_finds_an_inverted_contrast(reference: np.ndarray) -> None:
    matched = histogram_matched(np.exp(-reference / 50), reference, MASK)
    np.testing.assert_allclose(matched, reference)


def test_nrmse_of_half_the_signal_is_a_half() -> None:
    from medgan.evaluation.metrics import _figures

    values = np.linspace(0.1, 1, 1000)
    assert _figures(values / 2, values, ssim=0.0).nrmse == pytest.approx(0.5)


def test_mutual_information_is_2_for_a_relabelled_image_and_1_for_an_unrelated_one() -> None:
    chance = np.random.default_rng(0)
    values = chance.random(200_000)
    assert normalised_mutual_information(values, values) == pytest.approx(2)
    assert normalised_mutual_information(1 - values, values) == pytest.approx(2, abs=0.02)
    assert normalised_mutual_information(chance.random(200_000), values) == pytest.approx(1, abs=0.005)
    assert normalised_mutual_information(np.zeros(100), values[:100]) == 1


def test_the_whole_image_is_scaled_by_the_foreground(reference: np.ndarray) -> None:
    mask = MASK.copy()
    mask[:, :, 2:] = False
    brighter = np.where(mask, reference, reference + 20)
    inside, whole = score_whole(brighter, reference, mask)
    assert inside.mae == 0
    assert whole.mae > 0.05
    assert inside == score(brighter, reference, mask)


def test_only_the_region_that_is_asked_for_counts_as_the_whole(reference: np.ndarray) -> None:
    region = MASK.copy()
    region[:, :, 3] = False
    spoilt = reference.copy()
    spoilt[:, :, 3] = 0
    _, whole = score_whole(spoilt, reference, MASK & region, region=region)
    assert whole.mae == 0


def test_multi_scale_ssim_is_told_only_where_slices_are_large_enough() -> None:
    chance = np.random.default_rng(0)
    small, large = chance.random((175, 180, 1)), chance.random((176, 180, 1))
    assert score_whole(small, small, np.ones(small.shape, bool))[1].ms_ssim is None
    inside, whole = score_whole(large, large, np.ones(large.shape, bool))
    assert whole.ms_ssim == pytest.approx(1, abs=1e-4)
    assert inside.ms_ssim is None
    assert "ms_ssim" not in inside.as_dict()


def test_thin_slices_of_the_head_do_not_count_for_ssim(reference: np.ndarray) -> None:
    mask = MASK.copy()
    mask[:, :, 3] = False
    mask[:10, :20, 3] = True  # 200 pixels
    spoilt = reference.copy()
    spoilt[:10, :20, 3] = spoilt[:10, :20, 3][::-1]
    assert score(spoilt, reference, mask).ssim == pytest.approx(1)
    mask[10, 0, 3] = True
    assert score(spoilt, reference, mask).ssim < 0.95


def test_a_volume_of_many_slices_is_compared_as_each_alone() -> None:
    chance = np.random.default_rng(0)
    a, b = chance.random((2, 24, 20, 37))
    whole = ssim_map(a, b)
    for plane in (0, 15, 16, 36):
        alone = ssim_map(a[:, :, plane : plane + 1], b[:, :, plane : plane + 1])
        np.testing.assert_allclose(whole[:, :, plane], alone[:, :, 0], atol=1e-6)
