"""Each scan of a folder is prepared once and kept on disk; a bad one is reported and the rest is used."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.recipe import load_recipe
from medgan.scans import write_picture
from medgan.scans.scan import Scan, Source
from medgan.training.cases import Cases, prepare_folder

RECIPE = load_recipe("slices", ["preparation.spacing=null", "preparation.divisor=8"])


def prepared(folder: Path, cache: Path, contrast: str = "t1", **more: Any) -> Cases:
    return prepare_folder(folder, contrast, recipe=RECIPE, cache=cache, **more)


def write_pictures(folder: Path, voxels: np.ndarray, *, name: str = "slice{:02d}.png", bits: int = 8) -> None:
    for index in range(voxels.shape[2]):
        scan = Scan(
            voxels=np.ascontiguousarray(voxels[:, :, index : index + 1]),
            affine=np.eye(4),
            source=Source(path=Path("x"), kind="array", stem="x"),
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_picture(scan, folder / name.format(index), low=0, high=float(voxels.max()), bits=bits, text={})


def test_a_folder_becomes_cases_in_network_range(head_folders: Any, tmp_path: Path) -> None:
    cases = prepared(head_folders.t1, tmp_path / "cache")
    assert len(cases.cases) == 2
    assert cases.refused == ()
    for case in cases.cases:
        voxels = case.voxels()
        assert voxels.shape == case.shape
        assert voxels.dtype == np.float16
        assert voxels.min() == -1
        assert voxels.max() == 1
        assert case.spacing == pytest.approx((5, 5, 5))
        assert len(case.slices) >= 8
        outside = np.ones(case.shape, bool)
        outside[tuple(slice(low, high + 1) for low, high in case.head)] = False
        assert (voxels[outside] == -1).all()


def test_prepared_scans_are_reused_until_their_file_or_the_preparation_changes(
    head: Any, tmp_path: Path
) -> None:
    path = head(tmp_path / "scans" / "a.nii.gz", "t1", 1)
    first = prepared(path.parent, tmp_path / "cache").cases[0]
    stamp = first.image.stat().st_mtime_ns
    again = prepared(path.parent, tmp_path / "cache").cases[0]
    assert again.image == first.image
    assert again.image.stat().st_mtime_ns == stamp
    os.utime(path, ns=(1, 1))
    touched = prepared(path.parent, tmp_path / "cache").cases[0]
    assert touched.image != first.image
    assert touched.digest == first.digest
    other = load_recipe(
        "slices", ["preparation.spacing=null", "preparation.percentiles=[5, 95]", "divisor=16"]
    )
    changed = prepare_folder(path.parent, "t1", recipe=other, cache=tmp_path / "cache").cases[0]
    assert changed.image not in (first.image, touched.image)
    assert changed.digest != first.digest


def test_no_name_of_a_scan_is_in_the_cache_or_in_what_the_model_will_say(head: Any, tmp_path: Path) -> None:
    path = head(tmp_path / "Doe^Jane" / "jane.nii.gz", "t1", 1)
    cases = prepared(path.parent, tmp_path / "cache")
    kept = "".join(
        f.name + (f.read_text() if f.suffix == ".json" else "") for f in (tmp_path / "cache").iterdir()
    )
    said = kept + cases.domain().model_dump_json()
    assert "jane" not in said.lower()
    assert "doe" not in said.lower()


def test_the_fingerprint_is_of_the_contents_not_of_names_or_order(head: Any, tmp_path: Path) -> None:
    for name, people in (("one", (1, 2)), ("two", (2, 1)), ("three", (1, 3))):
        for index, person in enumerate(people):
            head(tmp_path / name / f"scan{index}.nii.gz", "t1", person)
    one, two, three = (
        prepared(tmp_path / name, tmp_path / "cache").domain().fingerprint for name in ("one", "two", "three")
    )
    assert one == two != three


def test_a_refused_file_is_reported_and_the_rest_is_used(head: Any, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    good = head(folder / "good.nii.gz", "t1", 1)
    (folder / "cut.nii.gz").write_bytes(good.read_bytes()[:2000])
    (folder / "noise.nii.gz").write_bytes(gzip.compress(b"not an image"))
    nibabel.save(nibabel.Nifti1Image(np.zeros((20, 20, 20), np.float32), np.eye(4)), folder / "empty.nii")
    (folder / "notes.txt").write_text("not a scan")
    told: list[tuple[int, int]] = []
    cases = prepared(folder, tmp_path / "cache", advance=lambda done, total: told.append((done, total)))
    assert [case.name for case in cases.cases] == ["good"]
    assert sorted(error.file.name for error in cases.refused if error.file) == [
        "cut.nii.gz",
        "empty.nii",
        "noise.nii.gz",
    ]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_folder_of_nothing_usable_is_refused_with_the_causes(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(InputRefusedError):
        prepared(tmp_path / "scans", tmp_path / "cache")
    (tmp_path / "scans" / "bad.nii.gz").write_bytes(b"bad")
    with pytest.raises(InputRefusedError, match=r"1 refused.*bad\.nii\.gz") as caught:
        prepared(tmp_path / "scans", tmp_path / "cache")
    assert caught.value.file == tmp_path / "scans"
    with pytest.raises(InputRefusedError):
        prepared(tmp_path / "absent", tmp_path / "cache")


def test_a_scan_that_looks_like_the_other_contrast_is_warned_of(head: Any, tmp_path: Path) -> None:
    head(tmp_path / "scans" / "sub-01_T2w.nii.gz", "t2", 1)
    head(tmp_path / "scans" / "sub-02_T1w.nii.gz", "t1", 2)
    cases = prepared(tmp_path / "scans", tmp_path / "cache")
    assert len(cases.warnings) == 1
    assert "sub-01" in cases.warnings[0]
    assert "looks like T2w, but lies in the T1w folder" in cases.warnings[0]


def test_pictures_of_a_folder_share_one_scale(head: Any, tmp_path: Path) -> None:
    """A dim slice stays dimmer than a bright one, where each by its own percentiles would be alike."""
    voxels = nibabel.load(head(tmp_path / "a.nii.gz", "t1", 1)).get_fdata(dtype=np.float32)[:, :, 4:12]
    voxels = voxels * np.linspace(0.4, 1, 8, dtype=np.float32)
    write_pictures(tmp_path / "pictures", voxels)
    cases = prepared(tmp_path / "pictures", tmp_path / "cache")
    assert {case.kind for case in cases.cases} == {"picture"}
    assert len({case.intensity for case in cases.cases}) == 1
    means = [float(case.voxels()[case.voxels() > -1].astype(np.float32).mean()) for case in cases.cases]
    assert means[-1] > means[0] + 0.2
    assert cases.domain().bits == 8


@pytest.mark.parametrize(
    ("name", "ranked"),
    [("Image #{}.png", True), ("slice{:03d}.png", True), ("sub-07_slice-{}_T1w.png", False)],
)
def test_numbers_in_the_names_of_pictures_give_their_order(
    name: str, ranked: bool, head: Any, tmp_path: Path
) -> None:
    voxels = nibabel.load(head(tmp_path / "a.nii.gz", "t1", 1)).get_fdata(dtype=np.float32)[:, :, 3:15]
    write_pictures(tmp_path / "pictures", voxels, name=name)
    ranks = [case.rank for case in prepared(tmp_path / "pictures", tmp_path / "cache").cases]
    assert all(rank is not None for rank in ranks)
    if ranked:
        assert [rank[1] for rank in ranks if rank] == list(range(12))
        assert len({rank[0] for rank in ranks if rank}) == 1


@pytest.mark.robustness("bad-22")
def test_a_scan_whose_intensities_look_like_the_other_contrast_is_warned_of(
    head: Any, tmp_path: Path
) -> None:
    head(tmp_path / "scans" / "one.nii.gz", "t2", 1)
    head(tmp_path / "scans" / "two.nii.gz", "t1", 2)
    cases = prepared(tmp_path / "scans", tmp_path / "cache")
    assert [text.split(" but")[0] for text in cases.warnings] == ["one looks like T2w by its intensities,"]
