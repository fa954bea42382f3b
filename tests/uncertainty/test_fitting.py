"""Curves learnt from errors that were met: they never fall, tell the mean error, and bound nine in ten."""

from __future__ import annotations

import numpy as np
import pytest

from medgan.uncertainty.fitting import Sample, fit, pool_adjacent_violators


def head(seed: int, *, size: int = 4000, harder: float = 1.0) -> Sample:
    """A head whose errors grow with the flip sign alone, in width and in mean."""
    chance = np.random.default_rng(seed)
    flip, cycle = chance.uniform(0, 0.4, (2, size))
    return Sample(flip, cycle, np.abs(chance.normal(0, harder * (0.02 + 0.3 * flip))))


def test_what_rises_stays_and_what_falls_becomes_its_mean() -> None:
    rising = np.array([0.0, 1.0, 1.0, 4.0])
    assert np.array_equal(pool_adjacent_violators(rising), rising)
    assert np.allclose(
        pool_adjacent_violators(np.array([1.0, 3.0, 2.0, 0.0, 5.0])), [1, 5 / 3, 5 / 3, 5 / 3, 5]
    )


def test_isotonic_values_never_fall_and_are_the_nearest_of_such() -> None:
    chance = np.random.default_rng(0)
    values = np.linspace(0, 1, 50) + chance.normal(0, 0.3, 50)
    found = pool_adjacent_violators(values)
    assert (np.diff(found) >= 0).all()
    assert found.mean() == pytest.approx(values.mean())
    for _ in range(200):  # no other rising sequence is nearer
        other = np.sort(found + chance.normal(0, 0.05, 50))
        assert ((values - found) ** 2).sum() <= ((values - other) ** 2).sum() + 1e-12


def test_the_curves_say_what_was_put_in() -> None:
    found = fit([head(seed) for seed in range(6)])
    assert found.flip > 20 * found.cycle
    for flip in (0.05, 0.2, 0.35):
        score = np.array([found.flip * flip])
        width = 0.02 + 0.3 * flip
        assert found.expected(score)[0] == pytest.approx(width * np.sqrt(2 / np.pi), rel=0.15)
        assert found.bound(score)[0] == pytest.approx(width * 1.645, rel=0.15)
    assert found.shares[1] == pytest.approx(0.9, abs=0.01)


def test_the_bound_holds_for_heads_that_were_not_fitted() -> None:
    found = fit([head(seed, harder=1 + 0.3 * (seed % 3)) for seed in range(9)])
    for others, share in ((range(100, 109), 0.9), (range(200, 201), None)):
        met = []
        for seed in others:
            one = head(seed, harder=1 + 0.3 * (seed % 3))
            met.append((one.error <= found.bound(found.flip * one.flip + found.cycle * one.cycle)).mean())
        if share is not None:
            assert np.mean(met) == pytest.approx(share, abs=0.02)


def test_one_head_unlike_the_others_widens_the_bound_and_is_told() -> None:
    alike = fit([head(seed) for seed in range(4)])
    mixed = fit([*(head(seed) for seed in range(4)), head(4, harder=3)])
    at = np.array([0.2])
    assert mixed.bound(at)[0] > 1.2 * alike.bound(at)[0]
    least, _, most = mixed.shares
    assert least < 0.75 < 0.9 < most


def test_a_sign_that_speaks_against_trouble_does_not_count() -> None:
    def upside_down(seed: int) -> Sample:
        chance = np.random.default_rng(seed)
        flip, cycle = chance.uniform(0, 0.4, (2, 4000))
        return Sample(flip, cycle, np.abs(chance.normal(0, 0.1 + 0.3 * flip - 0.2 * cycle)))

    found = fit([upside_down(seed) for seed in range(3)])
    assert found.cycle == 0 < found.flip


def test_signs_that_say_nothing_leave_one_error_for_all() -> None:
    flat = [Sample(np.zeros(500), np.zeros(500), np.linspace(0, 0.2, 500)) for _ in range(3)]
    found = fit(flat)
    assert found.expected(np.array([0.0, 0.5])) == pytest.approx([0.1, 0.1], abs=0.01)
    assert found.bound(np.array([0.0, 0.5])) == pytest.approx([0.18, 0.18], abs=0.02)


def test_a_large_head_counts_no_more_than_a_small_one() -> None:
    small, large = head(1, size=1000), head(2, size=50_000, harder=2)
    found = fit([small, large])
    same = fit([small, head(3, size=1000, harder=2)])
    assert found.expected(np.array([0.2])) == pytest.approx(same.expected(np.array([0.2])), rel=0.15)


def test_one_pair_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two pairs"):
        fit([head(0)])
