"""Label maps in folders: NIfTI and FreeSurfer's, of each subject one, and the same head from either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.sample_data import label_maps, read_label_map

SPACING = 4.0
#: Axes to the left, down and forward, as FreeSurfer conforms to, off the scanner's centre.
AFFINE = np.array([[-SPACING, 0, 0, 83.5], [0, 0, SPACING, -99], [0, -SPACING, 0, 77], [0, 0, 0, 1]])
_CODES = {"csf": 24, "grey_matter": 3, "white_matter": 2, "deep_grey": 11}


def brain() -> Any:
    """The brain of a procedural head, with parcels of cortex on one side, on FreeSurfer's axes."""
    from medgan.simulation import procedural_head

    head = procedural_head(3, shape=(42, 52, 42), spacing_mm=SPACING)
    codes = np.array([_CODES.get(name, 0) for name in head.tissue_names], np.int32)
    labels = codes[head.labels()]
    labels[:21][labels[:21] == 3] = 2015
    labels[labels == 24] = 0
    return np.ascontiguousarray(labels.transpose(0, 2, 1)[::-1, ::-1])


def write(path: Path, labels: Any) -> Path:
    kind = nibabel.Nifti1Image if path.name.endswith(".nii.gz") else nibabel.MGHImage
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(kind(labels.astype(np.int32), AFFINE), path)
    return path


def test_freesurfers_file_and_its_conversion_give_one_head(tmp_path: Path) -> None:
    heads = [read_label_map(write(tmp_path / name, brain()), seed=1) for name in ("aseg.mgz", "aseg.nii.gz")]
    assert np.array_equal(heads[0].fractions, heads[1].fractions)
    np.testing.assert_array_equal(heads[0].affine, heads[1].affine)


def test_a_folder_of_subjects_gives_one_label_map_of_each(tmp_path: Path) -> None:
    small = np.zeros((9, 9, 9))
    for name in (
        "bert/mri/aseg.mgz",
        "bert/mri/aparc+aseg.mgz",
        "bert/mri/T1.mgz",
        "bert/mri/orig/001.mgz",
        "bert/surf/lh.thickness.mgh",
        "ernie/mri/aseg.mgz",
        "ernie/mri/wmparc.mgz",
        "fast/mri/aparc.DKTatlas+aseg.deep.mgz",
        "others/one_synthseg.nii.gz",
        "others/two.mgz",
    ):
        write(tmp_path / name, small)
    assert [path.relative_to(tmp_path).as_posix() for path in label_maps(tmp_path)] == [
        "bert/mri/aparc+aseg.mgz",
        "ernie/mri/aseg.mgz",
        "fast/mri/aparc.DKTatlas+aseg.deep.mgz",
        "others/one_synthseg.nii.gz",
        "others/two.mgz",
    ]


def test_one_file_is_taken_alone_whatever_lies_beside_it(tmp_path: Path) -> None:
    for name in ("mri/aparc+aseg.mgz", "mri/aseg.mgz"):
        write(tmp_path / name, np.zeros((9, 9, 9)))
    assert label_maps(tmp_path / "mri" / "aseg.mgz") == [tmp_path / "mri" / "aseg.mgz"]


@pytest.mark.parametrize("name", ["notes.txt", "picture.png"])
def test_what_holds_none_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(InputRefusedError, match="holds no label maps"):
            label_maps(path)
    with pytest.raises(InputRefusedError, match="no such"):
        label_maps(tmp_path / "nowhere")


def test_a_brain_of_freesurfer_is_simulated_stripped_and_says_so(medgan: Any, tmp_path: Path) -> None:
    import json

    write(tmp_path / "bert" / "mri" / "aseg.mgz", brain())
    out = tmp_path / "out"
    done = medgan("simulate", "-o", out, "--labels", tmp_path / "bert", "--spacing", 4)
    assert done.code == 0, done.err
    said = json.loads((out / "T2" / "sub-0001_T2w.json").read_text(encoding="utf-8"))
    assert said["SkullStripped"] is True
    assert (nibabel.load(out / "T2" / "sub-0001_T2w.nii.gz").get_fdata() == 0).mean() > 0.3
