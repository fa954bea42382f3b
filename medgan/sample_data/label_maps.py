"""Label maps in files: NIfTI, and FreeSurfer's own volumes as they lie in its folders of subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgan.errors import InputRefusedError
from medgan.evaluation import canonical_voxels
from medgan.scans import read_nifti
from medgan.scans.finding import file_or_folder, files_below, kind_by_name
from medgan.scans.marks import is_result_file
from medgan.scans.mgh import read_mgh
from medgan.scans.packing import mgh_suffix
from medgan.simulation import Head, labelled_head

_OF_A_SUBJECT = ("aparc+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aseg.mgz")
"""Of a subject that FreeSurfer or FastSurfer made, the label map to take: the first of these that is there."""


def label_maps(path: Path) -> list[Path]:
    """The label maps of a folder and of those below it, in natural order, or the one file.

    Where a folder `mri` holds one of `_OF_A_SUBJECT`, the folder above it is a subject's: that label map is taken and
    nothing else there, so that a folder of subjects (SUBJECTS_DIR) gives one of each.

    Raises:
        InputRefusedError: there is none, or no such path.
    """
    found = [path] if file_or_folder(path) == "file" else _in_folder(path)
    files = [
        file for file in found if mgh_suffix(file) or (kind_by_name(file, alone=file == path) == "nifti")
    ]
    files = [file for file in files if file == path or not is_result_file(file)]
    if not files:
        raise InputRefusedError(
            "holds no label maps",
            file=path,
            remedy="Give a folder of NIfTI files (.nii, .nii.gz) or of FreeSurfer's volumes (.mgz).",
        )
    return files


def _in_folder(path: Path) -> list[Path]:
    """The files below a folder, of each subject its label map alone."""
    files = list(files_below(path))
    there = set(files)
    maps = {}
    for folder in {file.parent for file in files if file.parent.name == "mri"}:
        best = [folder / name for name in _OF_A_SUBJECT if folder / name in there]
        if best:
            maps[folder.parent] = best[0]
    subject_of = {file: next((one for one in file.parents if one in maps), None) for file in files}
    return [file for file in files if (one := subject_of[file]) is None or file == maps[one]]


def read_label_map(path: Path, *, seed: int) -> Head:
    """The head of a label map in a NIfTI file or a FreeSurfer volume, in any orientation.

    Raises:
        InputRefusedError: it is damaged, its voxels are not cubes, or it is no label map of a head.
    """
    scan = read_mgh(path) if mgh_suffix(path) else read_nifti(path)
    voxels = canonical_voxels(scan)
    if max(scan.spacing) > 1.02 * min(scan.spacing):
        raise InputRefusedError(
            f"has voxels of {' x '.join(f'{side:.3g}' for side in scan.spacing)} mm, which are no cubes",
            file=path,
            remedy="Resample the label map to cubic voxels by nearest neighbour.",
        )
    labels = voxels.astype(np.int32)
    if not np.array_equal(labels, voxels):
        raise InputRefusedError(
            "has voxels that are no whole numbers, so it is no label map", file=path, remedy="Check --labels."
        )
    try:
        return labelled_head(labels, spacing_mm=float(np.mean(scan.spacing)), seed=seed)
    except InputRefusedError as error:
        raise InputRefusedError(error.cause, file=path, remedy=error.remedy) from error
