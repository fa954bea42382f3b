"""From scores and the errors that were met at them to the curves of a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgan.models.calibration import Curve

Values = npt.NDArray[np.float64]

LEVEL = 0.9
_BINS = 100
_LEAST_IN_BIN = 20
_LEAST_BOUND = 1e-3


@dataclass(frozen=True, eq=False)
class Sample:
    """Some voxels of one pair: the two signs, and the error that was met."""

    flip: Values
    cycle: Values
    error: Values


@dataclass(frozen=True, eq=False)
class Fit:
    """What was learnt of the errors: see `medgan.models.calibration.Calibration`."""

    flip: float
    cycle: float
    expected: Curve
    bound: Curve
    shares: tuple[float, float, float]
    error: float


def fit(samples: Sequence[Sample]) -> Fit:
    """Learn what the signs say of the error; each pair counts alike.

    The expected error is an isotonic regression on a weighted sum of the signs. The bound begins as the same of the
    errors' 0.9 quantile, and is then stretched so that it holds for pairs that it was not fitted to: each is left out
    in turn, and the factor is the 0.9 quantile over all of them of error / bound (cross-conformal prediction, Vovk
    2015, with the score of Romano et al., NeurIPS 2019). Voxels of a head are no independent draws, so the share holds
    over many heads, not within each.

    Args:
        samples: of two pairs or more.

    Raises:
        ValueError: fewer.
    """
    if len(samples) < 2:
        raise ValueError("a calibration needs two pairs at least")
    ratios = []
    for index, one in enumerate(samples):
        weights, _, bound = _curves([*samples[:index], *samples[index + 1 :]])
        ratios.append(one.error / bound(_score(one, weights)))
    stretch = _conformal_quantile(ratios)
    weights, expected, bound = _curves(samples)
    shares = [float((ratio <= stretch).mean()) for ratio in ratios]
    return Fit(
        flip=weights[0],
        cycle=weights[1],
        expected=expected,
        bound=Curve(at=bound.at, value=tuple(round(min(1.0, value * stretch), 6) for value in bound.value)),
        shares=(min(shares), float(np.mean(shares)), max(shares)),
        error=float(np.mean([one.error.mean() for one in samples])),
    )


def pool_adjacent_violators(values: Values, weights: Values | None = None) -> Values:
    """The nearest sequence that never falls, by weighted least squares (Barlow et al. 1972)."""
    means: list[float] = []
    masses: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values, np.ones(len(values)) if weights is None else weights, strict=True):
        means.append(float(value))
        masses.append(float(weight))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            mean, mass, count = means.pop(), masses.pop(), counts.pop()
            means[-1] = (means[-1] * masses[-1] + mean * mass) / (masses[-1] + mass)
            masses[-1] += mass
            counts[-1] += count
    return np.repeat(means, counts)


def _curves(samples: Sequence[Sample]) -> tuple[tuple[float, float], Curve, Curve]:
    """The weights of the signs, the expected error, and the bound before it is stretched."""
    samples = _of_one_size(samples)
    weights = _weights(samples)
    scores = np.concatenate([_score(one, weights) for one in samples])
    errors = np.concatenate([one.error for one in samples])
    order = np.lexsort((np.random.default_rng(0).random(len(scores)), scores))  # equal scores in random order
    count = max(1, min(_BINS, len(order) // _LEAST_IN_BIN))
    bins = np.array_split(order, count)
    at = np.array([scores[held].mean() for held in bins])
    mean = np.array([errors[held].mean() for held in bins])
    high = np.array([np.quantile(errors[held], LEVEL) for held in bins])
    return weights, _curve(at, mean), _curve(at, np.maximum(high, _LEAST_BOUND))


def _of_one_size(samples: Sequence[Sample]) -> list[Sample]:
    """As many voxels of each, evenly chosen, so that a large head counts no more than a small one."""
    size = min(len(one.error) for one in samples)
    chosen = [np.arange(size) * len(one.error) // size for one in samples]
    return [
        Sample(one.flip[held], one.cycle[held], one.error[held])
        for one, held in zip(samples, chosen, strict=True)
    ]


def _weights(samples: Sequence[Sample]) -> tuple[float, float]:
    """Least squares of the error on both signs, neither of which counts against trouble."""
    signs = np.stack([np.concatenate([getattr(one, name) for one in samples]) for name in ("flip", "cycle")])
    errors = np.concatenate([one.error for one in samples])
    centred, off = signs - signs.mean(axis=1, keepdims=True), errors - errors.mean()
    both, *_ = np.linalg.lstsq(centred.T, off, rcond=None)
    if both.min() < 0:
        along = np.maximum(centred @ off, 0)
        alone = along / np.maximum((centred**2).sum(axis=1), 1e-12)
        both = np.where(np.arange(2) == np.argmax(alone * along), alone, 0)
    flip, cycle = (round(float(weight), 6) for weight in both)
    return (flip, cycle) if max(flip, cycle) > 0 else (1.0, 1.0)


def _score(one: Sample, weights: tuple[float, float]) -> Values:
    return np.asarray(weights[0] * one.flip + weights[1] * one.cycle, dtype=np.float64)


def _curve(at: Values, values: Values) -> Curve:
    """With knots where it changes alone."""
    places, which, counts = np.unique(np.round(at, 8), return_inverse=True, return_counts=True)
    rising = pool_adjacent_violators(np.bincount(which, values) / counts, counts.astype(np.float64))
    last = len(places) - 1
    kept = [
        index
        for index in range(len(places))
        if index in (0, last) or not rising[index - 1] == rising[index] == rising[index + 1]
    ]
    return Curve(
        at=tuple(float(places[index]) for index in kept),
        value=tuple(round(float(min(1.0, rising[index])), 6) for index in kept),
    )


def _conformal_quantile(ratios: Sequence[Values]) -> float:
    """The quantile of rank ceil((n + 1) level) over all pairs, each of which counts alike."""
    size = min(len(one) for one in ratios)
    pooled = np.sort(np.concatenate([one[np.arange(size) * len(one) // size] for one in ratios]))
    rank = int(np.ceil((len(pooled) + 1) * LEVEL))
    return float(pooled[min(rank, len(pooled)) - 1])
