"""Pairs drawn from anatomies: one flesh in two contrasts, with what scanners, skulls and lesions do to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medgan.errors import UsageError
from medgan.simulation import Anatomy, Head, Pairs, Variety, VolumePair, simulate_batch, simulate_volume

SHAPE = (3, 64, 64)
COARSE = {"pixel_mm": (2.5, 3.0)}
IDEAL = {
    "noise": (0.0, 0.0),
    "bias": (0.0, 0.0),
    "blur": (0.0, 0.0),
    "texture": (0.0, 0.0),
    "coarse": 0.0,
    "fat_suppressed": 0.0,
    "contrast_agent": 0.0,
    "lesions": {},
}


def batch(
    anatomy: Anatomy, *, seed: Any = 0, count: int = 4, shape: tuple[int, int, int] = SHAPE, **changes: Any
) -> Pairs:
    return simulate_batch(
        [anatomy], count=count, shape=shape, seed=seed, variety=Variety(**{**COARSE, **changes})
    )


def ideal(anatomy: Anatomy, *, seed: int = 0, slice_mm: float = 2.0, **changes: Any) -> VolumePair:
    """On the anatomy's own grid, without what a scanner adds."""
    variety = Variety(**{**IDEAL, "stripped": 0.0, **changes}).in_place()
    return simulate_volume(anatomy, seed=seed, variety=variety, pixel_mm=2.0, slice_mm=slice_mm)


def test_a_batch_is_finite_not_below_zero_and_as_large_as_asked_for(anatomy: Anatomy) -> None:
    for seed in range(4):
        pairs = batch(anatomy, seed=seed)
        for image in (pairs.t1, pairs.t2):
            assert image.shape == (4, *SHAPE)
            assert image.dtype == torch.float32
            assert image.isfinite().all()
            assert image.min() >= 0
            assert 0.2 < image[pairs.foreground].mean() < 5
        assert pairs.foreground.dtype == pairs.lesions.dtype == torch.bool
        assert pairs.foreground.float().mean() > 0.05
        assert pairs.spacing.shape == (4, 3)


def test_the_same_seed_gives_the_same_batch_and_another_another(anatomy: Anatomy) -> None:
    first, again, other = (batch(anatomy, seed=seed) for seed in ([1, 2], [1, 2], [1, 3]))
    assert torch.equal(first.t1, again.t1) and torch.equal(first.t2, again.t2)
    assert not torch.allclose(first.t1, other.t1, atol=0.1)


def test_pairs_of_a_batch_differ(anatomy: Anatomy) -> None:
    pairs = batch(anatomy, count=4)
    assert len({float(image.sum()) for image in pairs.t1}) == 4
    assert len({one.weightings["t1"].settings for one in pairs.examinations}) == 4


def test_both_contrasts_show_one_place(anatomy: Anatomy) -> None:
    """What T1w darkens T2w brightens, in brains; a pixel apart it fits less."""
    pairs = batch(anatomy, count=6, stripped=1.0, lesions={}, thick=0.0, noise=(0.0, 0.01))
    here, aside = [], []
    for t1, t2, inside in zip(pairs.t1, pairs.t2, pairs.foreground, strict=True):
        moved = torch.roll(t2, 2, 1)
        both = inside & torch.roll(inside, 2, 1)
        if both.sum() > 500:
            here.append(correlation(t1[both], t2[both]))
            aside.append(correlation(t1[both], moved[both]))
    assert len(here) >= 4
    assert np.mean(here) < -0.5
    assert np.mean(here) < np.mean(aside) - 0.15


def test_the_tissues_are_ordered_as_in_textbooks(anatomy: Anatomy, labelled: Head) -> None:
    for seed in range(6):
        pair = ideal(anatomy, seed=seed)
        fat, white, grey, fluid, muscle = (
            [float(image[labelled.fraction(name) > 0.95].mean()) for image in (pair.t1, pair.t2)]
            for name in ("fat", "white_matter", "grey_matter", "csf", "muscle")
        )
        assert white == pytest.approx([1, 1], abs=0.02)
        assert fat[0] > white[0] > grey[0] > fluid[0]
        assert fluid[1] > grey[1] > white[1] > muscle[1]


def test_an_ideal_image_is_the_sum_of_its_tissues(anatomy: Anatomy, labelled: Head) -> None:
    pair = ideal(anatomy)
    for key, image in (("t1", pair.t1), ("t2", pair.t2)):
        signals = pair.examination.weightings[key].signals
        whole = sum(
            fraction * signals[name]
            for name, fraction in zip(labelled.tissue_names, labelled.fractions, strict=True)
        )
        error = np.abs(image - whole)
        assert np.corrcoef(image.ravel(), np.ravel(whole))[0, 1] > 0.99
        assert error.mean() < 0.04
        assert np.percentile(error, 99) < 0.5


def test_left_and_right_are_of_one_flesh(anatomy: Anatomy, labelled: Head) -> None:
    pair = ideal(anatomy)
    deep = labelled.fraction("deep_grey") > 0.98
    half = deep.shape[0] // 2
    assert deep[:half].sum() > 20 < deep[half:].sum()
    assert pair.t2[:half][deep[:half]].mean() == pytest.approx(pair.t2[half:][deep[half:]].mean(), rel=0.01)


def test_a_volume_has_its_place_in_the_head(anatomy: Anatomy, labelled: Head) -> None:
    pair = ideal(anatomy, slice_mm=4.0)
    assert pair.thickness == 4
    shown, there = (
        affine[:3, :3] @ np.argwhere(body).mean(axis=0) + affine[:3, 3]
        for affine, body in (
            (pair.affine, pair.foreground),
            (labelled.affine, labelled.fraction("air") < 0.5),
        )
    )
    np.testing.assert_allclose(shown, there, atol=0.5)


def test_a_thick_slice_is_the_mean_of_thin_ones(anatomy: Anatomy) -> None:
    thin, thick = ideal(anatomy, slice_mm=1.0), ideal(anatomy, slice_mm=4.0)
    depth = thin.t1.shape[2] // 4 * 4
    mean = thin.t1[:, :, :depth].reshape(*thin.t1.shape[:2], -1, 4).mean(axis=3)
    heights = [volume.affine[2, 3] for volume in (thin, thick)]
    assert heights[0] + 1.5 == pytest.approx(heights[1], abs=2.1)
    planes = slice(5, 30)
    near = min(
        float(np.abs(mean[:, :, 5 + shift : 30 + shift] - thick.t1[:, :, planes]).mean())
        for shift in (-1, 0, 1)
    )
    apart = float(np.abs(mean[:, :, 9:34] - thick.t1[:, :, planes]).mean())
    assert near < 0.5 * apart


def test_air_around_a_head_is_noise_as_scanners_show_it(anatomy: Anatomy) -> None:
    changes = {**IDEAL, "noise": (0.05, 0.05), "stripped": 0.0}
    pair = simulate_volume(anatomy, seed=0, variety=Variety(**changes).in_place(), pixel_mm=2.0)
    corner = pair.t1[:4]
    assert corner.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.05)
    assert corner.std() == pytest.approx(0.05 * np.sqrt(2 - np.pi / 2), rel=0.05)


def test_a_stripped_brain_lies_in_zeros_and_has_no_hole(anatomy: Anatomy, labelled: Head) -> None:
    pair = ideal(anatomy, stripped=1.0, strip_mm=(1.0, 1.0), noise=(0.02, 0.02))
    for image in (pair.t1, pair.t2):
        assert (image[~pair.foreground] == 0).all()
        assert (image[pair.foreground] > 0).mean() > 0.999
    assert not pair.foreground[labelled.fraction("skin", "fat") > 0.9].any()
    white = np.argwhere(labelled.fraction("white_matter") > 0.9)
    middle = tuple(slice(part - 8, part + 8) for part in white.mean(axis=0).astype(int))
    assert pair.foreground[middle].all()
    assert (labelled.fraction("csf")[middle] > 0.9).sum() > 50


def test_a_mask_that_reaches_further_keeps_more(anatomy: Anatomy) -> None:
    tight, wide = (ideal(anatomy, stripped=1.0, strip_mm=(mm, mm)).foreground.sum() for mm in (0.0, 3.0))
    assert wide > 1.05 * tight


def test_plaques_are_bright_in_t2w_and_not_in_t1w(anatomy: Anatomy) -> None:
    found = 0
    for seed in range(4):
        pair = ideal(anatomy, seed=seed, lesions={"ms": 1.0})
        assert pair.examination.lesions == "ms"
        assert 10 < pair.lesions.sum() < 0.02 * pair.foreground.sum()
        assert np.percentile(pair.t2[pair.lesions], 80) > 1.25
        assert np.median(pair.t1[pair.lesions]) < 1.0
        found += int(pair.lesions.sum())
    assert found > 200


def test_tumours_are_large_bright_in_t2w_and_dark_in_t1w(anatomy: Anatomy) -> None:
    for seed in range(4):
        pair = ideal(anatomy, seed=seed, lesions={"tumour": 1.0})
        assert pair.lesions.sum() * 8 > 500
        assert np.median(pair.t2[pair.lesions]) > 1.15
        assert np.median(pair.t1[pair.lesions]) < 0.95


def test_a_mass_drives_tissue_away_from_its_middle() -> None:
    from medgan.simulation.lesions import Spot, pushed_apart

    spot = Spot(centre=np.zeros(3), axes=np.eye(3), radius=10.0, push=0.5, signals={}, severity={})
    points = torch.zeros((3, 5))
    points[0] = torch.tensor([0.0, 4.0, 10.0, 20.0, 60.0])
    source = pushed_apart(points, [spot])[0]
    assert (source.diff() > 0).all(), "nothing is folded over"
    assert source[1] < 2.5, "what is near the middle was nearer to it before"
    assert source[4] == pytest.approx(60.0, abs=1e-3)


def test_without_lesions_there_are_none(anatomy: Anatomy) -> None:
    assert not batch(anatomy, count=6, lesions={}).lesions.any()


def test_suppressed_fat_is_dark_in_t2w_alone(anatomy: Anatomy, labelled: Head) -> None:
    fat = labelled.fraction("fat") > 0.95
    plain, dark = (ideal(anatomy, fat_suppressed=share) for share in (0.0, 1.0))
    assert dark.t2[fat].mean() < 0.4 * plain.t2[fat].mean()
    assert dark.t1[fat].mean() > 1.2


def test_shading_is_smooth_and_as_strong_as_asked_for(anatomy: Anatomy) -> None:
    plain, shaded = ideal(anatomy), ideal(anatomy, bias=(0.2, 0.2))
    body = plain.t1 > 0.2
    ratio = np.where(body, shaded.t1 / np.maximum(plain.t1, 1e-3), 1.0)
    assert 0.05 < np.log(ratio[body]).std() < 0.6
    assert np.abs(np.diff(ratio, axis=0))[body[1:] & body[:-1]].max() < 0.08


def test_a_deformed_head_is_another_shape(anatomy: Anatomy) -> None:
    still = {**IDEAL, "stripped": 0.0}
    straight = simulate_volume(anatomy, seed=0, variety=Variety(**still).in_place(), pixel_mm=3.0)
    bent = simulate_volume(
        anatomy, seed=0, variety=replace(Variety(**still).in_place(), elastic_mm=3.0), pixel_mm=3.0
    )
    assert straight.t1.shape == bent.t1.shape
    differ = (straight.foreground ^ bent.foreground).sum() / straight.foreground.sum()
    assert 0.005 < differ < 0.2


def test_slabs_come_from_all_along_the_brain(anatomy: Anatomy) -> None:
    filled = [
        float(one.foreground.float().mean()) for one in (batch(anatomy, seed=s, count=1) for s in range(12))
    ]
    assert max(filled) > 2 * min(filled)


def test_a_head_with_no_skull_is_always_stripped(label_map: np.ndarray) -> None:
    from medgan.simulation import labelled_head

    bare = Anatomy.of(labelled_head(np.where(label_map < 500, label_map, 0), spacing_mm=2.0))
    pairs = batch(bare, count=3, stripped=0.0, coarse=0.0)
    assert (pairs.t1[~pairs.foreground] == 0).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"noise": (-0.1, 0.1)}, "noise"),
        ({"blur": (0.5, 0.1)}, "lower and an upper"),
        ({"lesions": {"stroke": 1.0}}, "stroke"),
        ({"pixel_mm": (0.0, 1.0)}, "pixel_mm"),
        ({"elastic_mm": -1.0}, "elastic_mm"),
    ],
)
def test_impossible_variety_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Variety(**change)


def test_nothing_to_draw_from_or_nothing_to_draw_is_refused(anatomy: Anatomy) -> None:
    with pytest.raises(UsageError, match="no anatomy"):
        simulate_batch([], count=1, shape=SHAPE, seed=0)
    for count, shape in ((0, SHAPE), (1, (0, 8, 8))):
        with pytest.raises(UsageError, match="cannot be simulated"):
            simulate_batch([anatomy], count=count, shape=shape, seed=0)
    with pytest.raises(UsageError, match="above 0"):
        simulate_volume(anatomy, seed=0, pixel_mm=0.0)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(np.corrcoef(a.numpy(), b.numpy())[0, 1])
