"""Which scans a path holds: NIfTI, pictures and DICOM series, told apart without reading them whole."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medgan.errors import InputRefusedError, MedganError
from medgan.files import kind_of
from medgan.scans.dicom_mark import DICOM_SUFFIXES, looks_like_dicom
from medgan.scans.dicom_reading import Series, list_series
from medgan.scans.identity import names_person
from medgan.scans.marks import is_beside, is_result_file, is_result_series
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.packing import mgh_suffix
from medgan.scans.picture import PICTURE_SUFFIXES
from medgan.scans.scan import Kind
from medgan.scans.shown_paths import personal_places
from medgan.texts import natural_order

_LOOKED_FOR = "NIfTI (.nii, .nii.gz, .hdr with .img), DICOM, PNG and JPEG"


@dataclass(frozen=True)
class Found:
    """A scan that was found and not read yet.

    Attributes:
        path: the file; for a DICOM series the folder that holds all its files, or its only file.
        kind: `nifti`, `dicom` or `picture`.
        stem: the name that outputs are called after; no two of one search have the same, whatever their case.
            Of DICOM it holds nothing that names the patient, though the path may.
        series: for DICOM, the series.
        refusal: why it cannot be read, where that is known already.
        inherited: JSON files whose entries hold where the one beside it says nothing, the nearest first (BIDS,
            inheritance principle).
    """

    path: Path
    kind: Kind
    stem: str
    series: Series | None = None
    refusal: MedganError | None = None
    inherited: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Search:
    """What a path holds.

    Attributes:
        scans: what may be used, in the order of `find_scans`.
        results: what medgan itself made and that lies among them.
    """

    scans: tuple[Found, ...]
    results: tuple[Found, ...] = ()

    @property
    def left_out(self) -> str:
        """What was left out, for a user to be told; empty where that is nothing."""
        count = len(self.results)
        return f"{count} result{'s' if count > 1 else ''} of medgan left out" if count else ""


def find_scans(path: Path) -> list[Found]:
    """Find the scans that a file or a folder holds, without what medgan made of others.

    A folder is searched to its depths, in natural order (`Image #2` before `Image #10`), NIfTI and pictures
    first, then DICOM series by number; a series may lie scattered over folders. Hidden files and folders, and
    files of other kinds, are passed over. Symbolic links are followed, each folder once.

    Raises:
        InputRefusedError: there is no such path, or no scan in it.
    """
    return list(search(path).scans)


def search(path: Path) -> Search:
    """As `find_scans`; medgan's own results in a folder are left out of the scans, and told.

    A result that is named itself, and a folder of nothing but results, are meant: they are scans like others,
    which reading says to be synthetic.

    Raises:
        InputRefusedError: as `find_scans`.
    """
    if file_or_folder(path) == "file":
        return Search(tuple(_find_at(path)))
    found = _find_in(path, list(files_below(path)))
    if not found.scans:
        raise InputRefusedError(
            "no scan was found in this folder or below it", file=path, remedy=f"Looked for {_LOOKED_FOR}."
        )
    return found


def file_or_folder(path: Path) -> Literal["file", "folder"]:
    """Which of both an input is.

    Raises:
        InputRefusedError: neither.
    """
    kind = kind_of(path)
    if kind == "unreachable":
        raise InputRefusedError(
            "cannot be reached: a folder above it may not be entered, or its name is too long",
            file=path,
            remedy="Check the path, and who may read it.",
        )
    if kind == "file" or kind == "folder":
        return kind
    raise InputRefusedError("there is no such file or folder", file=path, remedy="Check the path.")


def _find_at(path: Path) -> list[Found]:
    """The scan that a file is, or the DICOM series that it holds images of."""
    if kind := kind_by_name(path, alone=True):
        return [Found(path, kind, _stem(path))]
    if _is_dicom(path, trust_name=True) and (series := list_series([path])):
        found = [Found(path, "dicom", _series_stem(_stem(path), one), one, one.refusal) for one in series]
        return with_distinct_stems(found, lambda one: _folders(one, path.parent))
    if mgh_suffix(path):
        raise InputRefusedError(
            "is a FreeSurfer volume, which medgan reads as a label map alone (--labels)",
            file=path,
            remedy="Convert it to NIfTI first: mri_convert IN.mgz OUT.nii.gz.",
        )
    if path.suffix.lower() == ".zip":
        raise InputRefusedError(
            "is a zip archive, which only synthesize opens itself",
            file=path,
            remedy="Unpack it first, and give the folder.",
        )
    raise InputRefusedError(
        "is not an image that medgan reads", file=path, remedy=f"medgan reads {_LOOKED_FOR}."
    )


def personal_places_of(found: Iterable[Found]) -> frozenset[Path]:
    """The folders and files that are called after the patients of the DICOM series among `found`; absolute."""
    series = [one.series for one in found if one.series is not None]
    return frozenset().union(*(personal_places(one.files) for one in series))


SMALLEST_STACK = 4  # fewer numbered pictures of one name tell nothing of the head's height


def picture_rank(path: Path) -> tuple[str, int] | None:
    """The stack and place of a picture such as `Image #12.png`: all around its last number, and that number.

    None for a picture without a number: nothing tells how far up the head it lies.
    """
    match = re.fullmatch(r"(.*?)(\d{1,9})(\D*)", path.stem)
    return (f"{path.parent}/{match[1]}*{match[3]}", int(match[2])) if match else None


def _find_in(root: Path, files: list[Path]) -> Search:
    found = [Found(file, kind, _stem(file)) for file in files if (kind := kind_by_name(file))]
    others = [file for file in files if not kind_by_name(file) and _is_dicom(file, trust_name=False)]
    for series in list_series(others) if others else ():
        folder = Path(os.path.commonpath([file.parent for file in series.files]))
        stem = _series_stem(folder.absolute().name, series, numbered=True)
        found.append(Found(folder, "dicom", stem, series, series.refusal))
    scans: list[Found] = []
    results: list[Found] = []
    for one in found:
        (results if _is_result(one) else scans).append(one)
    if not scans:
        scans, results = [one for one in results if not is_beside(one.path.name)], []
    apart = [with_distinct_stems(some, lambda one: _folders(one, root)) for some in (scans, results)]
    return Search(tuple(apart[0]), tuple(apart[1]))


def _is_result(found: Found) -> bool:
    return is_result_series(found.series) if found.series is not None else is_result_file(found.path)


def files_below(root: Path) -> Iterator[Path]:
    """Visible regular files (also by link) below `root`, in natural order.

    Each folder is visited once, and a link to a folder that `root` lies in is not followed.
    """
    above = [folder.stat() for folder in root.resolve().parents]
    visited = {(status.st_dev, status.st_ino) for status in above}
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:  # a link back to where we have been
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural_order)
        for file in sorted((f for f in files if not f.startswith(".")), key=natural_order):
            if kind_of(folder / file) == "file":
                yield folder / file


def kind_by_name(path: Path, *, alone: bool = False) -> Kind | None:
    """What a name says. In a folder, a pair counts once, and what has no partner is no NIfTI at all."""
    suffix = nifti_suffix(path).lower()
    if suffix.startswith((".hdr", ".img")) and not alone:
        name = path.name[: -len(suffix)]
        headers = [path.with_name(name + header) for header in (".hdr", ".hdr.gz")]
        return (
            "nifti"
            if suffix.startswith(".img") and any(kind_of(header) == "file" for header in headers)
            else None
        )
    if suffix:
        return "nifti"
    return "picture" if path.suffix.lower() in PICTURE_SUFFIXES else None


def _is_dicom(path: Path, *, trust_name: bool) -> bool:
    """Whether the file has DICOM's mark (PS3.10 section 7.1) or a name that DICOM files have.

    Args:
        path: the file.
        trust_name: try a file without suffix even though it lacks the mark, since the user named it.
    """
    if path.name.upper() == "DICOMDIR":
        return False
    return looks_like_dicom(path) or (trust_name and not path.suffix)


def _stem(path: Path) -> str:
    """The file's name without the suffix of an image; other dots, as in a UID, stay, and what is not seen goes."""
    suffix = nifti_suffix(path)
    if not suffix and path.suffix.lower() in PICTURE_SUFFIXES + DICOM_SUFFIXES:
        suffix = path.suffix
    stem = path.name.removesuffix(suffix)
    return "".join(letter if letter.isprintable() else "-" for letter in stem) or "image"


def _series_stem(name: str, series: Series, *, numbered: bool = False) -> str:
    """The name of its folder or file, with the series' number.

    Where that names the patient, a digest of the UID stands for it, so that series of several patients differ.
    """
    number = "series" + ("" if series.number is None else f"{series.number:03d}")
    if names_person(name, series.files):
        return f"{number}-{hashlib.sha256(series.uid.encode()).hexdigest()[:8]}"
    return f"{safe_name(name)}_{number}" if numbered else safe_name(name)


def safe_name(name: str) -> str:
    """A name in letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "dicom"


def with_distinct_stems(found: list[Found], above: Callable[[Found], tuple[str, ...]]) -> list[Found]:
    """Put the names of parent folders before stems that occur twice, as many as it takes; else count.

    Args:
        found: scans.
        above: the names of the folders that one lies in, outermost first (see `folder_names`).
    """
    stems = [one.stem for one in found]
    parents = _telling(found, above)
    for depth in range(1, 1 + max(map(len, parents), default=0)):
        twice = _repeated(stems)
        stems = [
            "_".join((*folders[-depth:], one.stem)) if stem.casefold() in twice else stem
            for one, folders, stem in zip(found, parents, stems, strict=True)
        ]
    taken: set[str] = set()
    for index, stem in enumerate(stems):
        number, distinct = 1, stem
        while distinct.casefold() in taken:
            number += 1
            distinct = f"{stem}-{number}"
        taken.add(distinct.casefold())
        stems[index] = distinct
    return [replace(one, stem=stem) for one, stem in zip(found, stems, strict=True)]


def _telling(found: list[Found], above: Callable[[Found], tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The folders above each scan, without those that all scans of its stem lie in."""
    twice = _repeated(one.stem for one in found)
    alike: dict[str, list[tuple[str, ...]]] = {}
    parents = [above(one) if one.stem.casefold() in twice else () for one in found]
    for one, folders in zip(found, parents, strict=True):
        alike.setdefault(one.stem.casefold(), []).append(folders)
    shared = {
        stem: len(os.path.commonprefix(several))  # noqa: RUF071 - of names, not of letters
        for stem, several in alike.items()
    }
    return [folders[shared[one.stem.casefold()] :] for one, folders in zip(found, parents, strict=True)]


def _parents(one: Found, root: Path) -> tuple[str, ...]:
    return one.path.relative_to(root).parts[:-1] if one.path != root else ()


def _folders(one: Found, root: Path) -> tuple[str, ...]:
    return folder_names(_parents(one, root), one)


def folder_names(parts: Iterable[str], one: Found) -> tuple[str, ...]:
    """Names of folders as stems may hold them, without those that name the patient of a DICOM series."""
    files = () if one.series is None else one.series.files
    return tuple(safe_name(part) for part in parts if not names_person(part, files))


def _repeated(stems: Iterable[str]) -> set[str]:
    return {stem for stem, count in Counter(stem.casefold() for stem in stems).items() if count > 1}
