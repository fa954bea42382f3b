"""What the command and the workers of a cluster say to each other: small, and no voxels.

Dask keeps what it is given as bytes: no name of a file or patient is in a key, a log or a task graph.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medgan.errors import MedganError
from medgan.synthesis.inputs import Input
from medgan.synthesis.members import Result
from medgan.synthesis.naming import Nameable, Named
from medgan.synthesis.terms import Terms


@dataclass(frozen=True, kw_only=True)
class With:
    """The model that all scans of a command are made with, and how.

    Attributes:
        model: a model folder, or the name of a model that comes with medgan.
        digest: SHA-256 of its manifest.
        target: key of the contrast to make.
        device: as the user named it.
        force: take scans that are synthetic themselves.
        uncertainty: whether maps of it are made.
        threads: that a worker computes with; None for as many as Dask gave it.
    """

    model: str
    digest: str
    target: str
    device: str
    force: bool
    uncertainty: bool
    threads: int | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Parcel:
    """An input to look at, or to make.

    Attributes:
        one: the input, with absolute paths.
        terms: what is asked.
        using: the model.
        names: of each result; None where they are not given yet, and the input is to be looked at.
        only: the number of the one scan that is meant, of several in an archive.
        again: another worker may have begun.
    """

    one: Input
    terms: Terms
    using: With
    names: tuple[Named | None, ...] | None
    only: int | None
    again: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """What came of a parcel.

    Attributes:
        results: without voxels.
        looked: what decides the names, where that was asked.
        transient: what failed may succeed another time: it is the system's, not the scan's.
        stop: why no other scan would fare better.
        fault: a fault in medgan, and its traceback.
    """

    results: tuple[Result, ...] = ()
    looked: tuple[Nameable | None, ...] | None = None
    transient: bool = False
    stop: MedganError | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """What a worker is asked before it gets a scan.

    Attributes:
        using: the model.
        mark: a file in the folder of the results that is there as long as the command runs.
        seen: some of the inputs, and their bytes.
    """

    using: With
    mark: Path
    seen: tuple[tuple[Path, int], ...]


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What a worker says to that.

    Attributes:
        device: that it computes on, and why.
        objection: why it cannot do the work.
    """

    device: str = ""
    objection: MedganError | None = None


def packed(value: Any) -> bytes:
    """A pickle in which all paths are absolute, since a worker has a working folder of its own."""
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


def as_given(result: Result, places: Iterable[Path]) -> Result:
    """A result with its paths as the command's own, which may be relative.

    Args:
        result: of a worker.
        places: what the paths may lie below, as the user gave it; the first one that fits counts.
    """
    known = [(place.absolute(), place) for place in places]

    def given(path: Path) -> Path:
        for absolute, place in known:
            if path.is_relative_to(absolute):
                return place / path.relative_to(absolute)
        return path

    if result.error is not None and result.error.file is not None:
        result.error.file = given(result.error.file)
    return replace(result, files=tuple(given(file) for file in result.files))


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Path) and not value.is_absolute():
            return type(value), (str(value.absolute()),)
        return NotImplemented
