"""Says in words when a training goes wrong, since when, and what to do: from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean

from medgan.contrasts import CONTRASTS

Row = Mapping[str, float]

_WON_LOSS, _WON_GAP, _WON_EPOCHS = 0.02, 0.9, 3
_MARGIN = 0.2  # between correlations, above which the output is called inverted
_ENOUGH = 12  # epochs of one image size, before a trend counts
_RISEN, _LEAST_RISE = 1.3, 0.02
_FALLEN, _HIGH_CYCLE = 0.95, 0.05
_LEARNT, _UNLEARNT_ERROR = 0.9, 0.15
_ERRORS = {
    "cycle": "the way there and back of {} images",
    "identity": "{} images that should come back as they are",
    "structure": "the structure kept in synthetic {}",
    "simulated": "{} made of simulated pairs",
    "paired": "{} made of acquired pairs",
}


@dataclass(frozen=True)
class Finding:
    """Something that goes wrong.

    Attributes:
        key: what, so that it is said once.
        text: what, since when, and what to do.
    """

    key: str
    text: str


def look(losses: Sequence[Row], judged: Sequence[Row]) -> list[Finding]:
    """What goes wrong at present.

    Args:
        losses: the means of each epoch, with `epoch`, `step` and `scale`; an epoch of the warm-up on simulated pairs
            alone has no `cycle_t1`.
        judged: the figures of `Judge`, with `epoch` and `step`.
    """
    found: list[Finding] = []
    for target in CONTRASTS:
        for check in (_copies, _inverted):
            found += check(judged, target)
        found += _won(losses, target)
    found += _unlearnt(losses)
    after = [row for row in losses if "cycle_t1" in row]
    after = [row for row in after if row["scale"] == after[-1]["scale"]]
    for target in CONTRASTS:
        risen = [finding for name in _ERRORS for finding in _rising(after, name, target)]
        found += risen
        if not any(finding.key == f"rising cycle_{target}" for finding in risen):
            found += _stuck(after, target)
    return found


def _since(rows: Sequence[Row], bad: Callable[[Row], bool]) -> Sequence[Row]:
    """The rows at the end in which it is bad, without a break, the first one first."""
    return list(takewhile(bad, reversed(rows)))[::-1]


def _copies(judged: Sequence[Row], target: str) -> Iterator[Finding]:
    bad = _since(judged, lambda row: row.get(f"copy_{target}", 0) > 0)
    if bad:
        yield Finding(
            f"copy {target}",
            f"Since epoch {_epoch(bad[0])} the synthetic {_label(target)} equals its source: the generator copies. "
            "Lower losses.identity and losses.cycle, or warm up on simulated pairs (simulation.heads, "
            "simulation.warmup).",
        )


def _inverted(judged: Sequence[Row], target: str) -> Iterator[Finding]:
    def bad(row: Row) -> bool:
        like_target = row.get(f"like_target_{target}", 1.0)
        return row.get(f"like_source_{target}", -1.0) > like_target + _MARGIN

    if since := _since(judged, bad):
        yield Finding(
            f"inverted {target}",
            f"Since epoch {_epoch(since[0])} the contrast of the synthetic {_label(target)} is inverted: over the "
            "head, bright and dark lie as in the source rather than as in the target. Unpaired training settles on "
            "either: warm up on simulated pairs (simulation.heads, simulation.warmup), or try another --seed.",
        )


def _won(losses: Sequence[Row], target: str) -> Iterator[Finding]:
    def bad(row: Row) -> bool:
        gap = row.get(f"real_{target}", 0.0) - row.get(f"fake_{target}", 0.0)
        return row.get(f"discriminator_{target}", 1.0) < _WON_LOSS and gap > _WON_GAP

    since = _since(losses, bad)
    if len(since) >= _WON_EPOCHS:
        yield Finding(
            f"won {target}",
            f"The {_label(target)} discriminator has won since epoch {_epoch(since[0])}: it tells all fakes, so the "
            "generator learns nothing from it. Resume with a lower optimiser.learning_rate; for a new training "
            "take discriminator.augment=true, fewer discriminator.channels, or more scans.",
        )


def _unlearnt(losses: Sequence[Row]) -> Iterator[Finding]:
    warmup = list(takewhile(lambda row: "cycle_t1" not in row, losses))
    if len(warmup) == len(losses) or len(warmup) < 2:
        return
    for target in CONTRASTS:
        first, last = (row.get(f"simulated_{target}", 0.0) for row in (warmup[0], warmup[-1]))
        if last > _LEARNT * first and last > _UNLEARNT_ERROR:
            yield Finding(
                f"unlearnt {target}",
                f"Nothing was learnt of {_label(target)} in the warm-up: its error on simulated pairs was {first:.3f} "
                f"in epoch {_epoch(warmup[0])} and {last:.3f} in epoch {_epoch(warmup[-1])}. Lengthen it "
                "(simulation.warmup, training.epochs) or raise optimiser.learning_rate.",
            )


def _rising(rows: Sequence[Row], name: str, target: str) -> Iterator[Finding]:
    values = _smooth(rows, f"{name}_{target}")
    if not values:
        return
    least = min(range(len(values)), key=values.__getitem__)
    low, now = values[least], values[-1]
    if now > _RISEN * low and now > low + _LEAST_RISE:
        window = len(rows) - len(values)
        yield Finding(
            f"rising {name}_{target}",
            f"The error of {_ERRORS[name].format(_label(target))} has risen by {now / low - 1:.0%} since epoch "
            f"{_epoch(rows[least + window // 2])}. A rate that is too high does that, or a loss that pulls elsewhere: "
            f"resume with a lower optimiser.learning_rate; for a new training look at the weights of the losses.",
        )


def _stuck(rows: Sequence[Row], target: str) -> Iterator[Finding]:
    values = _smooth(rows, f"cycle_{target}")
    if values and values[-1] > _FALLEN * values[0] and values[-1] > _HIGH_CYCLE:
        yield Finding(
            f"stuck {target}",
            f"The cycle error of {_label(target)} has not fallen since epoch {_epoch(rows[0])} ({values[0]:.3f}, now "
            f"{values[-1]:.3f}): what is made does not hold enough of its source to come back. Raise losses.cycle, "
            "or give the generator more channels.",
        )


def _smooth(rows: Sequence[Row], name: str) -> list[float]:
    """Running means of a loss; nothing where there are too few."""
    values = [row[name] for row in rows if name in row]
    if len(values) < max(_ENOUGH, len(rows)):
        return []
    window = max(3, len(values) // 8)
    return [fmean(values[start : start + window]) for start in range(len(values) - window + 1)]


def _epoch(row: Row) -> str:
    return f"{row['epoch']:.0f}"


def _label(key: str) -> str:
    return CONTRASTS[key].label
