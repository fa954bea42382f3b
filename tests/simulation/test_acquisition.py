"""Scans of procedural heads: contrast, shared anatomy, noise and shading."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.errors import UsageError
from medgan.simulation import Head, SequenceSettings, procedural_head, simulate_contrast, simulate_pair

IDEAL = {"noise": 0.0, "bias": 0.0, "blur": 0.0}


@pytest.fixture(scope="module")
def head() -> Head:
    return procedural_head(3)


@pytest.fixture(scope="module")
def small() -> Head:
    return procedural_head(2, shape=(40, 48, 40), spacing_mm=4.0)


@pytest.mark.parametrize("seed", range(4))
def test_t1w_shows_fat_brightest_then_white_grey_and_csf(head: Head, seed: int) -> None:
    image = simulate_contrast(head, "t1", seed)
    fat, white, grey, fluid, bone, air = means(
        head, image, "fat", "white_matter", "grey_matter", "csf", "bone", "air"
    )
    assert fat > white > grey > fluid
    assert white > 3 * bone
    assert white > 10 * air


@pytest.mark.parametrize("seed", range(4))
def test_t2w_shows_csf_brightest_then_grey_and_white(head: Head, seed: int) -> None:
    image = simulate_contrast(head, "t2", seed)
    fluid, grey, white, muscle, bone, fat = means(
        head, image, "csf", "grey_matter", "white_matter", "muscle", "bone", "fat"
    )
    assert fluid > grey > white > muscle > bone
    assert fluid > 1.5 * grey
    assert fluid > fat > white


def test_scans_are_finite_float32_and_not_below_zero(head: Head) -> None:
    for image in simulate_pair(head, 1).values():
        assert image.shape == head.shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert 100 < np.percentile(image, 99.5) < 6000


def test_the_same_seeds_give_the_same_scan_and_others_another(small: Head) -> None:
    first, again, other = (simulate_pair(small, seed) for seed in (7, 7, 8))
    for key in ("t1", "t2"):
        assert np.array_equal(first[key], again[key])
        assert not np.allclose(first[key], other[key], rtol=0.02)


def test_one_contrast_alone_is_that_of_the_pair(small: Head) -> None:
    assert np.array_equal(simulate_pair(small, 5)["t2"], simulate_contrast(small, "T2w", 5))


def test_ideal_t1w_and_t2w_share_their_edges(head: Head) -> None:
    pair = simulate_pair(head, 0, texture=0.0, **IDEAL)
    slopes = {key: steepness(image) for key, image in pair.items()}
    moved = np.roll(slopes["t2"], 3, axis=0)
    inside = head.fraction("air") < 0.5
    together = (slopes["t1"] > np.median(slopes["t1"][inside])) & inside
    assert (slopes["t2"] > np.median(slopes["t2"][inside]))[together].mean() > 0.7
    assert rank_correlation(slopes["t1"][inside], slopes["t2"][inside]) > 0.5
    assert rank_correlation(slopes["t1"][inside], moved[inside]) < 0.25


def test_where_a_tissue_is_pure_neither_contrast_has_an_edge(head: Head) -> None:
    pair = simulate_pair(head, 0, texture=0.0, **IDEAL)
    pure = (head.fractions.max(axis=0) > 0.9999) & (head.fraction("air") == 0)
    labels = head.labels()
    flat = pure[1:] & pure[:-1] & (labels[1:] == labels[:-1])
    assert flat.sum() > 20_000
    for image in pair.values():
        assert np.abs(np.diff(image, axis=0))[flat].max() < 1e-3 * image.max()


def test_ideal_scans_are_flat_within_a_tissue_and_dark_in_air(head: Head) -> None:
    image = simulate_contrast(head, "t1", 0, texture=0.0, **IDEAL)
    white = image[head.fraction("white_matter") == 1]
    np.testing.assert_allclose(white, white[0], rtol=1e-5)
    assert image[head.fraction("air") == 1].max() == 0


def test_white_matter_shows_the_scale_asked_for(head: Head) -> None:
    image = simulate_contrast(head, "t2", 0, texture=0.0, intensity_scale=400.0, **IDEAL)
    assert image[head.fraction("white_matter") == 1].mean() == pytest.approx(400, rel=1e-4)


def test_left_and_right_are_of_one_flesh(head: Head) -> None:
    image = simulate_contrast(head, "t2", 0, texture=0.0, **IDEAL)
    deep = head.fraction("deep_grey") == 1
    half = head.shape[0] // 2
    assert image[:half][deep[:half]].mean() == pytest.approx(image[half:][deep[half:]].mean(), rel=1e-4)


def test_texture_darkens_t1w_where_it_brightens_t2w(head: Head) -> None:
    """Longer T1 and longer T2 come together, as with water content."""
    pair = simulate_pair(head, 0, **IDEAL)
    white = head.fraction("white_matter") == 1
    assert np.corrcoef(pair["t1"][white], pair["t2"][white])[0, 1] < -0.5


def test_noise_in_air_is_rayleigh_and_keeps_off_zero(head: Head) -> None:
    image = simulate_contrast(head, "t1", 0, noise=0.03, bias=0.0, blur=0.0, intensity_scale=1000.0)
    air = image[head.fraction("air") == 1]
    assert air.min() >= 0
    assert air.mean() == pytest.approx(30 * np.sqrt(np.pi / 2), rel=0.02)
    assert air.std() == pytest.approx(30 * np.sqrt(2 - np.pi / 2), rel=0.02)


def test_shading_is_smooth_and_within_its_bounds(head: Head) -> None:
    plain = simulate_contrast(head, "t1", 0, **IDEAL)
    shaded = simulate_contrast(head, "t1", 0, noise=0.0, bias=0.2, blur=0.0)
    body = plain > 1
    ratio = np.where(body, shaded / np.maximum(plain, 1e-6), 1)
    assert ratio.min() >= 0.799
    assert ratio.max() <= 1.201
    assert ratio[body].std() > 0.02
    neighbours = body[1:] & body[:-1]
    assert np.abs(np.diff(ratio, axis=0))[neighbours].max() < 0.03


def test_blur_keeps_the_mean_and_softens_edges(head: Head) -> None:
    sharp = simulate_contrast(head, "t1", 0, **IDEAL)
    soft = simulate_contrast(head, "t1", 0, noise=0.0, bias=0.0, blur=1.0)
    assert soft.mean() == pytest.approx(sharp.mean(), rel=0.02)
    assert np.abs(np.diff(soft, axis=0)).max() < 0.7 * np.abs(np.diff(sharp, axis=0)).max()


def test_people_differ_in_tissue_and_spread_zero_does_not(small: Head) -> None:
    def contrast(seed: int, spread: float) -> float:
        settings = SequenceSettings(kind="spin_echo", echo_time=10, repetition_time=500)
        image = simulate_contrast(small, "t1", seed, settings=settings, spread=spread, texture=0.0, **IDEAL)
        fat, white = means(small, image, "fat", "white_matter")
        return fat / white

    assert contrast(0, 0.0) == pytest.approx(contrast(1, 0.0), rel=1e-5)
    assert contrast(0, 1.0) != pytest.approx(contrast(1, 1.0), rel=1e-3)


@pytest.mark.parametrize("name", ["noise", "bias", "blur", "texture", "spread"])
def test_a_negative_strength_is_refused(small: Head, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        simulate_contrast(small, "t1", 0, **{name: -0.1})


def test_an_unknown_contrast_is_refused(small: Head) -> None:
    with pytest.raises(UsageError, match="flair"):
        simulate_contrast(small, "flair", 0)


def means(head: Head, image: np.ndarray, *tissues: str) -> list[float]:
    return [float(image[head.fraction(name) > 0.9].mean()) for name in tissues]


def steepness(image: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(sum(g**2 for g in np.gradient(image))))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])
