"""Paths as they are shown on screens and pages: without what names a patient, and without control characters.

Archives like to call the folders of an export after the patient. Such a folder is told by its place: `folder 2` is
the second one beside its like, in the order in which file managers list them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from medgan.files import kind_of
from medgan.scans.dicom_mark import looks_like_dicom
from medgan.scans.identity import holds_any, identifiers
from medgan.texts import natural_order, printable

_LOOKED_AT = 300  # files of a folder, to find a DICOM file among them


def shown_path(path: Path, *, below: Path | None = None) -> str:
    """A path as it may be shown; the DICOM files that lie there tell whether it names their patient.

    Args:
        path: as typed or found.
        below: leave out this folder and what lies above it.
    """
    try:
        return nameless(path, personal_places(islice(_dicom_files_at(path), 3)), below=below)
    except OSError:  # the working folder is gone
        return printable(path)


def personal_places(files: Iterable[Path]) -> frozenset[Path]:
    """The folders above DICOM files of one patient, and the files, whose own names give that patient away; absolute."""
    listed = [file.absolute() for file in files]
    told = identifiers(listed)
    places = {place for file in listed for place in (file, *file.parents)} if told else set()
    return frozenset(place for place in places if holds_any(place.name, told))


def nameless(path: Path, personal: Collection[Path], *, below: Path | None = None) -> str:
    """A path in which folders and files that give away a patient are told by their place among those beside them.

    Args:
        path: as typed or found.
        personal: of `personal_places`.
        below: leave out this folder and what lies above it.
    """
    whole = path.absolute()
    known = len(below.absolute().parts) if below is not None else len(whole.parts) - len(path.parts)
    places = [*reversed(whole.parents), whole][known:]
    names = [_by_place(place) if place in personal else place.name or place.anchor for place in places]
    return printable(Path(*names).as_posix()) if names or below is None else ""


def _by_place(place: Path) -> str:
    is_folder = kind_of(place) == "folder"
    called = "folder" if is_folder else "file"
    try:
        with os.scandir(place.parent) as entries:
            beside = [
                entry.name
                for entry in entries
                if entry.is_dir() == is_folder and not entry.name.startswith(".")
            ]
        return f"{called} {sorted(beside, key=natural_order).index(place.name) + 1}"
    except (OSError, ValueError):
        return called


def _dicom_files_at(path: Path) -> Iterator[Path]:
    """The file itself and others beside it, or those in and below a folder."""
    kind = kind_of(path)
    if kind == "file":
        if looks_like_dicom(path):
            yield from chain([path], _dicom_files_at(path.parent))
    elif kind == "folder":
        files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        regular = (file for file in islice(files, _LOOKED_AT) if kind_of(file) == "file")
        yield from filter(looks_like_dicom, regular)
