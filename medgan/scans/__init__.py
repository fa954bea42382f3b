"""Files to `Scan` and back: NIfTI, DICOM and pictures, read and written with their geometry untouched."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgan.scans.finding import Found, find_scans
    from medgan.scans.nifti import read_nifti, scan_from_image
    from medgan.scans.nifti_writing import to_image, write_nifti
    from medgan.scans.picture import read_picture, write_picture
    from medgan.scans.reading import read_scan
    from medgan.scans.scan import Scan, Source
    from medgan.scans.sheet import contact_sheet
    from medgan.scans.sidecar import build_sidecar, write_sidecar

__all__ = [
    "Found",
    "Scan",
    "Source",
    "build_sidecar",
    "contact_sheet",
    "find_scans",
    "read_nifti",
    "read_picture",
    "read_scan",
    "scan_from_image",
    "to_image",
    "write_nifti",
    "write_picture",
    "write_sidecar",
]

_HOMES = {
    "Found": "finding",
    "find_scans": "finding",
    "read_nifti": "nifti",
    "scan_from_image": "nifti",
    "to_image": "nifti_writing",
    "write_nifti": "nifti_writing",
    "contact_sheet": "sheet",
    "read_picture": "picture",
    "write_picture": "picture",
    "read_scan": "reading",
    "Scan": "scan",
    "Source": "scan",
    "build_sidecar": "sidecar",
    "write_sidecar": "sidecar",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: nibabel, Pillow and pydicom load only where they are needed."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"medgan.scans.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'medgan.scans' has no attribute {name!r}")
