"""A DICOM series comes in on the grid, and with the values, that dcm2niix gives it by default."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from medgan.scans.dicom_reading import Series, list_series, read_series
from medgan.scans.dicom_writing import write_series
from medgan.scans.hints import OTHER_CONTRAST
from medgan.scans.scan import Scan, Source

dcm2niix = pytest.importorskip("dcm2niix")

# RAS directions: right along a row, up a column, along the normal; left-handed, as dcm2niix leaves a stack.
AXIAL = np.diag([-1.0, 1.0, 1.0])
SAGITTAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]])
CORONAL = np.array([[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def turned(axes: npt.NDArray[Any], *degrees: float) -> npt.NDArray[Any]:
    """Turn axes about x, y and z."""
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[b, a] = np.sin(angle)
        turn[a, b] = -turn[b, a]
        axes = turn @ axes
    return axes


def phantom(
    axes: npt.NDArray[Any] = AXIAL, *, spacing: tuple[float, ...] = (0.9, 0.9, 3.3), slices: int = 6
) -> Scan:
    """Noise on a grid; what matters is where each voxel goes."""
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (31.25, -44.5, 12.75)
    voxels = np.random.default_rng(3).integers(0, 4000, (36, 44, slices)).astype(np.float32)
    return Scan(voxels=voxels, affine=affine, source=Source(path=Path("made"), kind="array", stem="made"))


def written(
    folder: Path, scan: Scan, edit: Callable[[int, Any], None] | None = None, **facts: Any
) -> list[Path]:
    """Write a series, with each file's data set changed by `edit(slice, dataset)`."""
    facts = {"echo_time": 12.0, "repetition_time": 500.0, **facts}
    files = write_series(folder, scan, description="brain", series_number=4, facts=facts, entropy="test")
    for k, file in enumerate(files if edit else []):
        dataset = pydicom.dcmread(file)
        assert edit is not None
        edit(k, dataset)
        dataset.save_as(file)
    return files


def read_one(files: list[Path]) -> Scan:
    (series,) = list_series(files)
    return read_series(series, path=files[0].parent, stem="x")


def by_dcm2niix(folder: Path, out: Path, *options: str) -> list[Any]:
    """The volumes that dcm2niix makes of a folder, in its default layout."""
    out.mkdir()
    command = [dcm2niix.bin, *["-b", "n", "-z", "n", "-d", "0", "-f", "%s"], *options, "-o", out, folder]
    subprocess.run(command, check=True, capture_output=True)
    return [nibabel.load(file) for file in sorted(out.glob("*.nii"))]


def assert_same(scan: Scan, reference: Any) -> None:
    assert scan.voxels.dtype == np.float32
    assert scan.voxels.flags.c_contiguous
    stored = reference.shape if len(reference.shape) == 3 else (*reference.shape, 1)  # of a single slice
    assert scan.voxels.shape == stored
    np.testing.assert_allclose(scan.affine, reference.affine, atol=1e-3)
    np.testing.assert_allclose(scan.voxels, reference.get_fdata().reshape(stored), rtol=1e-5, atol=1e-4)


def mark(**attributes: Any) -> Callable[[int, Any], None]:
    def edit(_: int, dataset: Any) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


ORIENTATIONS = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "axial-oblique": turned(AXIAL, 20, -12, 7),
    "sagittal-oblique": turned(SAGITTAL, -9, 14, 31),
    "coronal-oblique": turned(CORONAL, 40, 3, -2),
    "between-all-three": turned(AXIAL, 38, 41, -30),
    "upside-down": turned(CORONAL, 180, 35, 5),
}


@pytest.mark.parametrize("slices", [1, 2, 4, 6])
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_series_of_any_orientation_lies_where_dcm2niix_puts_it(
    name: str, acquisition: str, slices: int, tmp_path: Path
) -> None:
    scan = phantom(ORIENTATIONS[name], slices=slices)
    files = written(tmp_path / "in", scan, mark(MRAcquisitionType=acquisition))
    found = read_one(files)
    assert_same(found, by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])
    ours, before = (nibabel.Nifti1Image(s.voxels, s.affine) for s in (found, scan))
    turned_back = nibabel.as_closest_canonical(ours), nibabel.as_closest_canonical(before)
    np.testing.assert_allclose(turned_back[0].affine, turned_back[1].affine, atol=1e-3)
    np.testing.assert_array_equal(turned_back[0].get_fdata(), turned_back[1].get_fdata())


@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_the_slicing_recovers_the_pixels_of_each_file_exactly(
    name: str, acquisition: str, tmp_path: Path
) -> None:
    files = written(tmp_path, phantom(ORIENTATIONS[name]), mark(MRAcquisitionType=acquisition))
    scan = read_one(files)
    slicing = scan.source.slicing
    assert slicing is not None
    assert scan.source.files == tuple(files)  # in order along the normal
    assert scan.voxels.shape[slicing.slice_axis] == len(files)
    for k, (file, picture) in enumerate(zip(files, slicing.pictures(scan.voxels), strict=True)):
        dataset = pydicom.dcmread(file)
        np.testing.assert_array_equal(picture, dataset.pixel_array)
        place = len(files) - 1 - k if slicing.slice_reversed else k
        plane = scan.voxels.take(place, axis=slicing.slice_axis)
        np.testing.assert_array_equal(np.sort(plane, axis=None), np.sort(dataset.pixel_array, axis=None))


def test_the_pictures_are_a_view_through_which_voxels_can_be_written(tmp_path: Path) -> None:
    scan = read_one(written(tmp_path, phantom(CORONAL), mark(MRAcquisitionType="3D")))
    assert scan.source.slicing is not None
    scan.source.slicing.pictures(scan.voxels)[...] = 7
    assert (scan.voxels == 7).all()


def private(acquisition: str) -> Callable[[int, Any], None]:
    def edit(_: int, dataset: Any) -> None:
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x6F, "CS", acquisition)

    return edit


def nested(*, undefined_length: bool = True, **attributes: Any) -> Callable[[int, Any], None]:
    def edit(_: int, dataset: Any) -> None:
        dataset.MRAcquisitionType = "3D"
        inner = pydicom.Dataset()
        mark(**attributes)(0, inner)
        dataset.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
        dataset.add_new(0x2005140F, "SQ", [inner])
        dataset[0x2005140F].is_undefined_length = undefined_length
        inner.is_undefined_length_sequence_item = undefined_length

    return edit


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize(
    ("edit", "orientation"),
    [
        (mark(MRAcquisitionType="3D"), "RAS"),
        (mark(MRAcquisitionType=""), "LAS"),
        (mark(MRAcquisitionType="3D", ScanningSequence=["GR", "EP"]), "LAS"),
        (mark(MRAcquisitionType="3D", EchoPlanarPulseSequence="YES"), "LAS"),
        (mark(MRAcquisitionType="3D", EchoPlanarPulseSequence="NO"), "RAS"),
        (private("3D"), "RAS"),
        (private("MS"), "LAS"),
        (nested(EchoPlanarPulseSequence="NO"), "RAS"),
        (nested(EchoPlanarPulseSequence="YES"), "LAS"),
        (nested(MRAcquisitionType="2D"), "LAS"),
    ],
    ids=[
        "3D", "unstated", "EP", "echo-planar", "not-echo-planar", "private-3D", "private-MS",
        "nested-not-echo-planar", "nested-echo-planar", "nested-2D",
    ],
)  # fmt: skip
def test_what_dcm2niix_counts_as_3d_is_turned_towards_ras(
    edit: Callable[[int, Any], None], orientation: str, implicit: bool, tmp_path: Path
) -> None:
    files = written(tmp_path / "in", phantom(slices=3), edit)
    if implicit:
        make_implicit(files)
    scan = read_one(files)
    assert scan.orientation == orientation
    assert_same(scan, by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


def make_implicit(files: list[Path]) -> None:
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pydicom.dcmwrite(file, dataset, implicit_vr=True, little_endian=True)


def test_the_stored_form_of_a_mark_changes_no_layout(tmp_path: Path) -> None:
    # Of defined length, dcm2niix sees what is nested in explicit VR alone.
    edit = nested(EchoPlanarPulseSequence="YES", undefined_length=False)
    files = written(tmp_path, phantom(slices=3), edit)
    explicit = read_one(files)
    make_implicit(files)
    assert read_one(files).orientation == explicit.orientation == "LAS"


def test_a_series_that_is_marked_3d_in_part_is_not_turned(tmp_path: Path) -> None:
    def some(k: int, dataset: Any) -> None:
        dataset.MRAcquisitionType = "2D" if k == 2 else "3D"

    assert read_one(written(tmp_path, phantom(), some)).orientation == "LAS"


@pytest.mark.parametrize(
    ("position", "turn"),
    [("HFS", (0, 0, 0)), ("HFP", (0, 0, 180)), ("FFS", (0, 180, 0)), ("HFDL", (0, 0, 90))],
)
def test_any_position_of_the_patient_is_read_from_the_geometry(
    position: str, turn: tuple[float, ...], tmp_path: Path
) -> None:
    def lie(_: int, dataset: Any) -> None:
        dataset.PatientPosition = position

    files = written(tmp_path / "in", phantom(turned(AXIAL, *turn)), lie)
    assert_same(read_one(files), by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


def test_instance_numbers_and_file_names_in_another_order_change_nothing(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 4, 2]

    def shuffle(k: int, dataset: Any) -> None:
        dataset.InstanceNumber = order[k] + 1

    scan = phantom()
    files = written(tmp_path / "in", scan, shuffle)
    moved = [file.rename(file.with_name(f"{order[k]}.dcm")) for k, file in enumerate(files)]
    found = read_one(sorted(moved))
    assert found.source.files == tuple(moved)
    np.testing.assert_array_equal(found.voxels, scan.voxels)
    assert_same(found, by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


def test_rows_and_columns_keep_their_own_spacing(tmp_path: Path) -> None:
    files = written(tmp_path / "in", phantom(spacing=(0.7, 1.9, 2.5)))
    assert pydicom.dcmread(files[0]).PixelSpacing == [1.9, 0.7]
    scan = read_one(files)
    assert scan.spacing == pytest.approx((0.7, 1.9, 2.5))
    assert_same(scan, by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


def test_each_slice_is_scaled_with_its_own_slope_and_intercept(tmp_path: Path) -> None:
    def rescale(k: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 0.5 + k, -7.0 * k, "US"

    scan = phantom()
    found = read_one(written(tmp_path / "in", scan, rescale))
    for k in range(6):
        np.testing.assert_allclose(
            found.voxels[:, :, k], scan.voxels[:, :, k] * (0.5 + k) - 7.0 * k, rtol=1e-6
        )
    assert_same(found, by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


def test_signed_values_of_twelve_bits_keep_their_sign(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-2048, 2048, (6, 44, 36)).astype("<i2")

    def sign(k: int, dataset: Any) -> None:
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 12, 11
        del dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue
        dataset.PixelData = (values[k] & 0x0FFF).astype("<u2").tobytes()  # unused bits carry nothing

    found = read_one(written(tmp_path, phantom(), sign))
    np.testing.assert_array_equal(found.voxels, values[:, ::-1].transpose(2, 1, 0))


def test_overlay_planes_in_unused_bits_are_no_values(tmp_path: Path) -> None:
    def overlay(_: int, dataset: Any) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") | 0x8000).astype("<u2").tobytes()

    scan = phantom()
    np.testing.assert_array_equal(read_one(written(tmp_path, scan, overlay)).voxels, scan.voxels)


def test_a_single_slice_is_a_volume_of_one(tmp_path: Path) -> None:
    def space(_: int, dataset: Any) -> None:
        dataset.SliceThickness, dataset.SpacingBetweenSlices = 4.0, 5.5

    files = written(tmp_path / "in", phantom(turned(AXIAL, 10, 5, 0), slices=1), space)
    assert_same(read_one(files), by_dcm2niix(tmp_path / "in", tmp_path / "out")[0])


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_a_stored_form_changes_no_value(syntax: Any, tmp_path: Path) -> None:
    scan = phantom()
    files = written(tmp_path, scan)
    for file in files:
        dataset = pydicom.dcmread(file)
        if syntax.is_compressed and syntax.is_encapsulated:
            dataset.compress(syntax)
            dataset.save_as(file)
            continue
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(file, dataset, little_endian=syntax != ExplicitVRBigEndian, implicit_vr=False)
    found = read_one(files)
    np.testing.assert_array_equal(found.voxels, scan.voxels)
    assert found.source.facts["transfer_syntax"] == syntax.name


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    scan = phantom()
    files = written(tmp_path, scan)
    for file in files:
        dataset = pydicom.dcmread(file)
        pydicom.dcmwrite(file, pydicom.Dataset(dataset), implicit_vr=False, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_one(files).voxels, scan.voxels)


def test_a_folder_is_listed_by_series_orientation_and_matrix(tmp_path: Path) -> None:
    files = []
    for number, axes in enumerate((AXIAL, SAGITTAL, CORONAL)):
        files += written(tmp_path / str(number), phantom(axes, slices=2))  # one localizer: one series
    other = phantom(slices=3)
    files += write_series(
        tmp_path / "t2",
        other,
        description="AX T2 TSE",
        series_number=2,
        facts={"echo_time": 90},
        entropy="test",
    )
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "short").write_bytes(b"")
    report = pydicom.dcmread(files[0])
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(report, keyword)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.save_as(tmp_path / "report.dcm")

    listed = list_series(file for file in tmp_path.rglob("*") if file.is_file())
    assert [(s.number, s.orientation, s.shape) for s in listed] == [
        (2, "axial", (36, 44, 3)),
        (4, "axial", (36, 44, 2)),
        (4, "sagittal", (36, 44, 2)),
        (4, "coronal", (36, 44, 2)),
    ]
    assert [s.refusal for s in listed] == [None] * 4
    assert listed[0].description == "AX T2 TSE"
    assert len({s.uid for s in listed}) == 2


@pytest.mark.parametrize(
    ("description", "facts", "contrast"),
    [
        ("t1_mprage_sag", {}, "t1"),
        ("AX T2 TSE", {"echo_time": 12}, "t2"),
        ("brain", {"echo_time": 12, "repetition_time": 500}, "t1"),
        ("brain", {"echo_time": 90, "repetition_time": 4000}, "t2"),
        ("brain", {"echo_time": 3, "repetition_time": 2300, "inversion_time": 900}, "t1"),
        ("brain", {"echo_time": 120, "repetition_time": 9000, "inversion_time": 2500}, None),
        ("brain", {}, None),
        ("T2* GRE", {"echo_time": 20, "repetition_time": 600}, None),
        ("AX SWI", {"echo_time": 12, "repetition_time": 500}, None),
        ("AX T2 FLAIR", {"echo_time": 120, "repetition_time": 9000}, None),
    ],
)
def test_the_contrast_is_what_the_description_says_or_the_times(
    description: str, facts: dict[str, float], contrast: str | None, tmp_path: Path
) -> None:
    files = write_series(tmp_path, phantom(slices=2), description=description, series_number=1, facts=facts)
    (series,) = list_series(files)
    assert series.contrast == contrast
    scan = read_series(series, path=tmp_path, stem="x")
    assert scan.contrast == contrast
    assert (OTHER_CONTRAST in scan.warnings) == (contrast is None and (description, facts) != ("brain", {}))


def test_a_scan_carries_technical_facts_and_no_person(tmp_path: Path) -> None:
    def person(_: int, dataset: Any) -> None:
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^Jane", "ID-12345", "19700203"
        dataset.InstitutionName, dataset.StudyDate, dataset.OperatorsName = "Mercy", "20240506", "Roe^Rick"
        dataset.SyntheticData = "YES"

    scan = read_one(written(tmp_path / "in", phantom(), person, field_strength=3.0, inversion_time=900.0))
    facts = scan.source.facts
    assert facts["synthetic"] is True
    assert {key: facts[key] for key in ("modality", "echo_time", "repetition_time", "inversion_time")} == {
        "modality": "MR",
        "echo_time": 12.0,
        "repetition_time": 500.0,
        "inversion_time": 900.0,
    }
    assert (facts["field_strength"], facts["slice_thickness"], facts["sequence"]) == (3.0, 3.3, "SE")
    text = repr(scan) + repr(list_series(scan.source.files))
    for secret in ("Doe", "Jane", "12345", "1970", "Mercy", "2024", "Roe"):
        assert secret not in text


@pytest.mark.parametrize(
    ("keyword", "value", "warning"),
    [
        ("LossyImageCompression", "01", "compressed lossily"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "P", "ND"], "not magnitude"),
    ],
)
def test_what_a_user_should_know_of_the_images_is_a_warning(
    keyword: str, value: Any, warning: str, tmp_path: Path
) -> None:
    plain = read_one(written(tmp_path / "plain", phantom()))
    odd = read_one(written(tmp_path / "odd", phantom(), lambda _, dataset: setattr(dataset, keyword, value)))
    assert plain.warnings == ()
    assert len(odd.warnings) == 1 and warning in odd.warnings[0]


def test_odd_values_in_unneeded_attributes_are_no_matter(tmp_path: Path) -> None:
    files = written(tmp_path, phantom())
    for file in files:
        data = file.read_bytes()
        file.write_bytes(data.replace(b"NOBODY", b"\xff\xfe\x00\x1bDY"))
    assert read_one(files).voxels.shape == (36, 44, 6)


REAL = {
    "philips_mprage/cl": 170,
    "siemens_positions/HFS/3_t1_fl2d_sag": 35,
    "siemens_positions/HFDL/2_t1_fl2d_sag": 35,
    "icometrix/anatomical/001": 4,
    "icometrix/anatomical/001_implicit": 4,
    "icometrix/siemens/anatomical/001": 4,
    "icometrix/hitachi/anatomical/001": 4,
    "icometrix/hitachi/anatomical/001_implicit": 4,
    "icometrix/hyperfine/anatomical/001": 8,
    "icometrix/philips_enhanced/anatomical/001": 8,
    "icometrix/philips_enhanced/anatomical/001_implicit": 8,
    "icometrix/siemens_multiframe/anatomical/001": 8,
    "icometrix/generic/anatomical/001": 4,
    "icometrix/generic/anatomical/001_implicit": 4,
    "icometrix/generic/anatomical/002_non_isotropic": 4,
    "icometrix/generic/compressed/001": 4,
    "icometrix/generic/compressed_j2k/001": 4,
    "icometrix/generic/compressed_jpeg/001": 4,
    "icometrix/generic/compressed_jpegls/001": 4,
    "icometrix/generic/compressed_rle/001": 4,
    "icometrix/failing/slicecount/001": 2,
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_series_is_what_dcm2niix_makes_of_it(name: str, real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "dicom" / name
    (series,) = list_series(folder.iterdir())
    assert series.shape[2] == REAL[name]
    scan = read_series(series, path=folder, stem="x")
    # Philips has a second, "precise" scaling of its own, which `-p n` leaves out.
    scaling = () if "non_isotropic" in name else ("-p", "n")
    assert_same(scan, by_dcm2niix(folder, tmp_path / "out", *scaling)[0])


def test_a_real_mprage_has_the_grid_of_dcm2niix_without_any_option(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "dicom/philips_mprage"
    scan = read_one(sorted((folder / "cl").iterdir()))
    subprocess.run([dcm2niix.bin, "-f", "%s", "-o", tmp_path, folder], check=True, capture_output=True)
    (reference,) = (nibabel.load(file) for file in tmp_path.glob("*.nii*"))
    assert scan.voxels.shape == reference.shape == (170, 256, 256)
    assert scan.orientation == "".join(nibabel.aff2axcodes(reference.affine)) == "RAS"
    np.testing.assert_allclose(scan.affine, reference.affine, atol=1e-3)
    slicing = scan.source.slicing
    assert slicing is not None and scan.voxels.shape[slicing.slice_axis] == len(scan.source.files) == 170
    for k in (0, 84, 169):
        dataset = pydicom.dcmread(scan.source.files[k])
        real = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(slicing.pictures(scan.voxels)[k], real.astype(np.float32))


def test_two_orientations_in_one_folder_are_two_series_as_with_dcm2niix(
    real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "dicom/icometrix/failing/sliceorientation/001"
    listed: list[Series] = list_series(folder.iterdir())
    references = by_dcm2niix(folder, tmp_path / "out")
    assert [s.orientation for s in listed] == ["sagittal", "axial"]
    for series, reference in zip(listed, references, strict=True):
        assert_same(read_series(series, path=folder, stem="x"), reference)


def test_raw_data_beside_a_series_are_left_out(real_data: Path) -> None:
    folder = real_data / "dicom/philips_mprage"
    (series,) = list_series(file for file in folder.rglob("*") if file.is_file())
    assert (len(series.files), series.contrast, series.refusal) == (170, "t1", None)


@pytest.mark.parametrize(
    "name", ["bigendian", "expb", "implicit", "RLE", "jp2klossless", "jpeg_ls_lossless", "padded"]
)
def test_the_stored_forms_of_one_real_image_read_alike(name: str, real_data: Path) -> None:
    folder = real_data / "dicom/pydicom"
    plain, other = read_one([folder / "MR_small.dcm"]), read_one([folder / f"MR_small_{name}.dcm"])
    np.testing.assert_array_equal(plain.voxels, other.voxels)
    np.testing.assert_array_equal(plain.affine, other.affine)
