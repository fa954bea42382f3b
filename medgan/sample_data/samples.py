"""Sample data made by code: procedural heads as NIfTI, DICOM and PNG, in two unpaired folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medgan.sample_data.writing import made_scan, write_dicom, write_pictures
from medgan.scans import write_nifti
from medgan.simulation import procedural_head, simulate_pair

_SHAPE, _SPACING = (80, 96, 72), 2.2
_DESCRIPTION = "procedural head, made by code"
_FACTS = {
    "t1": {"repetition_time": 500.0, "echo_time": 12.0, "sequence": "SE", "field_strength": 1.5},
    "t2": {"repetition_time": 4500.0, "echo_time": 100.0, "sequence": "SE", "field_strength": 1.5},
}


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
        scan = made_scan(head.affine, simulate_pair(head, seed + index)[key], key)
        number = index // 2 + 1
        if number == heads - 1:
            write_dicom(
                scan, target / f"head{number}", f"medgan-sample-{key}-{seed + index}", facts=_FACTS[key]
            )
        elif number == heads:
            write_pictures(scan, target / f"head{number}", said=_DESCRIPTION)
        else:
            write_nifti(scan, target / f"head{number}_{scan.source.stem}.nii.gz", description=_DESCRIPTION)
    head = procedural_head(seed, shape=_SHAPE, spacing_mm=_SPACING)
    for key, voxels in simulate_pair(head, seed + 1000).items():
        scan = made_scan(head.affine, voxels, key)
        write_nifti(scan, data.held_out / f"{key}.nii.gz", description=_DESCRIPTION)
        if key == "t1":
            write_dicom(scan, data.held_out / "dicom", f"medgan-sample-{key}-{seed}", facts=_FACTS[key])
            write_pictures(scan, data.held_out / "png", said=_DESCRIPTION)
    return data
