"""Which scans a path holds: NIfTI, pictures and DICOM series, told apart without reading them whole."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medgan.errors import InputRefusedError, MedganError
from medgan.scans.dicom_reading import Series, list_series
from medgan.scans.identity import names_person
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.picture import PICTURE_SUFFIXES
from medgan.scans.scan import Kind

_DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")
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
    """

    path: Path
    kind: Kind
    stem: str
    series: Series | None = None
    refusal: MedganError | None = None


def find_scans(path: Path) -> list[Found]:
    """Find the scans that a file or a folder holds.

    A folder is searched to its depths, in natural order (`Image #2` before `Image #10`), NIfTI and pictures
    first, then DICOM series by number; a series may lie scattered over folders. Hidden files and folders, and
    files of other kinds, are passed over. Symbolic links are followed, each folder once.

    Raises:
        InputRefusedError: there is no such path, or no scan in it.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a name that is too long, a folder above that may not be entered
        raise InputRefusedError(
            f"cannot be read: {error.strerror}", file=path, remedy="Check the path."
        ) from error
    if is_folder:
        found = _find_in(path, list(_files_below(path)))
        if not found:
            raise InputRefusedError(
                "no scan was found in this folder or below it", file=path, remedy=f"Looked for {_LOOKED_FOR}."
            )
        return found
    if not is_file:
        raise InputRefusedError("there is no such file or folder", file=path, remedy="Check the path.")
    if kind := _kind_by_name(path, alone=True):
        return [Found(path, kind, _stem(path))]
    if _is_dicom(path, trust_name=True) and (series := list_series([path])):
        found = [Found(path, "dicom", _series_stem(_stem(path), one), one, one.refusal) for one in series]
        return _with_distinct_stems(found, path.parent)
    if path.suffix.lower() == ".zip":
        raise InputRefusedError(
            "is a zip archive, which only synthesize opens itself",
            file=path,
            remedy="Unpack it first, and give the folder.",
        )
    raise InputRefusedError(
        "is not an image that medgan reads", file=path, remedy=f"medgan reads {_LOOKED_FOR}."
    )


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers inside of names by their value."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


SMALLEST_STACK = 4  # fewer numbered pictures of one name tell nothing of the head's height


def picture_rank(path: Path) -> tuple[str, int] | None:
    """The stack and place of a picture such as `Image #12.png`: all around its last number, and that number.

    None for a picture without a number: nothing tells how far up the head it lies.
    """
    match = re.fullmatch(r"(.*?)(\d{1,9})(\D*)", path.stem)
    return (f"{path.parent}/{match[1]}*{match[3]}", int(match[2])) if match else None


def _find_in(root: Path, files: list[Path]) -> list[Found]:
    found = [Found(file, kind, _stem(file)) for file in files if (kind := _kind_by_name(file))]
    others = [file for file in files if not _kind_by_name(file) and _is_dicom(file, trust_name=False)]
    for series in list_series(others) if others else ():
        folder = Path(os.path.commonpath([file.parent for file in series.files]))
        stem = _series_stem(folder.absolute().name, series, numbered=True)
        found.append(Found(folder, "dicom", stem, series, series.refusal))
    return _with_distinct_stems(found, root)


def _files_below(root: Path) -> Iterator[Path]:
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
            if (folder / file).is_file():
                yield folder / file


def _kind_by_name(path: Path, *, alone: bool = False) -> Kind | None:
    """What a name says. In a folder, a pair counts once, and what has no partner is no NIfTI at all."""
    suffix = nifti_suffix(path).lower()
    if suffix.startswith((".hdr", ".img")) and not alone:
        headers = [path.with_name(_stem(path) + header) for header in (".hdr", ".hdr.gz")]
        return "nifti" if suffix.startswith(".img") and any(h.is_file() for h in headers) else None
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
    if path.suffix.lower() in _DICOM_SUFFIXES or (trust_name and not path.suffix):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _stem(path: Path) -> str:
    """The file's name without the suffix of an image; other dots, as in a UID, stay."""
    suffix = nifti_suffix(path)
    if not suffix and path.suffix.lower() in PICTURE_SUFFIXES + _DICOM_SUFFIXES:
        suffix = path.suffix
    return path.name.removesuffix(suffix) or "image"


def _series_stem(name: str, series: Series, *, numbered: bool = False) -> str:
    """The name of its folder or file, with the series' number.

    Where that names the patient, a digest of the UID stands for it, so that series of several patients differ.
    """
    number = "series" + ("" if series.number is None else f"{series.number:03d}")
    if names_person(name, series.files):
        return f"{number}-{hashlib.sha256(series.uid.encode()).hexdigest()[:8]}"
    return f"{_safe(name)}_{number}" if numbered else _safe(name)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "dicom"


def _with_distinct_stems(found: list[Found], root: Path) -> list[Found]:
    """Put the names of parent folders before stems that occur twice, as many as it takes; else count."""
    stems = [one.stem for one in found]
    deepest = max((len(_parents(one, root)) for one in found), default=0) if _repeated(stems) else 0
    above = [_folders(one, root) for one in found] if deepest else []
    for depth in range(1, 1 + deepest):
        twice = _repeated(stems)
        stems = [
            "_".join((*folders[-depth:], one.stem)) if stem.casefold() in twice else stem
            for one, folders, stem in zip(found, above, stems, strict=True)
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


def _parents(one: Found, root: Path) -> tuple[str, ...]:
    return one.path.relative_to(root).parts[:-1] if one.path != root else ()


def _folders(one: Found, root: Path) -> tuple[str, ...]:
    """The names of the folders below the root, without those that name the patient of a DICOM series."""
    files = () if one.series is None else one.series.files
    return tuple(_safe(part) for part in _parents(one, root) if not names_person(part, files))


def _repeated(stems: Iterable[str]) -> set[str]:
    return {stem for stem, count in Counter(stem.casefold() for stem in stems).items() if count > 1}
