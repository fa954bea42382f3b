"""Whether a file that lies where a result is to be written is itself one: by the mark in the image alone."""

from __future__ import annotations

import re
from pathlib import Path

from medgan.scans.nifti_file import nifti_suffix

_OURS = re.compile(r"^medgan\b.*\bsynthetic\b", re.IGNORECASE)


def says_synthetic(description: str) -> bool:
    """Whether a description (NIfTI's `descrip`, a PNG's) is one that medgan writes into its images."""
    return _OURS.search(description) is not None


def is_synthetic_image(path: Path) -> bool:
    """Whether a NIfTI file, a PNG, or a folder of DICOM files carries medgan's mark; False where unreadable."""
    try:
        if path.is_dir():
            return _is_synthetic_series(path)
        if nifti_suffix(path):
            import nibabel

            header = nibabel.load(path).header
            return says_synthetic(bytes(header["descrip"].item()).decode("latin-1"))
        from PIL import Image

        with Image.open(path, formats=("PNG",)) as picture:
            return says_synthetic(str(picture.info.get("Description", "")))
    except Exception:  # noqa: BLE001 - whatever is in the way, and cannot be read, is not medgan's
        return False


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
