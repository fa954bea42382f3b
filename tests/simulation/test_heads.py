"""Procedural heads: whose they are, where they lie, what they hold."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from medgan.errors import UsageError
from medgan.simulation import TISSUE_NAMES, Head, procedural_head
from medgan.simulation.fields import Grid, smooth_noise
from medgan.simulation.shapes import chain, ellipsoid, ramp


@pytest.fixture(scope="module")
def head() -> Head:
    return procedural_head(3)


@pytest.fixture(scope="module")
def people() -> list[Head]:
    return [procedural_head(seed, shape=(54, 64, 54), spacing_mm=3.0) for seed in range(8)]


def test_the_same_seed_is_the_same_person(people: list[Head]) -> None:
    again = procedural_head(5, shape=(54, 64, 54), spacing_mm=3.0)
    assert np.array_equal(again.fractions, people[5].fractions)


def test_different_seeds_are_different_people(people: list[Head]) -> None:
    for one, other in itertools.pairwise(people):
        inside = (one.labels() > 0) | (other.labels() > 0)
        assert (one.labels() != other.labels())[inside].mean() > 0.15
        assert one.brain_mask().sum() != other.brain_mask().sum()


def test_a_person_is_the_same_on_a_finer_grid() -> None:
    coarse = procedural_head(1, shape=(40, 48, 40), spacing_mm=4.0)
    fine = procedural_head(1, shape=(80, 96, 80), spacing_mm=2.0)
    pooled = fine.fractions.reshape(len(TISSUE_NAMES), 40, 2, 48, 2, 40, 2).mean(axis=(2, 4, 6))
    for name in ("air", "white_matter", "csf", "fat", "bone"):
        i = TISSUE_NAMES.index(name)
        assert np.corrcoef(pooled[i].ravel(), coarse.fractions[i].ravel())[0, 1] > 0.85


def test_fractions_are_parts_of_a_whole(head: Head) -> None:
    assert head.fractions.dtype == np.float32
    assert head.fractions.min() >= 0
    np.testing.assert_allclose(head.fractions.sum(axis=0), 1, atol=1e-5)


def test_the_grid_is_centred_ras_with_the_spacing_asked_for() -> None:
    head = procedural_head(0, shape=(30, 41, 36), spacing_mm=4.5)
    assert head.shape == (30, 41, 36)
    assert head.fractions.shape == (len(TISSUE_NAMES), 30, 41, 36)
    assert head.spacing == (4.5, 4.5, 4.5)
    middle = head.affine @ [14.5, 20, 17.5, 1]
    np.testing.assert_allclose(middle, [0, 0, 0, 1], atol=1e-9)
    np.testing.assert_array_equal(head.affine[:3, :3], 4.5 * np.eye(3))


def test_around_the_head_is_air(people: list[Head]) -> None:
    for head in people:
        air = head.fraction("air")
        for face in (air[0], air[-1], air[:, 0], air[:, :, -1]):
            assert face[:, face.shape[1] // 2 :].mean() > 0.97
        # The corners are outside whoever it is; the lower face and the neck run out of the grid.
        assert air[0, 0, -1] == air[-1, 0, -1] == air[0, -1, -1] == air[-1, -1, -1] == 1


def test_eyes_look_forward_and_the_cerebellum_is_behind(head: Head) -> None:
    vitreous = centre(head, "vitreous")
    brain = centre(head, "white_matter", "grey_matter")
    assert vitreous[1] > brain[1] + 40
    assert vitreous[2] < brain[2] - 20
    assert abs(vitreous[0]) < 6


def test_volumes_are_those_of_adults(people: list[Head]) -> None:
    for head in people:
        litres = {n: f.sum() * 27e-6 for n, f in zip(head.tissue_names, head.fractions, strict=True)}
        brain = litres["grey_matter"] + litres["white_matter"] + litres["deep_grey"]
        assert 0.75 < brain < 1.4
        assert 0.15 < litres["csf"] < 0.6
        assert 0.004 < litres["vitreous"] < 0.016
        assert 0.6 < litres["grey_matter"] / litres["white_matter"] < 2.0


def test_grey_matter_lies_between_csf_and_white_matter(head: Head) -> None:
    """White matter hardly ever touches the CSF of the convexity; cortex is in between."""
    labels = head.labels()[:, :, 55:]
    white, grey, fluid = (TISSUE_NAMES.index(n) for n in ("white_matter", "grey_matter", "csf"))
    assert touching(labels, white, fluid) < 0.2 * touching(labels, grey, fluid)


def test_the_skull_closes_the_vault(head: Head) -> None:
    """On every way up from the brain there is bone before there is skin."""
    brain = head.brain_mask()
    bone = head.fraction("bone", "marrow", "blood")
    columns = brain[:, :, 60:].any(axis=2)
    assert (bone[:, :, 60:].max(axis=2)[columns] > 0.5).mean() > 0.97


def test_a_default_head_takes_no_more_than_seconds() -> None:
    begin = time.process_time()
    procedural_head(9)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("seed", "shape", "spacing"), [(-1, (8, 8, 8), 2.0), (0, (8, 1, 8), 2.0), (0, (8, 8, 8), 0.0)]
)
def test_what_makes_no_head_is_refused(seed: int, shape: tuple[int, int, int], spacing: float) -> None:
    with pytest.raises(UsageError):
        procedural_head(seed, shape=shape, spacing_mm=spacing)


def test_smooth_noise_has_its_place_in_mm() -> None:
    coarse = smooth_noise(np.random.default_rng(0), Grid((21, 21, 21), 4.0), 20.0)
    fine = smooth_noise(np.random.default_rng(0), Grid((41, 41, 41), 2.0), 20.0)
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=1e-4)


def test_smooth_noise_has_unit_variance() -> None:
    field = smooth_noise(np.random.default_rng(0), Grid((80, 80, 80), 2.0), 8.0)
    assert field.std() == pytest.approx(1, abs=0.05)
    assert field.mean() == pytest.approx(0, abs=0.1)


def test_distances_to_spheres_are_true_ones() -> None:
    at = tuple(np.array([v], np.float32) for v in (3.0, 0.0, 14.0))
    x, y, z = at
    assert ellipsoid((x, y, z), (0, 0, 10), (2, 2, 2))[0] == pytest.approx(3, abs=1e-5)
    assert chain((x, y, z), ((0, 0, 0, 1), (0, 0, 10, 2)))[0] == pytest.approx(3, abs=1e-5)


def test_a_surface_through_the_centre_halves_the_voxel() -> None:
    assert ramp(np.array([-3, -0.5, 0, 0.5, 3], np.float32), 2.0).tolist() == [1, 0.75, 0.5, 0.25, 0]


def centre(head: Head, *tissues: str) -> np.ndarray:
    part = head.fraction(*tissues)
    mean = [
        np.average(np.arange(n), weights=part.sum(axis=tuple({0, 1, 2} - {i})))
        for i, n in enumerate(part.shape)
    ]
    return np.asarray((head.affine @ [*mean, 1])[:3])


def touching(labels: np.ndarray, a: int, b: int) -> int:
    pairs = 0
    for axis in range(3):
        first, second = (
            labels.take(range(labels.shape[axis] - 1), axis),
            labels.take(range(1, labels.shape[axis]), axis),
        )
        pairs += int((((first == a) & (second == b)) | ((first == b) & (second == a))).sum())
    return pairs
