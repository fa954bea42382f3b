"""`medgan simulate` writes folders that say what they are, whole or not at all, and refuses what is no label map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medgan.scans import find_scans, read_scan

COARSE = ("--spacing", 4)
_CODES = {"csf": 24, "grey_matter": 3, "white_matter": 2, "bone": 515, "fat": 507, "muscle": 507, "skin": 511}


def write_label_map(path: Path, seed: int, *, unknown: int | None = None) -> Path:
    """A procedural head's labels at 4 mm with FreeSurfer's codes, on axes to the left, inferior and anterior."""
    from medgan.simulation import procedural_head

    head = procedural_head(seed, shape=(42, 52, 42), spacing_mm=4.0)
    labels = np.array([_CODES.get(name, 0) for name in head.tissue_names], np.int16)[head.labels()]
    if unknown is not None:
        labels[20, 20, 20:22] = unknown
    turned = np.ascontiguousarray(labels.transpose(0, 2, 1)[::-1, ::-1])
    affine = np.array([[-4.0, 0, 0, 80], [0, 0, 4, -100], [0, -4, 0, 80], [0, 0, 0, 1]])
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels if unknown else turned, affine), path)
    return path


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three label maps."""
    folder = tmp_path_factory.mktemp("labels")
    for seed in range(3):
        write_label_map(folder / f"seg_{seed}.nii.gz", seed)
    return folder


def test_paired_folders_show_the_same_people_on_one_grid(medgan: Any, tmp_path: Path) -> None:
    done = medgan("simulate", "-o", tmp_path / "out", "--subjects", 2, *COARSE)
    assert done.code == 0, done.err
    assert "4 simulated scans" in done.out
    for number in (1, 2):
        t1, t2 = (
            read_scan(tmp_path / "out" / key / f"sub-000{number}_{key}w.nii.gz") for key in ("T1", "T2")
        )
        assert (t1.contrast, t2.contrast) == ("t1", "t2")
        assert t1.spacing == pytest.approx((4, 4, 4))
        np.testing.assert_allclose(t1.affine, t2.affine)
        bodies = [scan.voxels > 0.15 * np.percentile(scan.voxels, 99) for scan in (t1, t2)]
        assert (bodies[0] & bodies[1]).sum() > 0.6 * bodies[0].sum()


def test_unpaired_folders_show_no_one_twice(medgan: Any, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = medgan("simulate", "-o", out, "--labels", labels, "--subjects", 2, "--unpaired", *COARSE)
    assert done.code == 0, done.err
    seen = {
        key: {json.loads(path.read_text(encoding="utf-8"))["Anatomy"] for path in (out / key).glob("*.json")}
        for key in ("T1", "T2")
    }
    assert seen["T1"] and seen["T2"]
    assert not seen["T1"] & seen["T2"]
    names = [{path.name[:8] for path in (out / key).glob("*.nii.gz")} for key in ("T1", "T2")]
    assert not names[0] & names[1]


def test_every_kind_says_that_it_is_simulated_and_can_be_trained_on(medgan: Any, tmp_path: Path) -> None:
    for kind in ("nifti", "dicom", "png"):
        out = tmp_path / kind
        assert medgan("simulate", "-o", out, "--format", kind, "--thick", 8, *COARSE).code == 0
        assert "made by code" in json.loads((out / "simulation.json").read_text(encoding="utf-8"))[
            "Description"
        ] or ("no scanner" in (out / "simulation.json").read_text(encoding="utf-8"))
        for key in ("T1", "T2"):
            scans = [read_scan(found) for found in find_scans(out / key)]
            assert {scan.contrast for scan in scans} == {key.lower()}
            assert not any(scan.source.facts.get("synthetic") for scan in scans)
    image = nibabel.load(tmp_path / "nifti" / "T1" / "sub-0001_T1w.nii.gz")
    assert b"simulated" in image.header["descrip"].item()
    sidecar = json.loads((tmp_path / "nifti" / "T2" / "sub-0001_T2w.json").read_text(encoding="utf-8"))
    assert sidecar["Simulated"] is True
    assert 0.06 < sidecar["EchoTime"] < 0.15
    first = pydicom.dcmread(tmp_path / "dicom" / "T2" / "sub-0001_T2w" / "0001.dcm")
    assert first.PatientName == "Nobody^Invented"
    assert "simulated" in first.SeriesDescription
    assert float(first.EchoTime) > 60
    picture = next((tmp_path / "png" / "T1").rglob("*.png"))
    with Image.open(picture) as opened:
        assert "simulated" in opened.info["Comment"]


def test_the_series_of_a_pair_are_of_one_study(medgan: Any, tmp_path: Path) -> None:
    medgan("simulate", "-o", tmp_path / "out", "--format", "dicom", *COARSE)
    t1, t2 = (
        pydicom.dcmread(tmp_path / "out" / key / f"sub-0001_{key}w" / "0001.dcm") for key in ("T1", "T2")
    )
    assert t1.StudyInstanceUID == t2.StudyInstanceUID
    assert t1.FrameOfReferenceUID == t2.FrameOfReferenceUID
    assert t1.SeriesInstanceUID != t2.SeriesInstanceUID


def test_one_contrast_thick_slices_and_a_field_strength_can_be_asked_for(medgan: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert medgan("simulate", "-o", out, "--contrast", "t2", "--thick", 6, "--field", "3", *COARSE).code == 0
    assert not (out / "T1").exists()
    assert read_scan(out / "T2" / "sub-0001_T2w.nii.gz").spacing == pytest.approx((4, 4, 6))
    sidecar = json.loads((out / "T2" / "sub-0001_T2w.json").read_text(encoding="utf-8"))
    assert sidecar["MagneticFieldStrength"] == 3.0
    assert sidecar["SliceThickness"] == 6.0


def test_a_stripped_brain_lies_in_zeros_and_a_head_in_noise(
    medgan: Any, labels: Path, tmp_path: Path
) -> None:
    shares = []
    for name in ("--stripped", "--skull"):
        out = tmp_path / name
        assert medgan("simulate", "-o", out, name, "--labels", labels, *COARSE).code == 0
        shares.append((read_scan(out / "T1" / "sub-0001_T1w.nii.gz").voxels == 0).mean())
    assert shares[0] > 0.6 > 0.2 > shares[1]


@pytest.mark.parametrize("kind", ["ms", "tumour"])
def test_lesions_come_with_masks_on_the_scans_grid(
    kind: str, medgan: Any, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert medgan("simulate", "-o", out, "--lesions", kind, "--labels", labels, "--spacing", 2).code == 0
    mask = nibabel.load(out / "lesions" / "sub-0001_lesions.nii.gz")
    t2 = nibabel.load(out / "T2" / "sub-0001_T2w.nii.gz")
    np.testing.assert_allclose(mask.affine, t2.affine)
    assert set(np.unique(mask.get_fdata())) == {0, 1}
    assert len(list(find_scans(out / "T1"))) == 1, "masks do not lie among the scans"


def test_the_seed_decides_who_it_is(medgan: Any, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        medgan("simulate", "-o", tmp_path / name, "--contrast", "t1", "--seed", seed, *COARSE)
    a, b, c = (read_scan(tmp_path / name / "T1" / "sub-0001_T1w.nii.gz").voxels for name in "abc")
    assert np.array_equal(a, b)
    assert a.shape != c.shape or not np.allclose(a, c)


def test_a_label_map_in_any_orientation_comes_out_upright(medgan: Any, labels: Path, tmp_path: Path) -> None:
    """The vertex is up: the topmost quarter of the slices shows less head than the lowest."""
    assert medgan("simulate", "-o", tmp_path / "out", "--labels", labels, *COARSE).code == 0
    voxels = read_scan(tmp_path / "out" / "T1" / "sub-0001_T1w.nii.gz").voxels
    filled = (voxels > 0.2 * np.percentile(voxels, 99)).sum(axis=(0, 1))
    filled = filled[filled > 20]
    quarter = len(filled) // 4
    assert filled[:quarter].sum() > 1.3 * filled[-quarter:].sum()


@pytest.mark.parametrize("kind", ["unknown", "float", "four", "anisotropic", "text"])
def test_what_is_no_label_map_is_refused_with_its_name_and_nothing_is_written(
    kind: str, medgan: Any, tmp_path: Path
) -> None:
    path = tmp_path / "maps" / "wrong.nii.gz"
    said = {
        "unknown": "777",
        "float": "whole numbers",
        "four": "volumes",
        "anisotropic": "no cubes",
        "text": "not a NIfTI",
    }[kind]
    write_label_map(path, 1, unknown=777)
    values = np.asarray(nibabel.load(path).dataobj)
    if kind == "text":
        path.write_text("labels", encoding="utf-8")
    elif kind != "unknown":
        array, affine = {
            "float": (values + np.float32(0.5), np.eye(4)),
            "four": (np.stack([values, values], axis=3), np.eye(4)),
            "anisotropic": (values, np.diag([1.0, 1.0, 3.0, 1.0])),
        }[kind]
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
    done = medgan("simulate", "-o", tmp_path / "out", "--labels", tmp_path / "maps")
    assert done.code == 3
    assert "wrong.nii.gz" in done.err
    assert said in done.err
    assert [one.name for one in tmp_path.iterdir()] == ["maps"]


def test_a_folder_without_label_maps_is_refused(medgan: Any, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for folder in (tmp_path / "maps", tmp_path / "nowhere"):
        done = medgan("simulate", "-o", tmp_path / "out", "--labels", folder)
        assert done.code == 3
        assert "label" in done.err


def test_one_label_map_cannot_be_unpaired(medgan: Any, labels: Path, tmp_path: Path) -> None:
    one = labels / "seg_0.nii.gz"
    done = medgan("simulate", "-o", tmp_path / "out", "--labels", one, "--unpaired")
    assert done.code == 2
    assert "--paired" in done.err


def test_a_folder_in_use_is_left_alone(medgan: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    done = medgan("simulate", "-o", tmp_path, *COARSE)
    assert done.code == 2
    assert "not empty" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interruption_leaves_nothing_behind(
    medgan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import medgan.sample_data.simulated as module

    original, written = module.simulate_volume, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(module, "simulate_volume", interrupted)
    done = medgan("simulate", "-o", tmp_path / "out", "--subjects", 2, *COARSE)
    assert done.code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [("--subjects", 0), ("--field", "7"), ("--thick", 50), ("--lesions", "stroke")]
)
def test_impossible_options_are_wrong_usage(options: tuple[Any, ...], medgan: Any, tmp_path: Path) -> None:
    assert medgan("simulate", "-o", tmp_path / "out", *options).code == 2
    assert not (tmp_path / "out").exists()


def test_memory_that_runs_out_is_no_fault_and_says_what_to_do(
    medgan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("medgan.sample_data.simulated.simulate_volume", too_large)
    done = medgan("simulate", "-o", tmp_path / "out", *COARSE)
    assert done.code == 6
    assert "memory ran out" in done.err and "--spacing" in done.err
    assert not (tmp_path / "out").exists()
