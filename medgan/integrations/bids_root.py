"""Whether a folder is a raw BIDS data set, and which participants and sessions it has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from medgan.errors import InputRefusedError, UsageError
from medgan.files import kind_of
from medgan.synthesis.derivative import DESCRIPTION, read_description
from medgan.texts import natural_order

_LABEL = re.compile(r"[0-9A-Za-z+]+")
_SHOWN = 10


def participants_of(root: Path) -> list[str]:
    """The labels of those who have a folder in a raw BIDS data set.

    Raises:
        InputRefusedError: it is none, or its description cannot be read.
    """
    if kind_of(root) != "folder":
        raise InputRefusedError(
            "is no folder, and a BIDS data set is one", file=root, remedy="Give the root of the data set."
        )
    said = read_description(root)
    within = next(
        (one for one in ("rawdata", "sourcedata/raw") if kind_of(root / one / DESCRIPTION) == "file"), None
    )
    remedy = f"Its raw data set is {root / within}: give that." if within else ""
    kind, people = said.get("DatasetType", "raw"), folders(root, "sub-*")
    if kind != "raw" and not (kind == "study" and people):
        raise InputRefusedError(
            f"is a data set of type {kind}, and what was acquired lies in raw ones",
            file=root,
            remedy=remedy or "Give the raw data set; or name single scans, without --bids.",
        )
    if not people:
        raise InputRefusedError(
            "has no participant: no folder whose name begins with sub-",
            file=root,
            remedy=remedy or "Give the root of the data set, in which the folders sub-... lie.",
        )
    return people


def folders(root: Path, pattern: str) -> list[str]:
    """The labels of folders, without what they begin with."""
    found = (path for path in root.glob(pattern) if kind_of(path) == "folder")
    return sorted({path.name.partition("-")[2] for path in found}, key=natural_order)


def labels(prefix: str, given: Iterable[str]) -> list[str]:
    """Labels as users type them, with or without `sub-` or `ses-`, each once.

    Raises:
        UsageError: one is no label.
    """
    plain = [text.strip().removeprefix(f"{prefix}-") for text in given]
    for label in plain:
        if not _LABEL.fullmatch(label):
            raise UsageError(
                f"{label!r} is no label of BIDS, which is of letters and digits",
                remedy=f"Give it as the folders are called, with or without {prefix}-.",
            )
    return list(dict.fromkeys(plain))


def refuse_unknown(root: Path, prefix: str, asked: Sequence[str], known: Collection[str]) -> None:
    """Refuse labels that a data set does not have.

    Raises:
        UsageError: it does not have one of them.
    """
    unknown = [f"{prefix}-{label}" for label in asked if label not in known]
    if not unknown:
        return
    there = [f"{prefix}-{label}" for label in sorted(known, key=natural_order)]
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    raise UsageError(
        f"has no {', '.join(unknown)}",
        file=root,
        remedy=f"There are: {', '.join(there[:_SHOWN])}{more}." if there else "It has no sessions.",
    )
