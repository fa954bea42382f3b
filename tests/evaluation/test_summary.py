"""Means, intervals and p-values are what their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medgan.evaluation.judging import Judged
from medgan.evaluation.metrics import Score
from medgan.evaluation.summary import bootstrap_interval, sign_flip_p, statistics, summarise


def subject(ssim: float, *, copy: float | None = None, target: str | None = "T2w") -> Judged:
    def score(value: float) -> Score:
        return Score(psnr=20.0, ssim=value, mae=0.1, r=value, nrmse=0.2, nmi=1.2)

    beside = {} if copy is None else {"copy": score(copy), "histogram": score(copy - 0.1)}
    return Judged(name="s", target=target, foreground=score(ssim), whole=score(ssim), baselines=beside)


def test_mean_and_spread() -> None:
    found = statistics([{"a": 1.0}, {"a": 2.0}, {"a": 6.0}])["a"]
    assert found["n"] == 3
    assert found["mean"] == 3
    assert found["sd"] == pytest.approx(math.sqrt(7))
    low, high = found["interval"]
    assert 1 <= low < 3 < high <= 6


def test_one_subject_has_no_spread_and_no_test() -> None:
    found = summarise([subject(0.8, copy=0.5)])["T2w"]
    assert found["foreground"]["ssim"] == {"n": 1, "mean": 0.8, "sd": None, "interval": None}
    assert found["gain"]["ssim"]["mean"] == pytest.approx(0.3)
    assert found["gain"]["ssim"]["p"] is None


def test_the_bootstrap_interval_is_near_the_normal_one_and_always_the_same() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_interval(values) == [low, high]


@pytest.mark.parametrize(("count", "expected"), [(2, 0.5), (5, 2 / 32), (6, 2 / 64), (10, 2 / 1024)])
def test_gains_of_one_sign_are_as_unlikely_as_coins(count: int, expected: float) -> None:
    assert sign_flip_p([0.1 + 0.01 * i for i in range(count)]) == pytest.approx(expected)


def test_gains_of_both_signs_are_no_gain_whichever_way_it_is_computed() -> None:
    assert sign_flip_p([1.0, -1.0, 1.0, -1.0]) == 1
    chance = np.random.default_rng(0)
    assert sign_flip_p(list(chance.normal(0, 1, 40))) > 0.05
    assert sign_flip_p(list(chance.normal(2, 1, 40))) == pytest.approx(1e-4)


def test_the_gain_is_over_the_better_baseline_and_errors_count_downwards() -> None:
    worse = Score(psnr=10.0, ssim=0.5, mae=0.3, r=0.5, nrmse=0.6, nmi=1.1)
    other = Score(psnr=12.0, ssim=0.4, mae=0.2, r=0.6, nrmse=0.5, nmi=1.05)
    made = Score(psnr=15.0, ssim=0.7, mae=0.1, r=0.5, nrmse=0.7, nmi=1.2)
    gains = Judged(
        name="s", target=None, foreground=made, whole=made, baselines={"copy": worse, "histogram": other}
    ).gains
    assert gains == pytest.approx({"psnr": 3, "ssim": 0.2, "mae": 0.1, "nrmse": -0.2, "r": -0.1, "nmi": 0.1})


def test_contrasts_are_summarised_apart_and_missing_baselines_left_out() -> None:
    found = summarise(
        [subject(0.8, copy=0.5), subject(0.6), subject(0.1, target="T1w"), subject(0.2, target=None)]
    )
    assert list(found) == ["T2w", "T1w", "all"]
    assert found["T2w"]["subjects"] == 2
    assert found["T2w"]["baselines"]["copy"]["ssim"]["n"] == 1
    assert found["T2w"]["gain"]["ssim"]["n"] == 1
    assert found["T1w"]["baselines"] == {}
    assert found["T1w"]["gain"] == {}
