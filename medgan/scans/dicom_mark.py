"""Which files are taken for DICOM before they are opened as such."""

from __future__ import annotations

from pathlib import Path

DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")


def looks_like_dicom(file: Path) -> bool:
    """Whether a file has a name that DICOM files have, or DICOM's mark (PS3.10 section 7.1)."""
    if file.suffix.lower() in DICOM_SUFFIXES:
        return True
    try:
        with file.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False
