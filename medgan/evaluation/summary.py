"""Many subjects in few numbers: means, spread, bootstrap intervals, and a paired test of the gain."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.evaluation.judging import Judged
from medgan.evaluation.unpaired import Seen

_RESAMPLES = 10_000
_SEED = 0
_EXACT = 14  # subjects whose changes of sign are all tried
STATISTICS: Mapping[str, str] = {
    "sd": "standard deviation over subjects (n - 1)",
    "interval": f"95 % bootstrap interval of the mean over subjects (percentiles, {_RESAMPLES} resamples, fixed seed)",
    "gain": "the prediction's figure over that of the better baseline, subject by subject; positive is better",
    "p": f"two-sided sign-flip permutation test of the mean gain over subjects (exact up to n = {_EXACT}, else "
    f"{_RESAMPLES} random ones); not corrected for several figures",
}
"""What the numbers of `summarise` are, in words."""


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """By target contrast (`all` where it is not known): number of subjects, and statistics of every figure.

    Figures that a subject lacks (MS-SSIM of small slices, baselines without a source) are summarised over the others.
    """
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.target or "all", []).append(one)
    return {target: _summary(group) for target, group in groups.items()}


def _summary(group: Sequence[Judged]) -> dict[str, Any]:
    names = dict.fromkeys(name for one in group for name in one.baselines)
    gains = statistics([one.gains for one in group])
    for key, found in gains.items():
        found["p"] = sign_flip_p([one.gains[key] for one in group if one.gains])
    return {
        "subjects": len(group),
        "foreground": statistics([one.foreground.as_dict() for one in group]),
        "whole": statistics([one.whole.as_dict() for one in group]),
        "baselines": {
            name: statistics([one.baselines[name].as_dict() for one in group if one.baselines])
            for name in names
        },
        "gain": gains,
        "flicker": statistics([one.flicker for one in group]),
        "coverage": statistics([{"bound": one.coverage} for one in group if one.coverage is not None]),
    }


def summarise_without_reference(seen: Sequence[Seen]) -> dict[str, Any]:
    """As `summarise`: number of subjects and of target scans, and statistics of every figure."""
    groups: dict[str, list[Seen]] = {}
    for one in seen:
        groups.setdefault(one.target or "all", []).append(one)
    kinds = ("structure", "wasserstein", "kernel", "cycle", "flicker")
    return {
        target: {
            "subjects": len(group),
            "target_scans": group[0].target_scans,
            **{kind: statistics([getattr(one, kind) for one in group]) for kind in kinds},
        }
        for target, group in groups.items()
    }


def statistics(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """`n`, `mean`, `sd` and `interval` of each figure; the last two are None for a single subject."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: _statistic(np.array([row[key] for row in rows if key in row])) for key in keys}


def _statistic(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    several = values.size > 1
    return {
        "n": int(values.size),
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if several else None,
        "interval": bootstrap_interval(values) if several else None,
    }


def bootstrap_interval(values: npt.NDArray[np.float64]) -> list[float]:
    """The 95 % percentile interval of the mean (Efron 1979); the same each time."""
    chance = np.random.default_rng(_SEED)
    means = values[chance.integers(0, values.size, (_RESAMPLES, values.size))].mean(axis=1)
    return [float(edge) for edge in np.percentile(means, [2.5, 97.5])]


def sign_flip_p(gains: Sequence[float]) -> float | None:
    """How often a mean gain this far from 0 would come about if each subject's sign were a coin's (Fisher 1935).

    The least that n subjects can give is 2 / 2^n, so fewer than 6 cannot be below 0.05. None for a single one.
    """
    values = np.asarray(gains, dtype=np.float64)
    if values.size < 2:
        return None
    if values.size <= _EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=values.size)))
    else:
        drawn = np.random.default_rng(_SEED).integers(0, 2, (_RESAMPLES - 1, values.size)) * 2 - 1
        signs = np.vstack([np.ones((1, values.size), dtype=drawn.dtype), drawn])  # as observed counts as one
    means = np.abs((signs * values).mean(axis=1))
    return float((means >= abs(values.mean()) * (1 - 1e-12)).mean())
