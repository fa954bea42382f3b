"""Claims about looking at scans: all is told, one is read at a time, and a bad one stops nothing."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgan.scans.dicom_writing import write_series
from medgan.scans.inspection import Inspected, find_candidates, inspect_each
from medgan.scans.intensities import BINS, measure_intensities
from medgan.scans.overview import Overview, overview, to_document
from medgan.scans.scan import Scan, Source

SPACING = (1.0, 1.0, 1.0)


def head(shape: tuple[int, int, int] = (32, 36, 24), *, bright: float = 100) -> np.ndarray:
    """A bright box with a dark core in an air of zero."""
    voxels = np.random.default_rng(1).uniform(0.8, 1.2, shape) * bright
    inner = tuple(slice(size // 4, size - size // 4) for size in shape)
    outside = np.ones(shape, bool)
    outside[inner] = False
    voxels[outside] = 0
    voxels[tuple(slice(size // 2 - 2, size // 2 + 2) for size in shape)] = 5
    return voxels.astype(np.float32)


def nifti(
    path: Path,
    voxels: np.ndarray | None = None,
    *,
    spacing: tuple[float, float, float] = SPACING,
    axes: str = "RAS",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing, 1.0])
    image = nibabel.Nifti1Image(head() if voxels is None else voxels, affine)
    orientation = nibabel.orientations.axcodes2ornt(tuple(axes))
    image.as_reoriented(
        nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], orientation)
    ).to_filename(path)
    return path


def picture(path: Path, *, bits: int = 8, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 200, (40, 32)).astype(np.uint8 if bits == 8 else np.uint16)
    Image.fromarray(grey).save(path)
    return path


def series(folder: Path, *, number: int, description: str, slices: int = 6, **facts: Any) -> list[Path]:
    voxels = head((32, 36, slices))
    scan = Scan(
        voxels=voxels,
        affine=np.diag([-0.9, 0.9, 3.0, 1.0]),
        source=Source(path=folder, kind="array", stem="made"),
    )
    facts = {"echo_time": 12.0, "repetition_time": 500.0, **facts}
    return write_series(
        folder, scan, description=description, series_number=number, facts=facts, entropy=f"{number}"
    )


def look(*paths: Path) -> Overview:
    candidates, empty = find_candidates(paths)
    return overview(list(inspect_each(candidates)), empty)


def document(*paths: Path) -> dict[str, Any]:
    """As read back from JSON that admits no NaN."""
    text = json.dumps(to_document(look(*paths), paths), allow_nan=False)
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def advice(paths: Sequence[Path]) -> str:
    return "\n".join(look(*paths).advice)


def test_a_scan_is_described_with_its_geometry_contrast_and_intensities(tmp_path: Path) -> None:
    nifti(tmp_path / "sub-01_T1w.nii.gz", spacing=(0.9, 0.8, 3.0), axes="LPS")
    (scan,) = look(tmp_path / "sub-01_T1w.nii.gz").scans
    assert (scan.label, scan.usable, scan.contrast, scan.contrast_from) == (
        "sub-01_T1w.nii.gz",
        True,
        "t1",
        "file name",
    )
    assert (scan.shape, scan.orientation, scan.plane, scan.data_type) == (
        (32, 36, 24),
        "LPS",
        "axial",
        "float32",
    )
    assert scan.spacing == pytest.approx((0.9, 0.8, 3.0))
    assert scan.intensities is not None
    assert scan.intensities.minimum == 0
    assert 115 < scan.intensities.maximum <= 120
    assert scan.facts["volumes"] == 1


def test_grids_are_compared_along_the_patient_whatever_the_files_axes(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", spacing=(1.0, 2.0, 3.0))
    nifti(tmp_path / "b.nii", spacing=(1.0, 2.0, 3.0), axes="SPL")
    seen = look(tmp_path)
    assert seen.scans[1].shape == (24, 36, 32)
    assert seen.shape == ((32, 36, 24), (32, 36, 24))
    assert seen.spacing is not None
    np.testing.assert_allclose(seen.spacing, [(1, 2, 3), (1, 2, 3)])


@pytest.mark.parametrize(
    ("name", "sidecar", "contrast", "told_by"),
    [
        ("x/a_T2w.nii", None, "t2", "file name"),
        ("x/a.nii", {"EchoTime": 0.003, "RepetitionTime": 0.5}, "t1", "sidecar"),
        ("x/a.nii", None, None, None),
        ("TrainT2/a.png", None, "t2", "folder name"),
        ("TrainT2/a_T1.png", None, "t1", "file name"),
        ("TrainT2/a.png", {"EchoTime": 0.045, "RepetitionTime": 9.0}, "t2", "folder name"),
    ],
)
def test_the_contrast_comes_with_what_told_it(
    tmp_path: Path, name: str, sidecar: dict[str, float] | None, contrast: str | None, told_by: str | None
) -> None:
    path = tmp_path / name
    (picture if path.suffix == ".png" else nifti)(path)
    if sidecar is not None:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    (scan,) = look(path).scans
    assert (scan.contrast, scan.contrast_from) == (contrast, told_by)


def test_every_series_of_a_folder_is_listed_with_number_description_size_and_plane(tmp_path: Path) -> None:
    series(tmp_path / "a", number=3, description="ax T1", echo_time=9.0)
    series(tmp_path / "b", number=7, description="brain", slices=9, echo_time=100.0, repetition_time=4000.0)
    entries = document(tmp_path)["scans"]
    assert [(entry["label"], entry["series"]["number"]) for entry in entries] == [("a #3", 3), ("b #7", 7)]
    assert [entry["series"]["description"] for entry in entries] == ["ax T1", "brain"]
    assert [entry["series"]["files"] for entry in entries] == [6, 9]
    assert [sorted(entry["shape"]) for entry in entries] == [[6, 32, 36], [9, 32, 36]]
    assert [entry["plane"] for entry in entries] == ["axial", "axial"]
    assert [entry["contrast"] for entry in entries] == ["t1", "t2"]
    assert [entry["contrast_from"] for entry in entries] == ["series description", "echo and repetition time"]
    assert all(entry["data_type"] in ("uint16", "int16") for entry in entries)
    assert "--series NUMBER, or give the folders one by one (DIR/*)" in "\n".join(look(tmp_path).advice)


def test_a_refused_series_is_listed_with_what_its_headers_tell(tmp_path: Path) -> None:
    files = series(tmp_path / "s", number=4, description="ax T1")
    files[3].unlink()
    (scan,) = look(tmp_path).scans
    assert not scan.usable
    assert scan.refusal is not None
    assert "missing" in scan.refusal.cause
    assert (scan.plane, scan.contrast, scan.intensities) == ("axial", "t1", None)
    assert scan.shape is not None
    assert 5 in scan.shape


def test_a_refused_scan_stops_no_other_and_says_why_and_what_to_do(tmp_path: Path) -> None:
    good = nifti(tmp_path / "a_T1w.nii.gz")
    (tmp_path / "b.nii.gz").write_bytes(good.read_bytes()[:500])
    nifti(tmp_path / "c.nii", np.zeros((16, 16, 16), np.float32))
    nifti(tmp_path / "d.nii", np.stack([head(), head()], axis=3))
    seen = document(tmp_path)
    assert (seen["summary"]["found"], seen["summary"]["usable"], seen["summary"]["refused"]) == (4, 1, 3)
    damaged, blank, several = (entry["refusal"] for entry in seen["scans"][1:])
    assert "damaged" in damaged["cause"]
    assert damaged["remedy"]
    assert "every voxel is 0" in blank["cause"]
    assert "--volume" in several["remedy"]
    assert all(entry["intensities"] is None for entry in seen["scans"][1:])


def test_a_single_sagittal_slice_is_refused_as_preparation_would(tmp_path: Path) -> None:
    from medgan.errors import InputRefusedError
    from medgan.preparation import PreparationSettings, prepare
    from medgan.scans import read_scan

    nifti(tmp_path / "a.nii", head((1, 36, 24)), axes="ASR")
    (scan,) = look(tmp_path).scans
    with pytest.raises(InputRefusedError) as caught:
        prepare(read_scan(tmp_path / "a.nii"), PreparationSettings(), spatial_dims=2)
    assert scan.refusal is not None
    assert (scan.refusal.cause, scan.refusal.remedy) == (caught.value.cause, caught.value.remedy)
    assert (scan.shape, scan.plane) == ((36, 24, 1), "sagittal")


def test_one_volume_is_in_memory_at_a_time(tmp_path: Path) -> None:
    for name in "abc":
        nifti(tmp_path / f"{name}.nii")
    alive: list[weakref.ref[Scan]] = []

    def remember(inspected: Inspected, scan: Scan) -> None:
        gc.collect()
        assert all(reference() is None for reference in alive)
        alive.append(weakref.ref(scan))

    candidates, _ = find_candidates([tmp_path])
    for _ in inspect_each(candidates, look=remember):
        pass
    assert len(alive) == 3


def test_a_path_that_holds_nothing_is_told_of_beside_others(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a.nii")
    (tmp_path / "notes.txt").write_text("hello")
    seen = document(tmp_path / "in", tmp_path / "missing", tmp_path / "notes.txt")
    assert seen["summary"]["usable"] == 1
    assert [entry["file"] for entry in seen["empty"]] == [
        str(tmp_path / "missing"),
        str(tmp_path / "notes.txt"),
    ]
    assert all(entry["cause"] and entry["remedy"] for entry in seen["empty"])


def test_a_scan_that_several_paths_reach_counts_once(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a.nii")
    series(tmp_path / "in" / "s", number=4, description="x")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    seen = look(tmp_path / "in", tmp_path / "in" / "a.nii", tmp_path / "in" / "s", tmp_path / "link")
    assert [scan.label for scan in seen.scans] == ["in/a.nii", "in/s #4"]


def test_labels_of_several_paths_begin_with_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nifti(tmp_path / "x" / "T1" / "a.nii")
    nifti(tmp_path / "y" / "T1" / "a.nii")
    monkeypatch.chdir(tmp_path)
    candidates, _ = find_candidates([Path("x/T1"), Path("y/T1")])
    assert [candidate.label for candidate in candidates] == ["x/T1/a.nii", "y/T1/a.nii"]
    candidates, _ = find_candidates([tmp_path / "x" / "T1"])
    assert [candidate.label for candidate in candidates] == ["a.nii"]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e35])
@pytest.mark.parametrize("shift", [0.0, -1000.0])
def test_percentiles_are_those_of_the_head_with_what_it_encloses(scale: float, shift: float) -> None:
    voxels = (head() + np.float32(shift)) * np.float32(scale)
    within = voxels[8:24, 9:27, 6:18].astype(np.float64)
    found = measure_intensities(voxels)
    np.testing.assert_allclose(found.percentiles, np.percentile(within, (0.5, 50, 99.5)), rtol=1e-6)
    assert len(found.histogram) == BINS
    assert sum(found.histogram) >= 0.99 * within.size
    assert found.edges[0] < found.edges[1]


def test_percentiles_of_a_large_volume_agree_with_the_foreground_that_training_uses() -> None:
    from medgan.preparation import find_foreground, measure_range

    voxels = head((128, 140, 90)) + np.abs(np.random.default_rng(2).normal(0, 2, (128, 140, 90))).astype(
        np.float32
    )
    truth = measure_range(voxels, find_foreground(voxels).mask)
    low, _, high = measure_intensities(voxels).percentiles
    assert high == pytest.approx(truth.high, rel=0.02)
    assert low == pytest.approx(truth.low, abs=0.05 * truth.high)


@pytest.mark.parametrize("seed", range(3))
def test_an_image_that_is_all_head_is_measured_whole(seed: int) -> None:
    voxels = np.random.default_rng(seed).uniform(1, 2, (16, 16, 1)).astype(np.float32)
    found = measure_intensities(voxels)
    assert found.minimum <= found.percentiles[0] < found.percentiles[2] <= found.maximum


def test_names_that_could_steer_a_terminal_are_made_harmless(tmp_path: Path) -> None:
    nifti(tmp_path / "a\x1b[31m_T1w.nii")
    (tmp_path / "b\udcff.nii").write_bytes(b"no image")
    text = json.dumps(document(tmp_path), ensure_ascii=False)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\\u001b" not in text


def test_the_document_has_the_documented_keys(tmp_path: Path) -> None:
    import medgan.cli.inspect

    nifti(tmp_path / "a_T1w.nii")
    series(tmp_path / "s", number=4, description="x")
    (tmp_path / "b.nii").write_bytes(b"no image")
    seen = document(tmp_path, tmp_path / "missing")
    documented = medgan.cli.inspect.__doc__ or ""
    keys = {*seen, *seen["summary"], *seen["empty"][0]}
    for entry in seen["scans"]:
        keys |= {*entry, *(entry["intensities"] or ()), *(entry["series"] or ())}
    assert sorted(key for key in keys if key not in documented) == []
    assert seen["format"] == 1


def test_nothing_usable_has_no_ranges_and_no_advice(tmp_path: Path) -> None:
    seen = document(tmp_path / "missing")
    assert seen["scans"] == []
    assert seen["summary"]["shape"] is None
    assert seen["summary"]["advice"] == []


def test_a_sound_set_gets_no_advice(tmp_path: Path) -> None:
    for index in range(2):
        nifti(tmp_path / f"{index}_T1w.nii")
    assert advice([tmp_path]) == ""


def test_two_contrasts_in_one_folder_are_told_of_and_in_two_are_not(tmp_path: Path) -> None:
    nifti(tmp_path / "mixed" / "a_T1w.nii")
    nifti(tmp_path / "mixed" / "a_T2w.nii")
    nifti(tmp_path / "T1" / "a_T1w.nii")
    nifti(tmp_path / "T2" / "a_T2w.nii")
    assert "side by side in mixed" in advice([tmp_path / "mixed"])
    assert "side by side" not in advice([tmp_path / "T1", tmp_path / "T2"])


def test_very_different_pixels_are_told_of_and_slightly_different_ones_are_not(tmp_path: Path) -> None:
    nifti(tmp_path / "a_T1w.nii", spacing=(0.5, 0.5, 3.0))
    nifti(tmp_path / "b_T1w.nii", spacing=(1.0, 1.0, 3.0))
    assert "range from 0.5 to 1 mm" in advice([tmp_path])
    nifti(tmp_path / "a_T1w.nii", spacing=(0.9, 0.9, 3.0))
    assert "range" not in advice([tmp_path])


def test_pictures_without_numbers_are_told_of_and_numbered_ones_are_not(tmp_path: Path) -> None:
    for index in range(20):
        picture(tmp_path / "numbered" / f"T1 slice {index}.png", seed=index)
        picture(tmp_path / "named" / f"T1 slice {'abcdefghijklmnopqrst'[index]}.png", seed=index)
    assert advice([tmp_path / "numbered"]) == ""
    assert "all 20. Nothing tells how far up" in advice([tmp_path / "named"])


def test_few_images_are_told_of_by_contrast(tmp_path: Path) -> None:
    for index in range(6):
        picture(tmp_path / "T1" / f"{index}.png", seed=index)
    nifti(tmp_path / "T2" / "a_T2w.nii")
    assert "Few axial slices: 6 of T1w." in advice([tmp_path])


@pytest.mark.parametrize(
    ("claim", "make"),
    [
        ("Pictures among volumes: 1 of 3", lambda folder: picture(folder / "p.png")),
        (
            "different depths",
            lambda folder: [
                picture(folder / "p1.png", bits=16),
                picture(folder / "p2.png"),
            ],
        ),
        (
            "Thick sagittal or coronal slices: 1 of 3",
            lambda folder: nifti(folder / "c.nii", spacing=(5.0, 1.0, 1.0)),
        ),
        ("3 slices or fewer: 1 of 3", lambda folder: nifti(folder / "c.nii", head((32, 36, 3)))),
        (
            "Synthetic already: 1 of 3",
            lambda folder: nifti(folder / "c_desc-medganFromT1w_T2w.nii"),
        ),
        (
            "CT, not MR: 1 of 3",
            lambda folder: [
                nifti(folder / "c.nii"),
                (folder / "c.json").write_text('{"Modality": "CT"}'),
            ],
        ),
        ("No single contrast in name, sidecar or header: 1 of 3", lambda folder: nifti(folder / "c.nii")),
        (
            "named one by one",
            None,
        ),
    ],
)
def test_what_would_hurt_a_training_is_told(tmp_path: Path, claim: str, make: Any) -> None:
    nifti(tmp_path / "a_T1w.nii")
    nifti(tmp_path / "b_T1w.nii")
    paths = [tmp_path]
    if make is None:
        paths += series(tmp_path.parent / f"{tmp_path.name}-dicom", number=3, description="x")
    else:
        make(tmp_path)
    assert claim in advice(paths)


def test_scans_of_the_same_warning_are_told_together(tmp_path: Path) -> None:
    for name in "ab":
        image = nibabel.Nifti1Image(head(), None)
        image.header.set_sform(None, 0)
        image.header.set_qform(None, 0)
        image.to_filename(tmp_path / f"{name}_T1w.nii")
    ((text, labels),) = look(tmp_path).warnings.items()
    assert "left and right are a guess" in text
    assert labels == ("a_T1w.nii", "b_T1w.nii")


def test_inspection_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, medgan.scans.overview, medgan.reports.inspection; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
