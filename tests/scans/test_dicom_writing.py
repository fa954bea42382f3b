"""A series that medgan writes comes back on the same grid, and is a sound MR series to others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from medgan.errors import InputRefusedError, OutputNotWrittenError
from medgan.scans.dicom_reading import list_series, read_series
from medgan.scans.dicom_writing import PEAK, new_image, save_image, scaling_of, write_series
from medgan.scans.scan import Affine, Scan, Source, Voxels

FACTS = {"echo_time": 90.5, "repetition_time": 4000.0, "field_strength": 3.0, "sequence": "SE"}
AFFINE = np.array([[-0.9, 0, 0, 71.2], [0, 1.2, 0, -80.123456], [0, 0, 2.5, 3.1], [0, 0, 0, 1.0]])
SHAPE = (24, 20, 5)


def scan_of(voxels: Voxels, affine: Affine = AFFINE) -> Scan:
    return Scan(voxels=voxels, affine=affine, source=Source(path=Path("made"), kind="array", stem="made"))


def noise(low: float, high: float) -> Voxels:
    return np.random.default_rng(7).uniform(low, high, SHAPE).astype(np.float32)


def back(files: list[Path]) -> Scan:
    (series,) = list_series(files)
    return read_series(series, path=files[0].parent, stem="made")


def test_whole_numbers_come_back_as_they_were_on_the_same_grid(tmp_path: Path) -> None:
    scan = scan_of(np.rint(noise(0, 65535)))
    files = write_series(tmp_path, scan, description="AX T2", series_number=7, facts=FACTS)
    found = back(files)
    assert [file.name for file in files] == ["0001.dcm", "0002.dcm", "0003.dcm", "0004.dcm", "0005.dcm"]
    np.testing.assert_array_equal(found.voxels, scan.voxels)
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-9)
    assert (found.contrast, found.source.facts["echo_time"], found.source.facts["field_strength"]) == (
        "t2",
        90.5,
        3.0,
    )


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-50, 700.5), (-3, -1)])
def test_real_numbers_come_back_in_proportion(low: float, high: float, tmp_path: Path) -> None:
    scan = scan_of(noise(low, high))
    found = back(write_series(tmp_path, scan, description="x", series_number=1, facts=FACTS))
    assert found.voxels.max() == PEAK
    np.testing.assert_allclose(np.corrcoef(found.voxels.ravel(), scan.voxels.ravel())[0, 1], 1, atol=1e-6)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-50, 700.5), (-3, -1), (1e-20, 2e-20), (-1e6, 3e9), (5.5, 5.5)]
)
def test_the_stated_scaling_inverts_to_half_a_step(low: float, high: float) -> None:
    voxels = np.linspace(low, high, 300, dtype=np.float32).reshape(3, 10, 10)
    scaling = scaling_of(voxels)
    slope, offset = (
        float(text) for text in str(scaling).removeprefix("stored value = ").split(" x value + ")
    )
    stored = scaling.store(voxels)
    assert (stored.dtype, stored.max() <= PEAK) == (np.uint16, True)
    found = (stored.astype(np.float64) - offset) / slope
    np.testing.assert_allclose(found, voxels, rtol=0, atol=0.5001 / slope)


def test_whole_numbers_are_stated_to_be_stored_as_they_are() -> None:
    assert str(scaling_of(np.float32([[0, 7, 65535]]))) == "stored value = 1 x value + 0"


@pytest.mark.parametrize(
    ("keyword", "value"), [("PatientID", "1" * 65), ("StudyDate", "1.1.2020"), ("PatientName", "Ж")]
)
def test_a_value_that_its_type_does_not_allow_is_never_written(
    keyword: str, value: str, tmp_path: Path
) -> None:
    image = new_image("1.2.3")
    image.SpecificCharacterSet = "ISO_IR 100"
    with pydicom.config.disable_value_validation():
        setattr(image, keyword, value)
    before = pydicom.config.settings.writing_validation_mode
    with pytest.raises((ValueError, TypeError)):  # the latter where pydicom wraps a UnicodeEncodeError
        save_image(image, tmp_path / "x.dcm")
    assert list(tmp_path.iterdir()) == []
    assert pydicom.config.settings.writing_validation_mode == before


def test_a_right_handed_grid_comes_back_as_the_same_world(tmp_path: Path) -> None:
    affine = AFFINE @ np.diag([-1.0, 1, 1, 1])
    scan = scan_of(np.rint(noise(0, 900)), affine)
    found = back(write_series(tmp_path, scan, description="x", series_number=1, facts=FACTS))
    np.testing.assert_array_equal(found.voxels, scan.voxels[:, :, ::-1])
    np.testing.assert_allclose(found.affine[:3, :2], affine[:3, :2], atol=1e-9)
    np.testing.assert_allclose(found.affine @ [0, 0, 4, 1], affine @ [0, 0, 0, 1], atol=1e-9)


def test_uids_follow_from_the_entropy_and_one_study_holds_both_contrasts(tmp_path: Path) -> None:
    def write(name: str, number: int, entropy: str | None) -> pydicom.Dataset:
        scan = scan_of(noise(0, 1))
        return pydicom.dcmread(
            write_series(
                tmp_path / name, scan, description="x", series_number=number, facts={}, entropy=entropy
            )[1]
        )

    first, again, second = write("a", 1, "head 1"), write("b", 1, "head 1"), write("c", 2, "head 1")
    fresh, fresher = write("d", 1, None), write("e", 1, None)
    assert (tmp_path / "a/0002.dcm").read_bytes() == (tmp_path / "b/0002.dcm").read_bytes()
    assert first.SOPInstanceUID == again.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert first.StudyInstanceUID == second.StudyInstanceUID != fresh.StudyInstanceUID
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert fresh.StudyInstanceUID != fresher.StudyInstanceUID


def test_slices_of_one_series_share_study_and_series(tmp_path: Path) -> None:
    files = write_series(tmp_path, scan_of(noise(0, 1)), description="x", series_number=1, facts={})
    datasets = [pydicom.dcmread(file) for file in files]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "WindowWidth"):
        assert len({str(dataset[keyword].value) for dataset in datasets}) == 1
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == len(files)


def test_the_series_is_a_plain_original_of_an_invented_person(tmp_path: Path) -> None:
    files = write_series(tmp_path, scan_of(noise(0, 1)), description="d" * 80, series_number=9, facts=FACTS)
    dataset = pydicom.dcmread(files[0])
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    assert (dataset.Modality, dataset.SeriesNumber, len(dataset.SeriesDescription)) == ("MR", 9, 64)
    assert list(dataset.ImageType) == ["ORIGINAL", "PRIMARY", "OTHER"]
    assert str(dataset.PatientName) == "Nobody^Invented"
    assert (dataset.BitsStored, dataset.PixelRepresentation, dataset.PixelSpacing) == (16, 0, [1.2, 0.9])
    assert float(dataset.WindowWidth) > 1


def test_a_sheared_grid_is_refused(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[1, 2] = 0.4
    with pytest.raises(InputRefusedError, match="right angles"):
        write_series(tmp_path, scan_of(noise(0, 1), sheared), description="x", series_number=1, facts={})


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputNotWrittenError):
        write_series(tmp_path / "file", scan_of(noise(0, 1)), description="x", series_number=1, facts={})
