"""Claims about reading any path: one scan is taken, several are listed, unfit options are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medgan.errors import InputRefusedError, SeriesChoiceError, UsageError
from medgan.scans.finding import find_scans
from medgan.scans.reading import read_scan

VOXELS = np.random.default_rng(1).integers(0, 900, (16, 12, 5)).astype(np.int16)


def write_nifti(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(VOXELS, np.eye(4)).to_filename(path)
    return path


def write_series(
    folder: Path,
    *,
    number: int,
    description: str,
    modality: str = "MR",
    uid: str = "",
    gap: bool = False,
    patient: str = "",
    manufacturer: str = "",
) -> str:
    """Five axial slices of 12 x 16 pixels, as a scanner would send them, or medgan as the manufacturer."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid(None)
    for k in range(5):
        if gap and k == 2:
            continue
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1." + ("4" if modality == "MR" else "2")
        dataset.SOPInstanceUID = generate_uid(None)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.SeriesDescription = uid, number, description
        dataset.Modality, dataset.PatientName, dataset.Manufacturer = modality, patient, manufacturer
        if manufacturer == "medgan":
            dataset.SyntheticData = "YES"
        dataset.Rows, dataset.Columns = 12, 16
        dataset.ImagePositionPatient = [0, 0, 3 * k]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [1, 1]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
            16,
            16,
            15,
            1,
        )
        dataset.PixelData = VOXELS[..., k].T.tobytes()
        dataset.save_as(folder / f"{number}_{k}.dcm", enforce_file_format=True)
    return uid


@pytest.mark.parametrize("name", ["a_T1w.nii", "a_T1w.nii.gz", "a_T1w.png"])
def test_a_file_is_read_by_the_reader_of_its_kind(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("png"):
        Image.fromarray(VOXELS[..., 0].astype(np.uint8)).save(path)
    else:
        write_nifti(path)
    for source in (path, tmp_path):
        scan = read_scan(source)
        assert (scan.source.path, scan.source.stem, scan.contrast) == (path, "a_T1w", "t1")


def test_what_was_found_is_read_under_the_name_it_was_found_by(tmp_path: Path) -> None:
    for name in ("x/T1.nii.gz", "y/T1.nii.gz"):
        write_nifti(tmp_path / name)
    assert [read_scan(one).source.stem for one in find_scans(tmp_path)] == ["x_T1", "y_T1"]


def test_a_folder_with_several_files_lists_them(tmp_path: Path) -> None:
    for name in ("x/T1.nii.gz", "T2.nii.gz"):
        write_nifti(tmp_path / name)
    with pytest.raises(SeriesChoiceError, match="holds 2 scans") as caught:
        read_scan(tmp_path)
    assert str(Path("x/T1.nii.gz")) in caught.value.remedy
    with pytest.raises(UsageError, match="there is none"):
        read_scan(tmp_path, series="3")


def test_the_only_mr_series_of_a_folder_is_taken(tmp_path: Path) -> None:
    uid = write_series(tmp_path / "s", number=3, description="t2_tse_tra")
    write_series(tmp_path / "ct", number=9, description="head", modality="CT")
    scan = read_scan(tmp_path)
    assert (scan.source.kind, scan.source.series, scan.source.stem) == ("dicom", uid, "s_series003")
    assert scan.contrast == "t2"
    assert sorted(scan.voxels.ravel()) == sorted(VOXELS.astype(np.float32).ravel())


def test_several_series_are_listed_and_chosen_by_number_or_uid(tmp_path: Path) -> None:
    first = write_series(tmp_path, number=2, description="localizer")
    second = write_series(tmp_path, number=11, description="t1_mprage")
    with pytest.raises(SeriesChoiceError) as caught:
        read_scan(tmp_path)
    for words in ("--series", "2: MR, localizer, 16 x 12 x 5, axial", "11: MR, t1_mprage", second):
        assert words in caught.value.remedy
    assert read_scan(tmp_path, series="2").source.series == first
    assert read_scan(tmp_path, series="11").source.series == second
    assert read_scan(tmp_path, series=second).source.series == second
    with pytest.raises(SeriesChoiceError, match="no series '5'"):
        read_scan(tmp_path, series="5")


@pytest.mark.robustness("bad-10")
def test_a_folder_of_several_patients_tells_which_folder_is_whose_and_how_to_go_on(tmp_path: Path) -> None:
    for number, name in ((4, "visit 1"), (4, "visit 2"), (7, "Meier_Hans")):
        write_series(tmp_path / "study" / name / "s", number=number, description="t1", patient="Meier^Hans")
    with pytest.raises(SeriesChoiceError, match="holds 3 scans") as caught:
        read_scan(tmp_path / "study")
    way, *lines = caught.value.remedy.splitlines()
    assert all(words in way for words in ("--series", "give its folder", "DIR/*", "unpack it first"))
    told = [line.split(", ")[:5] for line in lines]
    assert sorted(told) == [
        ["  4: MR", "t1", "16 x 12 x 5", "axial", "in visit 1/s"],
        ["  4: MR", "t1", "16 x 12 x 5", "axial", "in visit 2/s"],
        ["  7: MR", "t1", "16 x 12 x 5", "axial", "in folder 1/s"],
    ]


def test_a_result_of_medgan_is_taken_among_scans_where_its_series_is_named(tmp_path: Path) -> None:
    acquired = write_series(tmp_path / "a", number=4, description="t1")
    made = write_series(tmp_path / "b", number=920_004, description="made", manufacturer="medgan")
    assert read_scan(tmp_path).source.series == acquired
    assert read_scan(tmp_path, series="920004").source.series == made
    assert read_scan(tmp_path / "b").source.facts["synthetic"] is True


def test_a_series_that_cannot_be_read_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    write_series(tmp_path, number=2, description="localizer")
    write_series(tmp_path, number=3, description="t1", gap=True)
    with pytest.raises(SeriesChoiceError) as caught:
        read_scan(tmp_path)
    assert "cannot be read" in caught.value.remedy


def test_a_lone_series_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    write_series(tmp_path, number=3, description="t1", gap=True)
    with pytest.raises(InputRefusedError) as caught:
        read_scan(tmp_path)
    assert not isinstance(caught.value, SeriesChoiceError)


def test_two_series_of_one_number_need_the_uid(tmp_path: Path) -> None:
    uid = write_series(tmp_path / "a", number=4, description="t1")
    write_series(tmp_path / "b", number=4, description="t2")
    with pytest.raises(SeriesChoiceError, match="has 2 series '4'"):
        read_scan(tmp_path, series="4")
    assert read_scan(tmp_path, series=uid).source.stem == "a_series004"


def test_options_of_another_kind_of_scan_are_refused(tmp_path: Path) -> None:
    nifti = write_nifti(tmp_path / "n" / "a.nii")
    write_series(tmp_path / "d", number=4, description="t1")
    with pytest.raises(UsageError, match="--volume"):
        read_scan(tmp_path / "d", volume=0)
    with pytest.raises(UsageError, match="DICOM"):
        read_scan(nifti, echo=90.0)
    with pytest.raises(UsageError, match="--series"):
        read_scan(find_scans(tmp_path / "d")[0], series="5")
    assert read_scan(nifti, volume=0).voxels.shape == VOXELS.shape


def test_a_refusal_inside_an_archive_names_the_place_in_it_and_no_patient(tmp_path: Path) -> None:
    folder = tmp_path / "Quistgaard_Wilhelmina" / "t1"
    write_series(folder, number=3, description="t1", gap=True, patient="Quistgaard^Wilhelmina")
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in folder.iterdir():
            opened.write(file, file.relative_to(tmp_path))
    with pytest.raises(InputRefusedError, match="slices missing") as caught:
        read_scan(archive)
    assert caught.value.file == archive / "folder 1" / "t1"


def test_a_real_series_is_found_and_read(real_data: Path) -> None:
    scan = read_scan(real_data / "dicom" / "philips_mprage")
    assert scan.voxels.shape == (170, 256, 256)
    assert len(scan.source.files) == 170
    assert scan.contrast == "t1"
