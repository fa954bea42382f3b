"""Sample data made by code: procedural heads as NIfTI, DICOM and PNG, in two unpaired folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgan.scans import write_nifti, write_picture
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source
from medgan.simulation import Head, procedural_head, simulate_pair

_SHAPE, _SPACING = (80, 96, 72), 2.2
_DESCRIPTION = "procedural head, made by code"


@dataclass(frozen=True)
class SampleData:
    """Where the sample data lie.

    Attributes:
        t1, t2: training folders with different heads, each as NIfTI, a DICOM series and PNG slices.
        held_out: a head in neither: `t1.nii.gz` and `t2.nii.gz` on one grid, the T1w as DICOM and PNG too.
    """

    t1: Path
    t2: Path
    held_out: Path


def make_sample_data(folder: Path, *, heads: int = 4, seed: int = 0) -> SampleData:
    """Write procedural heads under `folder`.

    Args:
        folder: is made.
        heads: heads in each training folder, at least 3; no head is in both.
        seed: other seeds give other people.

    Raises:
        OutputNotWrittenError: the folder cannot be written.
    """
    data = SampleData(folder / "T1", folder / "T2", folder / "held-out")
    for index in range(2 * heads):
        key, target = ("t1", data.t1) if index % 2 == 0 else ("t2", data.t2)
        head = procedural_head(seed + index + 1, shape=_SHAPE, spacing_mm=_SPACING)
        scan = _scan(head, simulate_pair(head, seed + index)[key], key)
        number = index // 2 + 1
        if number == heads - 1:
            _write_dicom(scan, target / f"head{number}", seed + index)
        elif number == heads:
            _write_pictures(scan, target / f"head{number}")
        else:
            write_nifti(scan, target / f"head{number}_{scan.source.stem}.nii.gz", description=_DESCRIPTION)
    head = procedural_head(seed, shape=_SHAPE, spacing_mm=_SPACING)
    for key, voxels in simulate_pair(head, seed + 1000).items():
        scan = _scan(head, voxels, key)
        write_nifti(scan, data.held_out / f"{key}.nii.gz", description=_DESCRIPTION)
        if key == "t1":
            _write_dicom(scan, data.held_out / "dicom", seed)
            _write_pictures(scan, data.held_out / "png")
    return data


def _scan(head: Head, voxels: np.ndarray, key: str) -> Scan:
    stem = f"{key.upper()}w"
    return Scan(
        voxels=np.round(voxels).astype(np.float32),
        affine=np.asarray(head.affine, dtype=np.float64),
        contrast=key,
        source=Source(path=Path(stem), kind="array", stem=stem),
    )


def _write_dicom(scan: Scan, folder: Path, seed: int) -> None:
    times = {"t1": (500.0, 12.0), "t2": (4500.0, 100.0)}[scan.contrast or "t1"]
    write_series(
        folder,
        scan,
        description=f"{scan.source.stem} procedural head",
        series_number=1,
        facts={"repetition_time": times[0], "echo_time": times[1], "sequence": "SE", "field_strength": 1.5},
        entropy=f"medgan-sample-{scan.contrast}-{seed}",
    )


def _write_pictures(scan: Scan, folder: Path) -> None:
    """The middle two thirds of the axial slices as 8-bit PNG in radiological display, all with one scale."""
    high = float(np.percentile(scan.voxels, 99.8))
    depth = scan.voxels.shape[2]
    for plane in range(depth // 4, depth * 11 // 12):
        shown = np.flip(scan.voxels[:, :, plane : plane + 1], (0, 1))  # RAS to a picture's left and down
        picture = Scan(voxels=np.ascontiguousarray(shown), affine=scan.affine, source=scan.source)
        write_picture(
            picture,
            folder / f"{scan.source.stem}_slice{plane:03d}.png",
            low=0.0,
            high=high,
            bits=8,
            text={"Comment": _DESCRIPTION},
        )
