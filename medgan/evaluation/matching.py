"""Which scans of two or three folders show the same subject, by BIDS entities or by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.contrasts import CONTRASTS, contrast_from_name
from medgan.errors import InputRefusedError
from medgan.scans.finding import Found, search
from medgan.scans.hints import read_sidecar
from medgan.scans.identity import holds_any, told_identifiers
from medgan.scans.marks import PREVIEW, is_map
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.scan import Source

_RESULT = re.compile(r"_desc-medganFrom[A-Za-z0-9]+_([A-Za-z0-9]+)(?=-\d+$|$)")
_ENTITY = re.compile(r"(?:^|_)(sub|ses|run)-([A-Za-z0-9]+)")
_SLICE = re.compile(r"_slice[_-]?0*(\d+)(?=_|$)", re.IGNORECASE)
_SAYS_HOW = {
    "in",
    "to",
    "on",
    "reg",
    "registered",
    "space",
    "weighted",
    "w",
    "wi",
    "synthetic",
    "pred",
    "prediction",
}
_PART = re.compile(r"[ _.\-]+")

Groups = dict[str, list[Found]]


@dataclass(frozen=True, eq=False)
class Subject:
    """The scans of one subject.

    Attributes:
        name: what the subject is called in tables; names no patient, as far as is known.
        prediction: what was made, or the first of two acquired scans.
        reference: what was acquired.
        source: what the prediction was made from, if it was given.
    """

    name: str
    prediction: Found
    reference: Found
    source: Found | None = None


@dataclass(frozen=True, eq=False)
class Matching:
    """What belongs together.

    Attributes:
        subjects: in the order of the predictions.
        alone: a sentence for each scan without a partner.
    """

    subjects: tuple[Subject, ...]
    alone: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Acquired:
    """Two acquired scans of one subject."""

    name: str
    t1: Found
    t2: Found


@dataclass(frozen=True, eq=False)
class Made:
    """A prediction and what it was made from, where no reference was acquired."""

    name: str
    prediction: Found
    source: Found


def match_folders(predictions: Path, references: Path, sources: Path | None = None) -> Matching:
    """Match predictions with references, and with sources where there are any.

    Two scans are of one subject where their BIDS entities `sub`, `ses` and `run` agree, and of pictures the number
    after `slice`; without `sub-`, where their names do, without what spells a contrast and what medgan adds. Where
    several scans of a folder are of one subject, the one of the contrast that is needed is taken, and a volume rather
    than pictures.

    Raises:
        InputRefusedError: a folder is missing or holds no scan, several scans of one subject are left, or no scan
            has a partner.
    """
    made = _by_subject(_predicted(predictions))
    real, before = (
        _by_subject(search(references).scans),
        _by_subject(search(sources).scans if sources else ()),
    )
    subjects, alone = (
        [],
        _without_partner(made, real, "reference") + _without_partner(real, made, "prediction"),
    )
    for key in _in_both(made, real, predictions):
        prediction = _one(made[key], {_contrast(one) for one in real[key]}, predictions)
        reference = _one(real[key], {_contrast(prediction)}, references)
        source = None
        if sources is not None and key in before:
            source = _one(before[key], set(CONTRASTS) - {_contrast(prediction)}, sources)
        elif sources is not None:
            alone.append(f"{called(prediction)}: no source of that name, so no baselines")
        subjects.append(Subject(called(prediction), prediction, reference, source))
    return Matching(tuple(subjects), tuple(alone))


def match_sources(predictions: Path, sources: Path) -> tuple[list[Made], list[str]]:
    """Match predictions with their sources, by the rules of `match_folders`; gives also a sentence for each alone.

    Raises:
        InputRefusedError: as there.
    """
    made, before = _by_subject(_predicted(predictions)), _by_subject(search(sources).scans)
    subjects = []
    for key in _in_both(made, before, predictions):
        wanted = set(CONTRASTS) - {_contrast(one) for one in before[key]}
        prediction = _one(made[key], wanted, predictions)
        source = _one(before[key], set(CONTRASTS) - {_contrast(prediction)}, sources)
        subjects.append(Made(called(prediction), prediction, source))
    return subjects, _without_partner(made, before, "source") + _without_partner(before, made, "prediction")


def match_acquired(t1: Path, t2: Path) -> tuple[list[Acquired], list[str]]:
    """Match T1w with T2w scans, by the rules of `match_folders`; gives also a sentence for each scan alone.

    Raises:
        InputRefusedError: as there.
    """
    first, second = _by_subject(search(t1).scans), _by_subject(search(t2).scans)
    subjects = []
    for key in _in_both(first, second, t1):
        one, other = _one(first[key], {"t1"}, t1), _one(second[key], {"t2"}, t2)
        subjects.append(Acquired(called(one), one, other))
    if t1.resolve() == t2.resolve():
        return subjects, []
    return subjects, _without_partner(first, second, "T2w scan") + _without_partner(second, first, "T1w scan")


def called(found: Found | Source) -> str:
    """What to call a scan's subject: as its file, unless the JSON beside it tells that this is the patient's name."""
    stem = _without_contrast(_RESULT.sub("", found.stem))
    if found.series is not None:
        return stem  # holds no name
    ending = nifti_suffix(found.path) or found.path.suffix
    told = told_identifiers(
        read_sidecar(found.path.with_name(f"{found.path.name.removesuffix(ending)}.json"))[0]
    )
    return "a subject" if holds_any(stem, told) else stem


def _without_contrast(stem: str) -> str:
    """`sub-01` of `sub-01_T1w`; a name that is a contrast alone stays."""
    before, _, last = stem.rpartition("_")
    return before if before and contrast_from_name(last) is not None else stem


def _in_both(first: Groups, second: Groups, folder: Path) -> list[str]:
    keys = [key for key in first if key in second]
    if not keys:
        raise InputRefusedError(
            "no scan has a partner in the other folder",
            file=folder,
            remedy="Scans belong together where sub-, ses- and run- agree, or the rest of their names without the "
            f"contrast; here one folder has {_some([*first])}, the other {_some([*second])}.",
        )
    return keys


def _without_partner(groups: Groups, others: Groups, missing: str) -> list[str]:
    return [
        f"{called(one)}: no {missing} of that name"
        for key, scans in groups.items()
        if key not in others
        for one in scans
    ]


def subject_key(stem: str) -> str:
    """What a name says of the subject: its BIDS entities and slice, else its words without contrasts and additions."""
    entities = dict(_ENTITY.findall(stem))
    if "sub" in entities:
        entities |= {"slice": found[1]} if (found := _SLICE.search(stem)) else {}
        return "_".join(f"{key}-{entities[key]}" for key in ("sub", "ses", "run", "slice") if key in entities)
    words = [word for word in _PART.split(_RESULT.sub("", stem)) if word]
    return "_".join(word.casefold() for word in words if not _is_addition(word))


def _is_addition(word: str) -> bool:
    low = word.casefold()
    if low in _SAYS_HOW or re.fullmatch(r"series\d*", low):
        return True
    return contrast_from_name(word) is not None


def _predicted(folder: Path) -> Sequence[Found]:
    """What medgan made, where there is any; else all scans, which another program may have made."""
    held = search(folder)
    made = [one for one in held.results if not one.path.name.lower().endswith(PREVIEW)]
    return [one for one in made or held.scans if not is_map(one.path.name)]


def _by_subject(scans: Iterable[Found]) -> Groups:
    groups: Groups = {}
    for one in scans:
        groups.setdefault(subject_key(one.stem), []).append(one)
    return groups


def _contrast(found: Found) -> str | None:
    """The key of the contrast that a name spells; of medgan's results the one that was made."""
    made = _RESULT.search(found.stem)
    named = contrast_from_name(made[1] if made else found.stem)
    return named.key if named is not None else None


def _one(candidates: Sequence[Found], wanted: Iterable[str | None], folder: Path) -> Found:
    """The candidate that is meant.

    Args:
        candidates: scans of one subject.
        wanted: keys of the contrasts that would do.
        folder: where they lie, for the message.
    """
    fit = list(candidates)
    for rule in (lambda one: _contrast(one) in set(wanted), lambda one: one.kind != "picture"):
        if len(fit) > 1:
            fit = [one for one in fit if rule(one)] or fit
    if len(fit) == 1:
        return fit[0]
    raise InputRefusedError(
        f"holds {len(fit)} scans that may be meant for one subject: {_some([one.stem for one in fit])}",
        file=folder,
        remedy="Leave one of them in the folder, or compare them one by one: medgan evaluate PRED REF.",
    )


def _some(keys: Sequence[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:3])
    return shown + (", ..." if len(keys) > 3 else "")
