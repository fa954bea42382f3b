"""Figures follow their stated protocol."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.evaluation import histogram_matched, score, ssim_map


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
