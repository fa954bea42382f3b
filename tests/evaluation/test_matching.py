"""Scans of one subject find each other by BIDS entities or by name, and what is alone is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgan.errors import InputRefusedError
from medgan.evaluation.matching import match_acquired, match_folders, subject_key


@pytest.mark.parametrize(
    ("stem", "other"),
    [
        ("sub-01_T1w", "sub-01_desc-medganFromT1w_T2w"),
        ("sub-01_ses-2_acq-mprage_T1w", "sub-01_ses-2_acq-tse_T2w"),
        ("patient01_T1W", "patient01_T1W_desc-medganFromT1w_T2w"),
        ("patient01_study1_T1W", "patient01_study1_T2W_in_T1W"),
        ("T1", "t2"),
        ("anna-t1", "Anna_T2"),
        ("sub-0001_T1w_slice023", "sub-0001_T2w_slice23"),
        ("sub-0001_T1w_slice023", "sub-0001_T1w_slice023_desc-medganFromT1w_T2w"),
    ],
)
def test_names_of_one_subject_agree(stem: str, other: str) -> None:
    assert subject_key(stem) == subject_key(other)


@pytest.mark.parametrize(
    ("stem", "other"),
    [
        ("sub-01_T1w", "sub-02_T1w"),
        ("sub-01_ses-1_T1w", "sub-01_ses-2_T1w"),
        ("sub-01_run-1_T1w", "sub-01_run-2_T1w"),
        ("patient1_T1", "patient11_T1"),
        ("patient01_study1_T1W", "patient01_study2_T1W"),
        ("sub-0001_T1w_slice023", "sub-0001_T1w_slice024"),
    ],
)
def test_names_of_others_differ(stem: str, other: str) -> None:
    assert subject_key(stem) != subject_key(other)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def files(folder: str, *names: str) -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            voxels = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
            nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
        return tmp_path / folder

    return files


def test_results_find_references_and_sources(write: Callable[..., Path]) -> None:
    made = write("made", *(f"sub-{n:02d}_desc-medganFromT1w_T2w.nii.gz" for n in (1, 2, 3)))
    real = write(
        "real", "sub-02/anat/sub-02_T2w.nii.gz", "sub-01/anat/sub-01_T2w.nii.gz", "sub-04_T2w.nii.gz"
    )
    before = write("before", "sub-01_T1w.nii.gz")
    found = match_folders(made, real, before)
    assert [one.name for one in found.subjects] == ["sub-01", "sub-02"]
    assert [one.reference.stem for one in found.subjects] == ["sub-01_T2w", "sub-02_T2w"]
    assert [one.source is None for one in found.subjects] == [False, True]
    assert sorted(found.alone) == [
        "sub-02: no source of that name, so no baselines",
        "sub-03: no reference of that name",
        "sub-04: no prediction of that name",
    ]


def test_of_several_scans_the_one_of_the_needed_contrast_is_taken(write: Callable[..., Path]) -> None:
    raw = write("raw", "sub-01_T1w.nii.gz", "sub-01_T2w.nii.gz", "sub-02_T1w.nii.gz", "sub-02_T2w.nii.gz")
    made = write("made", *(f"sub-{n:02d}_desc-medganFromT2w_T1w.nii.gz" for n in (1, 2)))
    found = match_folders(made, raw, raw)
    assert [one.reference.stem for one in found.subjects] == ["sub-01_T1w", "sub-02_T1w"]
    assert [one.source.stem for one in found.subjects if one.source] == ["sub-01_T2w", "sub-02_T2w"]
    subjects, alone = match_acquired(raw, raw)
    assert [(one.t1.stem, one.t2.stem) for one in subjects] == [
        ("sub-01_T1w", "sub-01_T2w"),
        ("sub-02_T1w", "sub-02_T2w"),
    ]
    assert alone == []


def test_two_scans_that_could_be_meant_are_refused(write: Callable[..., Path]) -> None:
    made = write("made", "sub-01_acq-a_T2w.nii.gz", "sub-01_acq-b_T2w.nii.gz")
    with pytest.raises(InputRefusedError, match="holds 2 scans that may be meant for one subject"):
        match_folders(made, write("real", "sub-01_T2w.nii.gz"))


def test_of_many_that_could_be_meant_some_are_named(write: Callable[..., Path]) -> None:
    made = write("made", *(f"sub-01_acq-{n}_T2w.nii.gz" for n in range(40)))
    with pytest.raises(InputRefusedError, match="holds 40 scans") as refused:
        match_folders(made, write("real", "sub-01_T2w.nii.gz"))
    assert len(refused.value.cause) < 200


def test_previews_beside_pictures_are_not_judged(tmp_path: Path) -> None:
    for name in (
        "made/a_T1w_desc-medganFromT1w_T2w",
        "made/a_T1w_desc-medganFromT1w_T2w_preview",
        "real/a_T2w",
    ):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (32, 32)).save(path)
    found = match_folders(tmp_path / "made", tmp_path / "real")
    assert [one.prediction.path.name for one in found.subjects] == ["a_T1w_desc-medganFromT1w_T2w.png"]


def test_nothing_in_common_is_refused_and_says_what_was_looked_for(write: Callable[..., Path]) -> None:
    with pytest.raises(InputRefusedError, match="no scan has a partner") as refused:
        match_folders(write("made", "anna_T2.nii.gz"), write("real", "berta_T2.nii.gz"))
    assert "'anna'" in refused.value.remedy
    assert "'berta'" in refused.value.remedy


def test_a_file_called_after_the_patient_names_no_one(write: Callable[..., Path]) -> None:
    made = write("made", "Mustermann_T2.nii.gz")
    (made / "Mustermann_T2.json").write_text(json.dumps({"PatientName": "Mustermann^Max"}), encoding="utf-8")
    found = match_folders(made, write("real", "mustermann_t2.nii.gz"))
    assert [one.name for one in found.subjects] == ["a subject"]
