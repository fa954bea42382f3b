"""The demonstration leaves what it promises, and its figures beat both baselines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgan.demonstration import demonstrate
from medgan.errors import UsageError
from medgan.sample_data import SampleData, make_sample_data
from medgan.scans import find_scans, read_scan


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SampleData:
    return make_sample_data(tmp_path_factory.mktemp("sample"))


def test_the_sample_data_are_other_people_in_all_three_kinds(data: SampleData) -> None:
    for folder, contrast in ((data.t1, "t1"), (data.t2, "t2")):
        found = find_scans(folder)
        assert {one.kind for one in found} == {"nifti", "dicom", "picture"}
        assert {read_scan(one).contrast for one in found} == {contrast}
    first, second = (read_scan(next(iter(find_scans(folder)))) for folder in (data.t1, data.t2))
    assert not np.array_equal(first.voxels > 50, second.voxels > 50)


def test_the_held_out_head_is_one_grid_in_both_contrasts_and_all_kinds(data: SampleData) -> None:
    held_out = data.held_out
    t1, t2 = (read_scan(held_out / f"{key}.nii.gz") for key in ("t1", "t2"))
    np.testing.assert_allclose(t1.affine, t2.affine)
    dicom = read_scan(held_out / "dicom")
    assert sorted(dicom.voxels.shape) == sorted(t1.voxels.shape)
    assert np.sort(dicom.voxels.ravel()).tolist() == np.sort(t1.voxels.ravel()).tolist()


@pytest.mark.long
def test_the_demonstration_beats_both_baselines(tmp_path: Path) -> None:
    for one in demonstrate(tmp_path / "demo", epochs=6, device="cpu").comparisons:
        assert one.medgan.r > max(one.copied.r, one.histogram.r) + 0.1, one
        assert one.medgan.ssim > max(one.copied.ssim, one.histogram.ssim) + 0.1, one


@pytest.mark.long
def test_the_demonstration_shows_what_it_made_in_all_three_kinds(tmp_path: Path) -> None:
    shown = demonstrate(tmp_path / "demo", epochs=1, device="cpu")
    scores = json.loads((shown.folder / "scores.json").read_text(encoding="utf-8"))
    assert scores["protocol"]
    assert {one.target for one in shown.comparisons} == {"t1", "t2"}
    with Image.open(shown.picture) as picture:
        assert picture.size[0] > 500
    kinds = shown.folder / "synthetic"
    assert list((kinds / "dicom").glob("*.nii.gz"))
    assert list((kinds / "png").glob("*.png"))
    assert not (shown.folder / "run" / "cache").exists(), "prepared scans do not outlive the training"


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        demonstrate(tmp_path)
