"""What the documentation's snippets are given: small heads of 5 mm, made by code, under the names that pages use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from snippets import ROOT

from medgan.sample_data.writing import made_scan, write_pictures
from medgan.scans import write_nifti
from medgan.scans.dicom_writing import write_series
from medgan.simulation import Head, procedural_head, simulate_pair

SHAPE, SPACING = (32, 40, 16), 5.0
"""Whole heads, so small that a network is done with one in a fraction of a second."""
_CODES = {
    **{
        "csf": 24,
        "grey_matter": 3,
        "white_matter": 2,
        "deep_grey": 11,
        "pallidum": 13,
        "blood": 502,
        "bone": 515,
    },
    **{"marrow": 516, "fat": 507, "muscle": 507, "skin": 511, "mucosa": 509, "vitreous": 506},
}
_FACTS: dict[str, dict[str, Any]] = {
    "t1": {"repetition_time": 500.0, "echo_time": 12.0, "sequence": "SE", "field_strength": 1.5},
    "t2": {"repetition_time": 4500.0, "echo_time": 100.0, "sequence": "SE", "field_strength": 1.5},
}
LABELS = {"t1": "T1w", "t2": "T2w"}


def make(folder: Path) -> None:
    """Write under `folder` what every page may use.

    scan.nii.gz, t2.nii.gz: T1w and T2w of one head.
    T1/, T2/: the two contrasts of two other heads, as `sub-01_T1w.nii.gz` and so on.
    SERIES/: the T1w of scan.nii.gz as a DICOM series. STUDY/: its T1w and T2w, series 4 and 5.
    labels.nii.gz: a label map with FreeSurfer's codes.
    BIDS/: a raw data set of two subjects, the first with a T2w.
    pipelines/, data/, Makefile, pyproject.toml: of the repository.
    """
    head = procedural_head(7, shape=SHAPE, spacing_mm=SPACING)
    pair = _pair(head, 7)
    for key, name in (("t1", "scan"), ("t2", "t2")):
        write_nifti(pair[key], folder / f"{name}.nii.gz", description="made by code")
        series = folder / "STUDY" / LABELS[key]
        facts, number = _FACTS[key], 4 if key == "t1" else 5
        said = f"{LABELS[key]} head"
        write_series(
            series, pair[key], description=said, series_number=number, facts=facts, entropy="documentation"
        )
    shutil.copytree(folder / "STUDY" / "T1w", folder / "SERIES")
    for person in (1, 2):
        both = _pair(procedural_head(person, shape=SHAPE, spacing_mm=SPACING), person)
        for key, scan in both.items():
            place = folder / key.upper() / f"sub-{person:02d}_{LABELS[key]}.nii.gz"
            write_nifti(scan, place, description="made by code")
    _label_map(head, folder / "labels.nii.gz")
    _bids(folder)
    for name in ("pipelines", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)


def also_for_examples(folder: Path, model: Path) -> None:
    """The further names that the examples in the commands' help use; `model` is a run of a training."""
    for name in ("run", "medgan-run", "run1", "run2"):
        shutil.copytree(model, folder / name)
    shutil.copytree(folder / "SERIES", folder / "DICOM_FOLDER")
    shutil.copytree(folder / "T1", folder / "SCANS_FOLDER")
    shutil.copytree(folder / "BIDS", folder / "BIDS_ROOT")
    scans = {name: nibabel.load(folder / f"{name}.nii.gz") for name in ("scan", "t2")}
    for name, of in (("T1w", "scan"), ("real_T2w", "t2"), ("made_T2w", "t2")):
        nibabel.save(scans[of], folder / f"{name}.nii.gz")
    for name, of in (("made", "T2"), ("real", "T2")):
        shutil.copytree(folder / of, folder / name)
    (folder / "t2.nii.gz").unlink()  # the name of a result there
    (folder / "label-maps").mkdir()
    for number in range(4):
        shutil.copy(folder / "labels.nii.gz", folder / "label-maps" / f"{number}.nii.gz")
    of_t2 = _pair(procedural_head(8, shape=SHAPE, spacing_mm=SPACING), 8)["t2"]
    write_pictures(of_t2, folder / "SLICES_FOLDER", said="made by code")


def _pair(head: Head, seed: int) -> dict[str, Any]:
    return {key: made_scan(head.affine, voxels, key) for key, voxels in simulate_pair(head, seed).items()}


def _label_map(head: Head, path: Path) -> None:
    codes = np.array([_CODES.get(name, 0) for name in head.tissue_names], np.int16)
    nibabel.save(nibabel.Nifti1Image(codes[head.labels()], np.asarray(head.affine)), path)


def _bids(folder: Path) -> None:
    root = folder / "BIDS"
    for subject, keys in (("01", ("t1", "t2")), ("02", ("t1",))):
        anatomy = root / f"sub-{subject}" / "anat"
        anatomy.mkdir(parents=True)
        for key in keys:
            name = f"sub-{subject}_{LABELS[key]}.nii.gz"
            shutil.copy(folder / key.upper() / name, anatomy / name)
    described = {"Name": "Heads made by code", "BIDSVersion": "1.9.0", "DatasetType": "raw", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(described), encoding="utf-8")
    (root / "README").write_text("Heads made by code.\n", encoding="utf-8")
    (root / "participants.tsv").write_text("participant_id\nsub-01\nsub-02\n", encoding="utf-8")
