"""Sizes and rates follow from how far a training is, by steps or by the clock."""

from __future__ import annotations

import pytest

from medgan.recipe import load_recipe
from medgan.training.schedule import Schedule


def schedule(*changes: str, steps: int | None = 100, seconds: float | None = None) -> Schedule:
    return Schedule(load_recipe("slices", changes), steps=steps, seconds=seconds)


def test_without_a_time_limit_the_clock_has_no_say() -> None:
    plan = schedule()
    assert plan.progress(25, elapsed=0) == plan.progress(25, elapsed=1e9) == 0.25


def test_with_the_clock_alone_steps_have_no_say() -> None:
    plan = schedule(steps=None, seconds=60)
    assert plan.progress(10**9, elapsed=15) == 0.25


def test_with_both_the_one_that_is_further_counts_and_neither_goes_beyond_1() -> None:
    plan = schedule(seconds=60)
    assert plan.progress(50, elapsed=15) == 0.5
    assert plan.progress(10, elapsed=45) == 0.75
    assert plan.progress(500, elapsed=500) == 1


def test_coarse_stages_come_first_in_their_order_and_then_full_size() -> None:
    plan = schedule("training.coarse=[{scale: 4, share: 0.2}, {scale: 2, share: 0.3}]")
    scales = [plan.scale(progress) for progress in (0, 0.19, 0.21, 0.49, 0.51, 1)]
    assert scales == [4, 4, 2, 2, 1, 1]
    assert schedule("training.coarse=[]").scale(0) == 1


def test_the_rate_is_constant_and_then_falls_linearly_to_zero() -> None:
    plan = schedule("learning_rate=0.01", "decay_from=0.5")
    rates = [plan.rate(progress) for progress in (0, 0.25, 0.5, 0.75, 0.9, 1)]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.002, 0])


def test_a_decay_from_the_end_is_none_at_all() -> None:
    plan = schedule("learning_rate=0.01", "decay_from=1")
    assert plan.rate(0) == plan.rate(0.999) == plan.rate(1) == 0.01


@pytest.mark.parametrize(
    ("steps", "share"),
    [(10_000, 0.25), (480, 0.25), (300, 0.4), (240, 0.5), (10, 0.5), (None, 0.25)],
    ids=lambda value: str(value),
)
def test_a_short_training_is_warmed_up_for_longer_but_never_for_more_than_half(
    steps: int | None, share: float
) -> None:
    recipe = load_recipe("slices", ["simulation.warmup=0.25"])
    assert Schedule(recipe=recipe, steps=steps, seconds=None).warmup == pytest.approx(share)
    alone = load_recipe("slices", ["simulation.warmup=0"])
    assert Schedule(recipe=alone, steps=steps, seconds=None).warmup == 0
