"""What a result and its sidecar call the scan that it was made from, so that neither gives away a patient.

The name of a DICOM export is compared with its own header where scans are found. NIfTI and pictures hold no
identity; what is known of it is in the series that they are said to come from, or in the JSON beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from medgan.scans import Found
from medgan.scans.finding import folder_names
from medgan.scans.hints import read_sidecar
from medgan.scans.identity import holds_any, identifiers, told_identifiers
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.scan import Kind, Source
from medgan.scans.sidecar import source_name
from medgan.synthesis.destination import Destination, Plan, plan_outputs
from medgan.synthesis.terms import Terms

_BIDS = re.compile(r"sub-[A-Za-z0-9+]+(_|$)")


@dataclass(frozen=True, kw_only=True)
class Called:
    """What is written of a scan's name.

    Attributes:
        stem: what the result is called after.
        source: what `Sources` of the sidecar says; None for what it says by itself.
        hidden: names of files that must not be written.
    """

    stem: str
    source: str | None = None
    hidden: tuple[str, ...] = ()

    def in_words(self, text: str) -> str:
        """A sentence about the scan, without the names that must not be written."""
        for name in self.hidden:
            text = text.replace(name, f"{self.stem}{Path(name).suffix}")
        return text


@dataclass(frozen=True, kw_only=True)
class Nameable:
    """What decides the names of a scan's results; small, so that who names need not be who looks.

    Attributes:
        called: what to call it, as far as no other result has that name.
        kind: of the scan, as in `Found.kind`.
        archive: the name of the archive that it lies in, as a name may hold it; empty where there is none.
    """

    called: Called
    kind: Kind
    archive: str = ""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A scan and the files that its result will be.

    Attributes:
        scan: which one was named.
        called: what it is called.
        plan: its files.
    """

    scan: Nameable
    called: Called
    plan: Plan


class Names:
    """Gives each result of a command files of its own, in the order in which they are asked for."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._taken: set[str] = set()

    def give(self, scan: Nameable) -> Named:
        """The files of a result, under a name that no other result of this command has.

        Raises:
            UsageError: the destination does not go with the scan, or its name is too long.
        """
        terms = self._terms
        for called in _ways_to_call(scan):
            plan = plan_outputs(
                called.stem,
                scan.kind,
                terms.destination,
                source_contrast=terms.source,
                target=terms.target,
                maps=terms.maps,
            )
            key = str(plan.sidecar).casefold()
            if key not in self._taken or terms.destination.is_file:
                break
        self._taken.add(key)
        return Named(scan=scan, called=called, plan=plan)


def nameable(
    found: Found, destination: Destination, *, contents: Callable[[], str], archive: Path | None
) -> Nameable:
    """What decides the names of a scan's results.

    Args:
        found: the scan.
        destination: where results go.
        contents: gives the SHA-256 of the scan's files, names apart; asked for only where its own name may not be
            written.
        archive: the archive that it lies in.
    """
    called = call(found, destination, contents=contents)
    named_by = folder_names([archive.stem], found) if archive is not None and called.source is None else ()
    return Nameable(called=called, kind=found.kind, archive="".join(named_by))


def is_called_by_contents(found: Found, destination: Destination) -> bool:
    """Whether what is written of a scan's name depends on what its files hold."""
    return destination.deidentifier is not None or _gives_away(found, destination)


def call(found: Found, destination: Destination, *, contents: Callable[[], str]) -> Called:
    """What to call a scan in what is written.

    Its own name, unless that gives away the patient as far as is known: by the series of `--reference`, or by a
    JSON beside the image that holds PatientName, PatientID or the like. De-identified results keep names that
    begin as BIDS has it (`sub-01_...`) alone, and their sidecars none. Others are called `image-1a2b3c4d`, or
    `series004-1a2b3c4d` after the number of a DICOM series, by the first letters of the checksum. A derivative of a
    BIDS data set has the labels of that data set, which are its own to choose.

    Args:
        found: the scan.
        destination: where results go.
        contents: gives the SHA-256 of the scan's files, names apart.
    """
    deidentified = destination.deidentifier is not None
    given_away = _gives_away(found, destination)
    if given_away or (deidentified and not _BIDS.match(found.stem)):
        digest = contents()
        hidden = () if found.series is not None else (found.path.name, _sidecar(found.path).name)
        return Called(stem=f"{_kind(found)}-{digest[:8]}", source=f"sha256:{digest}", hidden=hidden)
    return Called(stem=found.stem, source=f"sha256:{contents()}" if deidentified else None)


def _ways_to_call(scan: Nameable) -> Iterator[Called]:
    """Its name, and others for when a result of the same command has it: after the archive, then numbered."""
    called = scan.called
    yield called
    if scan.archive:
        yield replace(called, stem=f"{scan.archive}_{called.stem}")
    for number in count(2):
        yield replace(called, stem=f"{called.stem}-{number}")


def _gives_away(found: Found, destination: Destination) -> bool:
    if destination.raw is not None:
        return False
    told = identifiers(destination.reference.files) if destination.reference is not None else frozenset()
    if found.series is None:
        told |= told_identifiers(read_sidecar(_sidecar(found.path))[0])
    if not told:
        return False
    written = source_name(Source(path=found.path, kind=found.kind, stem=found.stem))
    return holds_any(found.stem, told) or holds_any(written, told)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(nifti_suffix(path) or path.suffix) + ".json")


def _kind(found: Found) -> str:
    if found.series is None:
        return "image"
    return "series" if found.series.number is None else f"series{found.series.number:03d}"
