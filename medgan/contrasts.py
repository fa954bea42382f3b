"""The MR contrasts that medgan knows. A third contrast is one more entry in `CONTRASTS`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medgan.errors import UsageError


@dataclass(frozen=True)
class Contrast:
    """One MR contrast.

    Attributes:
        key: the word on the command line and in settings (`t1`).
        label: the field's name, which is also the BIDS suffix (`T1w`).
        pattern: how file names and series descriptions spell it.
        echo_time: range of echo times in ms that a spin or gradient echo of this contrast has.
        repetition_time: range of repetition times in ms of the same.
    """

    key: str
    label: str
    pattern: re.Pattern[str]
    echo_time: tuple[float, float]
    repetition_time: tuple[float, float]


def _spelling(weighting: str) -> re.Pattern[str]:
    """`T1`, `t1w`, `T1-weighted`; not `T10` and not `T2*`, which is another contrast."""
    return re.compile(rf"(?<![a-z0-9]){weighting}[ -]?(w|wi|weighted)?(?![a-z0-9*])", re.IGNORECASE)


_OTHER_CONTRASTS = re.compile(
    r"flair|dark ?-?fluid"
    r"|t2[ -]?(star|\*)"
    r"|t[12](w|rho)?[ -]?map"
    r"|(?<![a-z])(stir|pdw|dwi|dti|adc|diff|diffusion|swi|bold)(?![a-z])",
    re.IGNORECASE,
)


CONTRASTS: dict[str, Contrast] = {
    c.key: c
    for c in (
        Contrast("t1", "T1w", _spelling("T1"), echo_time=(0.0, 30.0), repetition_time=(0.0, 1000.0)),
        Contrast("t2", "T2w", _spelling("T2"), echo_time=(60.0, 1000.0), repetition_time=(1500.0, 20000.0)),
    )
}


def contrast(key: str) -> Contrast:
    """The contrast of that key (`t1`) or label (`T1w`).

    Raises:
        UsageError: no such contrast.
    """
    for known in CONTRASTS.values():
        if key.lower() in (known.key, known.label.lower()):
            return known
    raise UsageError(
        f"{key!r} is not a contrast that medgan knows", remedy=f"Use one of: {', '.join(CONTRASTS)}."
    )


def other(key: str) -> Contrast:
    """The contrast that `key` is translated from (or to)."""
    return next(c for c in CONTRASTS.values() if c.key != contrast(key).key)


def contrast_from_name(text: str | Path) -> Contrast | None:
    """The one contrast that a file name or series description spells, or None where it is none or several."""
    if spells_other_contrast(text):
        return None
    found = [c for c in CONTRASTS.values() if c.pattern.search(_words(text))]
    return found[0] if len(found) == 1 else None


def spells_other_contrast(text: str | Path) -> bool:
    """Whether a name spells a contrast that medgan does not know (FLAIR, STIR, T2*, diffusion, SWI, maps)."""
    return _OTHER_CONTRASTS.search(_words(text)) is not None


def guess_contrast(
    names: Iterable[str | Path],
    *,
    echo_time: float | None = None,
    repetition_time: float | None = None,
    inversion_time: float | None = None,
) -> Contrast | None:
    """The contrast of an image: what the first name that spells any says, else what its times make likely.

    A name that spells a contrast that medgan does not know settles that it is None, whatever the times.

    Args:
        names: file name, series description, ...; the most telling first.
        echo_time: in ms, as the other times.
        repetition_time: see `contrast_from_times`.
        inversion_time: see `contrast_from_times`.
    """
    for name in names:
        if spells_other_contrast(name):
            return None
        if spelled := contrast_from_name(name):
            return spelled
    return contrast_from_times(echo_time, repetition_time, inversion_time)


def is_of_another_contrast(
    names: Iterable[str | Path], *, echo_time: float | None = None, inversion_time: float | None = None
) -> bool:
    """Whether an image is plainly neither T1w nor T2w: FLAIR, STIR, T2*, diffusion, SWI, a map.

    The first name that spells any contrast settles it; where none does, an inversion pulse with a long echo does.

    Args:
        names: file name, series description, ...; the most telling first.
        echo_time: in ms.
        inversion_time: in ms.
    """
    for name in names:
        if spells_other_contrast(name):
            return True
        if contrast_from_name(name) is not None:
            return False
    return bool(inversion_time and echo_time and echo_time > CONTRASTS["t1"].echo_time[1])


def _words(text: str | Path) -> str:
    return (text.name if isinstance(text, Path) else text).replace("_", " ")


def contrast_from_times(
    echo_time: float | None, repetition_time: float | None, inversion_time: float | None = None
) -> Contrast | None:
    """The contrast that a sequence's times in ms make likely, or None where they do not tell.

    An inversion pulse with a short echo is T1w whatever its TR (MPRAGE); with a long echo it is FLAIR or
    STIR, neither of which medgan knows.
    """
    if echo_time is None or echo_time <= 0:
        return None
    if inversion_time:
        return CONTRASTS["t1"] if echo_time <= CONTRASTS["t1"].echo_time[1] else None
    for known in CONTRASTS.values():
        low, high = known.repetition_time
        if known.echo_time[0] <= echo_time <= known.echo_time[1] and (
            repetition_time is None or low <= repetition_time <= high
        ):
            return known
    return None
