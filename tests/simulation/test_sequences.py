"""The signal equations against numbers worked out by hand, and the drawing of settings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medgan.contrasts import contrast_from_times
from medgan.errors import UsageError
from medgan.simulation import (
    SequenceSettings,
    draw_settings,
    mprage,
    spin_echo,
    spoiled_gradient_echo,
    tissues,
    turbo_spin_echo,
)

ONE = np.array([1.0])
T1 = np.array([1000.0])
T2 = np.array([100.0])


def test_spin_echo_by_hand() -> None:
    # 1 - 2 exp(-0.49) + exp(-0.5) = 0.381278; exp(-0.2) = 0.818731
    signal = spin_echo(ONE, T1, T2, echo_time=20.0, repetition_time=500.0)
    assert signal[0] == pytest.approx(0.381278 * 0.818731, abs=1e-5)


def test_turbo_spin_echo_by_hand() -> None:
    # 1 - exp(-4) = 0.981684; exp(-1) = 0.367879
    signal = turbo_spin_echo(ONE, T1, T2, echo_time=100.0, repetition_time=4200.0, train_time=200.0)
    assert signal[0] == pytest.approx(0.981684 * 0.367879, abs=1e-5)


def test_spoiled_gradient_echo_by_hand() -> None:
    # sin 30 (1 - exp(-0.02)) / (1 - exp(-0.02) cos 30) = 0.5 * 0.0198013 / 0.1511232; exp(-0.05) = 0.951229
    signal = spoiled_gradient_echo(ONE, T1, T2, echo_time=5.0, repetition_time=20.0, flip_angle=30.0)
    assert signal[0] == pytest.approx(0.5 * 0.0198013 / 0.1511232 * 0.951229, abs=1e-5)


def test_mprage_by_hand() -> None:
    # With hardly any flip it is inversion recovery: 1 - 2 exp(-0.9) / (1 + exp(-2)) = 0.283796
    times = {"echo_time": 3.0, "repetition_time": 2000.0, "inversion_time": 900.0, "train_time": 1200.0}
    signal = mprage(ONE, T1, T2, flip_angle=0.01, **times)
    assert signal[0] / np.sin(np.deg2rad(0.01)) == pytest.approx(0.283796 * np.exp(-0.03), abs=1e-4)


def test_mprage_is_what_playing_the_pulses_gives() -> None:
    """The closed form against magnetisation that is inverted, left alone and flipped, pulse by pulse."""
    angle, m, middle = np.deg2rad(9.0), 1.0, 0.0
    for _ in range(20):
        m = 1 - (1 + m) * np.exp(-(900 - 600) / 1000)
        for pulse in range(176):
            if pulse == 88:
                middle = m
            m = 1 - (1 - m * np.cos(angle)) * np.exp(-1200 / 176 / 1000)
        m = 1 - (1 - m) * np.exp(-(2300 - 900 - 600) / 1000)
    signal = mprage(
        ONE,
        T1,
        T2,
        echo_time=3.0,
        repetition_time=2300.0,
        inversion_time=900.0,
        flip_angle=9.0,
        train_time=1200.0,
    )
    assert signal[0] == pytest.approx(abs(middle) * np.sin(angle) * np.exp(-0.03), rel=1e-6)


def test_inversion_nulls_what_has_the_right_t1() -> None:
    t1 = np.array([900.0 / np.log(2)])
    times = {"echo_time": 3.0, "repetition_time": 1e6, "inversion_time": 900.0, "train_time": 0.0}
    assert mprage(ONE, t1, T2, flip_angle=90.0, pulses=1, **times)[0] < 1e-6


def test_signals_keep_the_shape_of_the_maps() -> None:
    maps = np.full((2, 3, 4), 500.0)
    assert SequenceSettings(kind="spin_echo", echo_time=10, repetition_time=500).signal(
        maps, maps, maps
    ).shape == (2, 3, 4)


@pytest.mark.parametrize("key", ["t1", "t2"])
@pytest.mark.parametrize("seed", range(20))
def test_drawn_times_are_recognised_as_the_contrast_they_were_drawn_for(key: str, seed: int) -> None:
    drawn = draw_settings(key, np.random.default_rng(seed))
    known = contrast_from_times(drawn.echo_time, drawn.repetition_time, drawn.inversion_time)
    assert known is not None
    assert known.key == key


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("field_strength", [1.5, 3.0])
def test_every_drawn_t1w_sequence_orders_the_tissues_as_t1w(seed: int, field_strength: float) -> None:
    drawn = draw_settings("t1", np.random.default_rng(seed))
    assert signals(drawn, field_strength, "fat", "white_matter", "grey_matter", "csf") == descending
    assert signals(drawn, field_strength, "white_matter", "bone") == descending


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("field_strength", [1.5, 3.0])
def test_every_drawn_t2w_sequence_orders_the_tissues_as_t2w(seed: int, field_strength: float) -> None:
    drawn = draw_settings("t2", np.random.default_rng(seed))
    names = ("csf", "grey_matter", "deep_grey", "white_matter", "muscle", "bone")
    assert signals(drawn, field_strength, *names) == descending
    assert signals(drawn, field_strength, "fat", "white_matter") == descending


@pytest.mark.parametrize(
    ("echo", "repetition", "inversion"), [(0.0, 500.0, 0.0), (600.0, 500.0, 0.0), (3.0, 2000.0, 2500.0)]
)
def test_impossible_times_are_refused(echo: float, repetition: float, inversion: float) -> None:
    with pytest.raises(UsageError, match="must be above"):
        SequenceSettings(kind="mprage", echo_time=echo, repetition_time=repetition, inversion_time=inversion)


def test_an_echo_train_longer_than_the_repetition_is_refused() -> None:
    with pytest.raises(UsageError, match="train time"):
        SequenceSettings(kind="turbo_spin_echo", echo_time=90, repetition_time=3000, train_time=3000)


def test_a_sequence_that_does_not_give_the_contrast_is_refused() -> None:
    with pytest.raises(UsageError, match="does not give"):
        draw_settings("t2", np.random.default_rng(0), kind="mprage")


def test_a_field_strength_without_values_is_refused() -> None:
    with pytest.raises(UsageError, match="7"):
        tissues(7.0)


def test_relaxation_at_3_tesla_is_slower_along_and_faster_across() -> None:
    low, high = tissues(1.5), tissues(3.0)
    for name in ("grey_matter", "white_matter", "deep_grey", "fat", "muscle", "blood"):
        assert high[name].t1_ms > low[name].t1_ms
        assert high[name].t2_ms <= low[name].t2_ms


class _Descending:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and all(a > b for a, b in itertools.pairwise(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "values, each below the one before it"


descending = _Descending()


def signals(settings: SequenceSettings, field_strength: float, *names: str) -> list[float]:
    table = tissues(field_strength)
    return [
        float(
            settings.signal(
                np.array(table[n].proton_density), np.array(table[n].t1_ms), np.array(table[n].t2_ms)
            )
        )
        for n in names
    ]
