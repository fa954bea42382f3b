"""What a result and its sidecar call the scan that it was made from, so that neither gives away a patient.

The name of a DICOM export is compared with its own header where scans are found. NIfTI and pictures hold no
identity; what is known of it is in the series that they are said to come from, or in the JSON beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from medgan.scans import Found
from medgan.scans.finding import folder_names
from medgan.scans.hints import read_sidecar
from medgan.scans.identity import holds_any, identifiers, told_identifiers
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.scan import Source
from medgan.scans.sidecar import source_name
from medgan.synthesis.destination import Destination

_BIDS = re.compile(r"sub-[A-Za-z0-9]+(_|$)")


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


def call(found: Found, destination: Destination, *, contents: str) -> Called:
    """What to call a scan in what is written.

    Its own name, unless that gives away the patient as far as is known: by the series of `--reference`, or by a
    JSON beside the image that holds PatientName, PatientID or the like. De-identified results keep names that
    begin as BIDS has it (`sub-01_...`) alone, and their sidecars none. Others are called `image-1a2b3c4d`, or
    `series004-1a2b3c4d` after the number of a DICOM series, by the first letters of the checksum.

    Args:
        found: the scan.
        destination: where results go.
        contents: SHA-256 of the scan's files, names apart.
    """
    deidentified = destination.deidentifier is not None
    given_away = _gives_away(found, destination)
    if given_away or (deidentified and not _BIDS.match(found.stem)):
        hidden = () if found.series is not None else (found.path.name, _sidecar(found.path).name)
        return Called(stem=f"{_kind(found)}-{contents[:8]}", source=f"sha256:{contents}", hidden=hidden)
    return Called(stem=found.stem, source=f"sha256:{contents}" if deidentified else None)


def named_after(called: Called, found: Found, *, archive: Path | None) -> Iterator[Called]:
    """The name, and others for when a result of the same command has it: after the archive, then numbered."""
    yield called
    if archive is not None and called.source is None:
        for name in folder_names([archive.stem], found):
            yield replace(called, stem=f"{name}_{called.stem}")
    for number in count(2):
        yield replace(called, stem=f"{called.stem}-{number}")


def _gives_away(found: Found, destination: Destination) -> bool:
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
