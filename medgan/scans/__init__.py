"""Files to `Scan` and back: NIfTI, DICOM and pictures, read and written with their geometry untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

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

__getattr__ = lazy_names(
    __name__,
    {
        "Found": "medgan.scans.finding",
        "find_scans": "medgan.scans.finding",
        "read_nifti": "medgan.scans.nifti",
        "scan_from_image": "medgan.scans.nifti",
        "to_image": "medgan.scans.nifti_writing",
        "write_nifti": "medgan.scans.nifti_writing",
        "contact_sheet": "medgan.scans.sheet",
        "read_picture": "medgan.scans.picture",
        "write_picture": "medgan.scans.picture",
        "read_scan": "medgan.scans.reading",
        "Scan": "medgan.scans.scan",
        "Source": "medgan.scans.scan",
        "build_sidecar": "medgan.scans.sidecar",
        "write_sidecar": "medgan.scans.sidecar",
    },
)
