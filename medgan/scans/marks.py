"""Whether an image in a file is one that medgan made: by the marks that its results carry."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from html import unescape
from pathlib import Path

from medgan.files import kind_of
from medgan.scans.dicom_reading import Series
from medgan.scans.hints import is_result, read_sidecar, says_synthetic
from medgan.scans.nifti_file import description_of, nifti_suffix, read_header

_PAGE_DESCRIPTION = re.compile(rb'<meta name="description" content="([^"]*)">')
_PAGE_HEAD = 4096  # bytes, in which a page of ours has said what it is
MAPS: Mapping[str, str] = {"expected": "Uncertainty", "bound": "Bound90"}
"""What the names of maps beside a synthetic image say in `desc-`: the error to expect, and the bound on it."""
PREVIEW = "_preview.png"
"""How the name of a preview beside a synthetic image ends."""
_MAP = re.compile(rf"desc-medgan[a-z0-9]*({'|'.join(MAPS.values())})(?![a-z0-9])", re.IGNORECASE)


def is_map(name: str) -> bool:
    """Whether a file is, by its name, a map of how far a synthetic image may be off, and so no image of a head."""
    return _MAP.search(name) is not None


def is_beside(name: str) -> bool:
    """Whether a result of medgan is, by its name, a map or a preview that lies beside an image, and no image itself."""
    return is_map(name) or name.lower().endswith(PREVIEW)


def is_synthetic_image(path: Path) -> bool:
    """Whether a NIfTI file, a PNG, a page or a folder of DICOM files carries medgan's mark; False where unreadable.

    The image itself tells, not its name nor what lies beside it.
    """
    try:
        if kind_of(path) == "folder":
            return _is_synthetic_series(path)
        return says_synthetic(_description(path))
    except Exception:  # noqa: BLE001 - whatever is in the way, and cannot be read, is not medgan's
        return False


def is_result_file(path: Path) -> bool:
    """Whether a NIfTI file or a picture is a result of medgan: by its name, its sidecar or the image itself."""
    sidecar = path.with_name(path.name.removesuffix(nifti_suffix(path) or path.suffix) + ".json")
    return is_result(path.name, read_sidecar(sidecar)[0], "") or is_synthetic_image(path)


def is_result_series(series: Series) -> bool:
    """Whether a DICOM series is one that medgan derived: synthetic, of its manufacture."""
    return series.facts.get("synthetic") is True and series.facts.get("manufacturer") == "medgan"


def _description(path: Path) -> str:
    if nifti_suffix(path):
        return description_of(read_header(path))
    if path.suffix.lower() == ".html":
        with path.open("rb") as stream:
            found = _PAGE_DESCRIPTION.search(stream.read(_PAGE_HEAD))
        return unescape(found[1].decode()) if found else ""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a picture of absurd size is none of ours
        with Image.open(path, formats=("PNG",)) as picture:
            return str(picture.info.get("Description", ""))


def _is_synthetic_series(folder: Path) -> bool:
    """A folder of nothing but DICOM files that are marked (SyntheticData, 0008,001C)."""
    from medgan.scans.dicom_files import pydicom_without_warnings, read_dataset

    with pydicom_without_warnings():
        marks = [
            read_dataset(file, tags=("SyntheticData",), pixels=False).get("SyntheticData")
            for file in folder.iterdir()
            if not file.name.startswith(".")
        ]
    return bool(marks) and all(mark == "YES" for mark in marks)
