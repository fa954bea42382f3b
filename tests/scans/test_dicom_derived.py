"""A synthetic scan becomes a DICOM series that says what it is, lies where its source lies, and is sound."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from medgan.errors import InputRefusedError, OutputNotWrittenError
from medgan.scans.dicom_derived import Derivation, write_derived_series
from medgan.scans.dicom_reading import choose_echo, list_series, read_series
from medgan.scans.scan import Scan, Source

Make = Callable[..., Any]
DERIVATION = Derivation(description="SYNTHETIC", text="By a model.", contrast="t1", version="1.0")
EMPTY = ("ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength", "RepetitionTime")


def unscaled(dataset: Any, slope: float, offset: float) -> Any:
    return (dataset.pixel_array.astype(np.float64) - offset) / slope


@pytest.mark.robustness("dicom-out-attributes")
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_every_slice_says_that_it_is_synthetic_and_of_what(
    kind: str, classic: Make, multi_frame: Make, derive: Make, tmp_path: Path
) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.Manufacturer, dataset.ManufacturerModelName = "ACME", "Magnet 3"
        dataset.SoftwareVersions, dataset.InstitutionName = ["A", "B"], "Clinic"
        dataset.PatientBirthDate, dataset.StudyID, dataset.AccessionNumber = "19600229", "77", "A1"

    files = classic(tmp_path / "classic", edit)
    sources = files if kind == "classic" else multi_frame(tmp_path / "enhanced", files)
    _, written = derive(sources, tmp_path / "out")
    assert [file.name for file in written] == [f"{k + 1:04d}.dcm" for k in range(5)]
    slices, whole = [pydicom.dcmread(file) for file in written], pydicom.dcmread(sources[0])
    for k, d in enumerate(slices):
        assert d.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert d.SOPClassUID == d.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
        for keyword in (
            "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
            "StudyDate", "AccessionNumber", "FrameOfReferenceUID", "PatientPosition", "BodyPartExamined",
            "SpecificCharacterSet",
        ):  # fmt: skip
            assert d[keyword].value == whole[keyword].value, keyword
        assert list(d.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
        assert (d.SyntheticData, d.BurnedInAnnotation, d.Modality) == ("YES", "NO", "MR")
        assert (d.ScanningSequence, d.SequenceVariant) == ("RM", "NONE")
        assert all(keyword in d and not d[keyword].value for keyword in EMPTY)
        assert d.SeriesDescription == "SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS"
        assert d.DerivationDescription.startswith("Made by a CycleGAN (medgan 1.0, model abc). stored value")
        assert (d.SeriesNumber, d.InstanceNumber, d.Manufacturer) == (920_004, k + 1, "medgan")
        assert (d.BitsAllocated, d.BitsStored, d.PixelRepresentation) == (16, 16, 0)
        pixels = d.pixel_array
        assert (d.SmallestImagePixelValue, d.LargestImagePixelValue) == (pixels.min(), pixels.max())
        (source,) = d.SourceImageSequence
        assert (source.PurposeOfReferenceCodeSequence[0].CodeValue, source.ReferencedSOPClassUID) == (
            "121322",
            whole.SOPClassUID,
        )
        if kind == "classic":
            assert source.ReferencedSOPInstanceUID == pydicom.dcmread(files[k]).SOPInstanceUID
        else:
            assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == (
                whole.SOPInstanceUID,
                5 - k,
            )
        (of_series,) = d.ReferencedSeriesSequence
        assert of_series.SeriesInstanceUID == whole.SeriesInstanceUID != d.SeriesInstanceUID
        scanner, ours = d.ContributingEquipmentSequence
        assert [m.PurposeOfReferenceCodeSequence[0].CodeValue for m in (scanner, ours)] == [
            "109101",
            "109102",
        ]
        assert (scanner.Manufacturer, scanner.ManufacturerModelName) == ("ACME", "Magnet 3")
        assert (list(scanner.SoftwareVersions), scanner.InstitutionName) == (["A", "B"], "Clinic")
        assert (ours.Manufacturer, ours.SoftwareVersions) == ("medgan", "1.0")
        assert "InstitutionName" not in d
    assert len({d.SOPInstanceUID for d in slices}) == 5
    for keyword in ("SeriesInstanceUID", "WindowWidth", "DerivationDescription", "ContentTime"):
        assert len({str(d[keyword].value) for d in slices}) == 1, keyword


@pytest.mark.robustness("dicom-out-attributes")
def test_geometry_is_the_source_slices_own_digit_for_digit(
    classic: Make, derive: Make, scaling: Make, tmp_path: Path
) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.PixelSpacing = ["1.20000", "0.9"]
        dataset.InstanceNumber = 9 - k

    files = classic(tmp_path / "in", edit)
    scan, written = derive(files, tmp_path / "out")
    pictures = scan.source.slicing.pictures(scan.voxels)
    for k, (file, source) in enumerate(zip(written, files, strict=True)):
        d, s = pydicom.dcmread(file), pydicom.dcmread(source)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            assert [str(x) for x in d[keyword].value] == [str(x) for x in s[keyword].value]
        assert (str(d.SliceThickness), str(d.SpacingBetweenSlices)) == (
            str(s.SliceThickness),
            str(s.SpacingBetweenSlices),
        )
        np.testing.assert_allclose(unscaled(d, *scaling(d)), pictures[k], atol=0.51 / scaling(d)[0])


@pytest.mark.robustness("dicom-out-attributes")
def test_geometry_of_a_multi_frame_source_comes_from_each_frame(
    classic: Make, multi_frame: Make, derive: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "classic")
    _, written = derive(multi_frame(tmp_path / "in", files), tmp_path / "out")
    for file, source in zip(written, files, strict=True):
        d, s = pydicom.dcmread(file), pydicom.dcmread(source)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            np.testing.assert_allclose(d[keyword].value, s[keyword].value, rtol=0, atol=1e-9)
        assert (d.SliceThickness, d.SpacingBetweenSlices, d.ImageLaterality) == (2.25, 2.5, "U")


@pytest.mark.robustness("dicom-out-grid")
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_scan_with_its_axes_in_any_order_and_direction_is_the_same_series(
    order: tuple[int, ...], classic: Make, derive: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "in", slices=3)
    (series,) = list_series(files)
    scan, written = derive(files, tmp_path / "out")
    expected = [pydicom.dcmread(file).PixelData for file in written]
    image = nibabel.Nifti1Image(scan.voxels, scan.affine)
    for number, flips in enumerate(product((1, -1), repeat=3)):
        turned = image.as_reoriented(np.stack([order, flips], axis=1))
        other = Scan(
            voxels=np.asarray(turned.dataobj), affine=turned.affine.astype(np.float32), source=scan.source
        )
        folder = tmp_path / str(number)
        folder.mkdir()
        found = write_derived_series(folder, other, reference=series, derivation=DERIVATION)
        assert [pydicom.dcmread(file).PixelData for file in found] == expected


def turn(degrees: float) -> Any:
    """4x4, about the third axis of the world."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def centred(affine: Any, on: Any, shape: tuple[int, int, int]) -> Any:
    """An affine shifted so that the middle of its grid is that of another."""
    middle = (np.array(shape) - 1) / 2
    shifted = affine.copy()
    shifted[:3, 3] += on[:3, :3] @ middle + on[:3, 3] - affine[:3, :3] @ middle - affine[:3, 3]
    return shifted


@pytest.mark.robustness("dicom-out-grid")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda v, a: (v, a + np.array([[0, 0, 0, 0.2]] + [[0] * 4] * 3)),
            "it has its middle 0.2 mm away, corners up to 0.2 mm away",
        ),
        (
            lambda v, a: (v, centred(a @ np.diag([1.01, 1, 1, 1]), a, v.shape)),
            "it has voxels of 0.901 x 1.2 x 2.51 mm (columns, rows, slices) and the scan 0.91 x 1.2 x 2.51 mm, corners",
        ),
        (
            lambda v, a: (v, centred(turn(2.0) @ a, a, v.shape)),
            "it has axes that are turned by 2 degrees against the scan's, corners",
        ),
        (lambda v, a: (v[:-1], a), "36 x 44 x 5 voxels (columns, rows, slices) and the scan 35 x 44 x 5"),
        (
            lambda v, a: (v[:, :36].swapaxes(0, 1), a[:, [1, 0, 2, 3]]),
            "36 x 44 x 5 voxels (columns, rows, slices) and the scan 36 x 36 x 5",
        ),
        (lambda v, a: (v, a * np.nan), "axes in other directions"),
    ],
    ids=["shifted", "stretched", "turned", "smaller", "smaller and other axes", "nowhere"],
)
def test_a_scan_on_another_grid_is_refused_with_the_numbers_of_both(
    change: Any, says: str, classic: Make, derive: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "in")
    (series,) = list_series(files)
    read = read_series(series, path=tmp_path, stem="x")
    voxels, affine = change(read.voxels, read.affine)
    scan = Scan(voxels=voxels, affine=affine, source=Source(path=tmp_path, kind="array", stem="x"))
    with pytest.raises(InputRefusedError) as refused:
        write_derived_series(tmp_path / "out", scan, reference=series, derivation=DERIVATION)
    assert (refused.value.file, says in refused.value.cause) == (tmp_path / "in", True), refused.value.cause
    assert "write NIfTI" in refused.value.remedy
    assert not (tmp_path / "out").exists()


def test_voxels_that_are_not_finite_are_never_written(classic: Make, tmp_path: Path) -> None:
    (series,) = list_series(classic(tmp_path / "in"))
    read = read_series(series, path=tmp_path, stem="x")
    read.voxels[3, 3, 3] = np.nan
    with pytest.raises(OutputNotWrittenError, match="NaN or infinite"):
        write_derived_series(tmp_path / "out", read, reference=series, derivation=DERIVATION)


def test_one_echo_of_several_is_a_reference(classic: Make, derive: Make, tmp_path: Path) -> None:
    def late(_: int, dataset: Any) -> None:
        dataset.SeriesInstanceUID, dataset.EchoTime = uid, 80

    early = classic(tmp_path / "early")
    uid = pydicom.dcmread(early[0]).SeriesInstanceUID
    files = classic(tmp_path / "late", late)
    (both,) = list_series([*early, *files])
    _, written = derive(choose_echo(both, 80), tmp_path / "out")
    found = [pydicom.dcmread(file).SourceImageSequence[0].ReferencedSOPInstanceUID for file in written]
    assert found == [pydicom.dcmread(file).SOPInstanceUID for file in files]


def test_texts_are_cut_to_what_dicom_allows_and_ascii(
    classic: Make, derive: Make, dicom_errors: Make, scaling: Make, tmp_path: Path
) -> None:
    long = Derivation(description="Ü\\" * 50, text="é\n" * 1000, contrast="t2", version="1.0")
    _, written = derive(classic(tmp_path / "in"), tmp_path / "out", derivation=long)
    d = pydicom.dcmread(written[0])
    assert (len(d.SeriesDescription), d.SeriesDescription[:4]) == (64, "?/?/")
    assert len(d.DerivationDescription) <= 1024 and scaling(d)[0] > 0
    assert dicom_errors(written[0]) == []


@pytest.mark.robustness("dicom-out-deidentify")
def test_writing_in_the_pixels_is_said_and_never_called_deidentified(tmp_path: Path) -> None:
    import pydicom

    from medgan.errors import InputRefusedError
    from medgan.scans.deidentification import Deidentifier
    from medgan.scans.dicom_derived import Derivation, write_derived_series
    from medgan.scans.dicom_writing import write_series
    from medgan.scans.reading import Reading, read_scan, reference_series
    from medgan.scans.scan import Scan, Source

    voxels = np.arange(16 * 16 * 4, dtype=np.float32).reshape(16, 16, 4)
    source = Source(path=tmp_path, kind="array", stem="x")
    scan = Scan(voxels=voxels, affine=np.diag([-1.0, 1, 3, 1]), source=source)
    for file in write_series(tmp_path / "s", scan, description="T1w", series_number=1, facts={}):
        dataset = pydicom.dcmread(file)
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(file)
    series = reference_series(tmp_path / "s", Reading())
    derivation = Derivation(description="S", text="t", contrast="t2", version="0")
    (tmp_path / "o").mkdir()
    read = read_scan(tmp_path / "s")
    made = write_derived_series(tmp_path / "o", read, reference=series, derivation=derivation)
    assert pydicom.dcmread(made[0]).BurnedInAnnotation == "YES"
    with pytest.raises(InputRefusedError, match="burned into"):
        write_derived_series(
            tmp_path / "o", read, reference=series, derivation=derivation, deidentifier=Deidentifier()
        )
