"""What is made by code, written as a scanner's export would be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medgan.contrasts import contrast
from medgan.scans import write_picture
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source


def made_scan(affine: np.ndarray, voxels: np.ndarray, key: str, *, name: str = "") -> Scan:
    """An image (X, Y, Z) in whole numbers as a scan called `<name>_T1w` or `<name>_T2w`."""
    stem = f"{name}_{contrast(key).label}".lstrip("_")
    return Scan(
        voxels=np.round(voxels).astype(np.float32),
        affine=np.asarray(affine, dtype=np.float64),
        contrast=key,
        source=Source(path=Path(stem), kind="array", stem=stem),
    )


def write_dicom(scan: Scan, folder: Path, entropy: str, *, facts: Mapping[str, Any], said: str = "") -> None:
    """A series; scans of the same entropy are of one study, `said` is its description."""
    write_series(
        folder,
        scan,
        description=said or f"{scan.source.stem} procedural head",
        series_number=1,
        facts=facts,
        entropy=entropy,
    )


def write_pictures(scan: Scan, folder: Path, *, said: str) -> None:
    """The middle two thirds of the axial slices as 8-bit PNG in radiological display, all with one scale."""
    high = max(float(np.percentile(scan.voxels, 99.8)), 1.0)
    depth = scan.voxels.shape[2]
    for plane in range(depth // 4, depth * 11 // 12):
        if scan.voxels[:, :, plane].max() < 0.1 * high:
            continue  # above or below a stripped brain
        shown = np.flip(scan.voxels[:, :, plane : plane + 1], (0, 1))  # RAS to a picture's left and down
        picture = Scan(voxels=np.ascontiguousarray(shown), affine=scan.affine, source=scan.source)
        write_picture(
            picture,
            folder / f"{scan.source.stem}_slice{plane:03d}.png",
            low=0.0,
            high=high,
            bits=8,
            text={"Comment": said},
        )
