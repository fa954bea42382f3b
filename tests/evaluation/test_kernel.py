"""The kernel distance tells crowds of vectors apart, and each scan of a crowd from the others."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.evaluation.kernel import Crowd, kernel_distance


def drawn(seed: int, *, mean: float = 0.0, spread: float = 1.0, count: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, (count, 6))


def test_draws_of_one_distribution_are_about_0_apart() -> None:
    found = [kernel_distance(drawn(seed), drawn(seed + 100)) for seed in range(8)]
    assert abs(np.mean(found)) < 0.05


def test_it_grows_with_a_shift_and_sees_another_spread() -> None:
    near, far = (kernel_distance(drawn(1), drawn(2, mean=mean)) for mean in (0.5, 1.0))
    assert 0.1 < near < far
    assert kernel_distance(drawn(1), drawn(2, spread=2.0)) > 0.1


def test_the_unbiased_estimate_is_that_of_the_formula() -> None:
    x, y = drawn(1, count=5), drawn(2, mean=0.3, count=7)
    total = 0.0
    for one, other, weight in ((x, x, 1 / 20), (y, y, 1 / 42), (x, y, -2 / 35)):
        for i, a in enumerate(one):
            for j, b in enumerate(other):
                if one is not other or i != j:
                    total += weight * (a @ b / 6 + 1) ** 3
    assert kernel_distance(x, y) == pytest.approx(total)


def test_a_crowd_measures_a_scan_as_all_its_vectors_would() -> None:
    scans = [drawn(seed, mean=0.2 * seed, count=20 + seed) for seed in range(4)]
    crowd = Crowd.of(scans)
    scaled = [(rows - crowd.mean) / crowd.scale for rows in scans]
    for index, rows in enumerate(scaled):
        others = np.concatenate([one for other, one in enumerate(scaled) if other != index])
        assert crowd.apart[index] == pytest.approx(kernel_distance(rows, others))
    stranger = drawn(9, mean=1.0, count=30)
    expected = kernel_distance((stranger - crowd.mean) / crowd.scale, np.concatenate(scaled))
    assert crowd.distance(stranger) == pytest.approx(expected)
    assert Crowd.of(scans[:1]).apart == ()


def test_a_feature_that_never_changes_does_no_harm() -> None:
    rows = drawn(1)
    rows[:, 0] = 3.0
    assert np.isfinite(Crowd.of([rows, rows]).distance(rows))
