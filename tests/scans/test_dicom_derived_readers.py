"""Others read a derived series as it was meant: a validator, dcm2niix, SimpleITK, pydicom, and medgan itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from medgan.scans import find_scans, read_scan, write_nifti
from medgan.scans.deidentification import Deidentifier
from medgan.scans.dicom_reading import list_series
from medgan.scans.scan import Scan

Make = Callable[..., Any]


@pytest.mark.robustness("dicom-out-dciodvfy")
@pytest.mark.parametrize("deidentified", [False, True])
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_dciodvfy_finds_no_error(
    kind: str, deidentified: bool, classic: Make, multi_frame: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:  # fmt: skip
    files = classic(tmp_path / "classic")
    sources = files if kind == "classic" else multi_frame(tmp_path / "enhanced", files)
    _, written = derive(sources, tmp_path / "out", deidentifier=Deidentifier() if deidentified else None)
    assert [dicom_errors(file) for file in (*files, *written)] == [[]] * 10


@pytest.mark.robustness("dicom-out-dciodvfy")
@pytest.mark.parametrize("deidentified", [False, True])
def test_dciodvfy_finds_no_error_in_what_is_made_of_real_series(
    deidentified: bool, real_data: Path, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    listed = list_series((real_data / "dicom").rglob("*"))
    found = [series for series in listed if series.refusal is None and len(series.files) < 100]
    assert len(found) > 10
    for number, series in enumerate(found):
        identity = Deidentifier() if deidentified else None
        _, written = derive(series, tmp_path / str(number), deidentifier=identity)
        for file in (written[0], written[-1]):
            assert dicom_errors(file) == [], series.files[0]


SIDES = np.array([[0.0, 0, 2.5, -8], [-0.9, 0, 0, 20], [0, 1.2, 0, -9], [0, 0, 0, 1]])  # sagittal


@pytest.mark.robustness("dicom-out-dcm2niix")
@pytest.mark.parametrize("affine", [None, SIDES], ids=["oblique", "sagittal"])
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("slices", [1, 5])
def test_dcm2niix_makes_the_nifti_that_medgan_writes(
    slices: int, acquisition: str, affine: Any, classic: Make, derive: Make, scaling: Make, tmp_path: Path
) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.MRAcquisitionType = acquisition

    scan, written = derive(classic(tmp_path / "in", edit, affine=affine, slices=slices), tmp_path / "out")
    assert_dcm2niix_agrees(scan, written, scaling(pydicom.dcmread(written[0])), tmp_path)


@pytest.mark.robustness("dicom-out-dcm2niix")
@pytest.mark.parametrize(
    "name", ["siemens_positions/HFDL", "icometrix/siemens_multiframe", "icometrix/philips_enhanced/anatomical/001",
             "philips_mprage"],
)  # fmt: skip
def test_dcm2niix_makes_the_nifti_that_medgan_writes_of_real_series(
    name: str, real_data: Path, derive: Make, dicom_errors: Make, scaling: Make, tmp_path: Path
) -> None:
    (series,) = [s for s in list_series((real_data / "dicom" / name).rglob("*")) if s.refusal is None]
    scan, written = derive(series, tmp_path / "out")
    assert_dcm2niix_agrees(scan, written, scaling(pydicom.dcmread(written[0])), tmp_path)
    assert dicom_errors(written[-1]) == []


def assert_dcm2niix_agrees(
    scan: Scan, written: list[Path], scaling: tuple[float, float], folder: Path
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")
    (folder / "nifti").mkdir()
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "theirs", "-o", folder / "nifti", written[0].parent]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    write_nifti(scan, folder / "ours.nii", description="")
    ours: Any = nibabel.load(folder / "ours.nii")
    (path,) = (folder / "nifti").glob("*")
    theirs: Any = nibabel.load(path)
    slope, offset = scaling
    np.testing.assert_allclose(theirs.affine, ours.affine, rtol=0, atol=1e-3)
    values = (theirs.get_fdata().reshape(ours.shape) - offset) / slope  # a single slice is 2D there
    np.testing.assert_allclose(values, ours.get_fdata(), rtol=0, atol=0.5001 / slope)


@pytest.mark.robustness("privacy-synthetic-mark")
def test_the_header_that_dcm2niix_writes_says_that_the_image_is_synthetic(
    classic: Make, derive: Make, tmp_path: Path
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")
    derive(classic(tmp_path / "in"), tmp_path / "out")
    (tmp_path / "nifti").mkdir()
    command = [dcm2niix.bin, "-b", "n", "-f", "x", "-o", tmp_path / "nifti", tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (converted,) = (tmp_path / "nifti").iterdir()
    assert read_scan(converted).source.facts["synthetic"] is True


@pytest.mark.robustness("dicom-out-readers")
def test_simpleitk_reads_the_same_image_in_the_same_place(
    classic: Make, derive: Make, scaling: Make, tmp_path: Path
) -> None:
    scan, written = derive(classic(tmp_path / "in"), tmp_path / "out")
    reader = SimpleITK.ImageSeriesReader()
    (uid,) = reader.GetGDCMSeriesIDs(str(tmp_path / "out"))
    assert uid == pydicom.dcmread(written[0]).SeriesInstanceUID
    names = reader.GetGDCMSeriesFileNames(str(tmp_path / "out"), uid)
    assert [Path(name).name for name in names] == [file.name for file in written]
    reader.SetFileNames(names)
    image = reader.Execute()
    slope, offset = scaling(pydicom.dcmread(written[0]))
    pictures = scan.source.slicing.pictures(scan.voxels)
    found = (SimpleITK.GetArrayFromImage(image) - offset) / slope
    np.testing.assert_allclose(found, pictures, rtol=0, atol=0.51 / slope)
    places = [image.TransformIndexToPhysicalPoint(index) for index in ((0, 0, 0), (35, 43, 4))]
    ours = [scan.affine @ [x, y, z, 1] for x, y, z in ((0, 43, 0), (35, 0, 4))]
    np.testing.assert_allclose(places, [(-x, -y, z) for x, y, z, _ in ours], atol=1e-6)


@pytest.mark.robustness("dicom-out-readers")
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
def test_medgan_finds_it_reads_it_on_the_same_grid_and_knows_that_it_is_synthetic(
    acquisition: str, classic: Make, derive: Make, scaling: Make, tmp_path: Path
) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.MRAcquisitionType = acquisition

    scan, written = derive(classic(tmp_path / "in", edit), tmp_path / "out")
    assert find_scans(tmp_path / "out")
    found = read_scan(tmp_path / "out")
    np.testing.assert_allclose(found.affine, scan.affine, rtol=0, atol=1e-9)
    slope, offset = scaling(pydicom.dcmread(written[0]))
    np.testing.assert_allclose((found.voxels - offset) / slope, scan.voxels, rtol=0, atol=0.51 / slope)
    assert (found.contrast, found.source.facts["synthetic"]) == ("t2", True)


@pytest.mark.robustness("dicom-out-readers")
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, JPEG2000Lossless]
)
def test_a_source_of_any_transfer_syntax_gives_the_same_plain_files(
    syntax: Any, classic: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "in")
    _, plain = derive(files, tmp_path / "plain")
    for file in files:
        dataset = pydicom.dcmread(file)
        if syntax == JPEG2000Lossless:
            dataset.compress(syntax, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        big = syntax == ExplicitVRBigEndian
        pydicom.dcmwrite(file, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=not big)
    _, written = derive(files, tmp_path / "out")
    for one, other in zip(plain, written, strict=True):
        d, e = pydicom.dcmread(one), pydicom.dcmread(other)
        assert e.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        for made in (d, e):
            for keyword in (
                "SOPInstanceUID",
                "SeriesInstanceUID",
                "SeriesTime",
                "ContentTime",
                "InstanceCreationTime",
            ):
                delattr(made, keyword)
        assert d == e
        assert dicom_errors(other) == []
