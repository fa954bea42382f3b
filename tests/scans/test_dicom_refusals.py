"""A DICOM series that cannot be trusted is refused, with the file, the cause and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.pixels
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans import dicom_files, dicom_objections
from medgan.scans.dicom_pixels import codestream_size
from medgan.scans.dicom_reading import Series, choose_echo, list_series, read_series
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source

Edit = Callable[[int, Any], object]


def written(folder: Path, edit: Edit | None = None, *, slices: int = 6, number: int = 1) -> list[Path]:
    """Write axial noise, 3 mm apart, with each file's data set changed by `edit(slice, dataset)`."""
    affine = np.diag([-1.0, 1.0, 3.0, 1.0])
    voxels = np.random.default_rng(1).integers(0, 900, (36, 44, slices)).astype(np.float32)
    scan = Scan(voxels=voxels, affine=affine, source=Source(path=folder, kind="array", stem="x"))
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    files = write_series(folder, scan, description="brain", series_number=number, facts=facts, entropy="test")
    for k, file in enumerate(files if edit else []):
        dataset = pydicom.dcmread(file)
        assert edit is not None
        edit(k, dataset)
        dataset.save_as(file)
    return files


def refused(files: list[Path]) -> InputRefusedError:
    """The refusal that the list foretells and reading raises; it has its three parts and no person's name."""
    (series,) = list_series(files)
    with pytest.raises(InputRefusedError) as caught:
        read_series(series, path=files[0].parent, stem="x")
    error = caught.value
    assert error.file is not None and error.cause and error.remedy
    assert "Nobody" not in str(error) and "NOBODY" not in str(error)
    if series.refusal is not None:
        assert type(series.refusal) is type(error) and str(series.refusal) == str(error)
    return error


def foretold(files: list[Path]) -> InputRefusedError:
    """As `refused`, of what headers alone tell."""
    (series,) = list_series(files)
    assert series.refusal is not None
    return refused(files)


def test_a_missing_slice_is_refused_with_its_place(tmp_path: Path) -> None:
    files = written(tmp_path)
    error = foretold(files[:2] + files[3:])
    assert "5 slices" in error.cause and "3.00 to 9.00" in error.cause


def test_uneven_gaps_are_refused_and_rounded_positions_are_not(tmp_path: Path) -> None:
    def move(by: float) -> Edit:
        def edit(k: int, dataset: Any) -> None:
            dataset.ImagePositionPatient = [
                *dataset.ImagePositionPatient[:2],
                3.0 * k + (by if k == 2 else 0),
            ]

        return edit

    assert "unevenly spaced" in foretold(written(tmp_path / "uneven", move(0.5))).cause
    assert list_series(written(tmp_path / "rounded", move(0.02)))[0].refusal is None


def test_gaps_that_grow_step_by_step_are_refused(tmp_path: Path) -> None:
    def grow(k: int, dataset: Any) -> None:
        dataset.ImagePositionPatient = [0, 0, sum(3.0 * 1.025**i for i in range(k))]

    assert "unevenly spaced" in foretold(written(tmp_path, grow, slices=8)).cause


def dual_echo(folder: Path) -> list[Path]:
    def late(_: int, dataset: Any) -> None:
        dataset.EchoTime = 90
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    return written(folder / "early") + written(folder / "late", late)


def test_two_echoes_at_one_position_are_a_choice_between_echo_times(tmp_path: Path) -> None:
    error = foretold(dual_echo(tmp_path))
    assert isinstance(error, SeriesChoiceError)
    assert "12, 90 ms" in error.cause and "--series" in error.remedy


def test_one_echo_of_two_can_be_chosen(tmp_path: Path) -> None:
    (series,) = list_series(dual_echo(tmp_path))
    assert series.facts["echo_times"] == [12.0, 90.0]
    late = choose_echo(series, 90)
    assert (late.refusal, late.shape, late.facts["echo_time"]) == (None, (36, 44, 6), 90.0)
    assert {file.parent.name for file in read_series(late, path=tmp_path, stem="x").source.files} == {"late"}
    with pytest.raises(SeriesChoiceError, match="no echo at 50 ms"):
        choose_echo(series, 50)


def test_choosing_an_echo_does_not_pass_over_a_damaged_file(tmp_path: Path) -> None:
    files = dual_echo(tmp_path)
    files[-1].write_bytes(files[-1].read_bytes()[:300])
    listed = [series for series in list_series(files) if "echo_times" in series.facts]
    assert all("damaged" in str(choose_echo(series, 90).refusal) for series in listed) and listed


def test_magnitude_and_phase_at_one_position_are_a_choice(tmp_path: Path) -> None:
    def phase(_: int, dataset: Any) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "P"]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    error = foretold(written(tmp_path / "m") + written(tmp_path / "p", phase))
    assert isinstance(error, SeriesChoiceError) and "2 image types" in error.cause


def test_copies_of_the_same_images_are_refused(tmp_path: Path) -> None:
    error = foretold(written(tmp_path / "a") + written(tmp_path / "b"))
    assert "more than once" in error.cause and "Remove the copies" in error.remedy


@pytest.mark.parametrize("value", ["nan\\1", "inf\\inf", "0\\1", "-1\\-1", "1e400\\1", "1", "", "one\\two"])
def test_a_pixel_spacing_that_is_no_size_is_refused(value: str, tmp_path: Path) -> None:
    def space(_: int, dataset: Any) -> None:
        raw = value.encode() + b" " * (len(value) % 2)
        dataset._dict[pydicom.tag.Tag("PixelSpacing")] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag("PixelSpacing"), "DS", len(raw), raw, 0, False, True
        )

    assert "PixelSpacing" in foretold(written(tmp_path, space)).cause


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_a_slice_without_its_geometry_is_refused(keyword: str, tmp_path: Path) -> None:
    error = foretold(written(tmp_path, lambda _, dataset: delattr(dataset, keyword)))
    assert keyword in error.cause


@pytest.mark.parametrize(
    "axes", [[1, 0, 0, 0.2, 0.98, 0], [1.1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]]
)
def test_an_orientation_that_is_not_orthonormal_is_refused(axes: list[float], tmp_path: Path) -> None:
    error = foretold(written(tmp_path, lambda _, ds: setattr(ds, "ImageOrientationPatient", axes)))
    assert "ImageOrientationPatient" in error.cause


def test_a_tilted_stack_is_refused_with_its_angle(tmp_path: Path) -> None:
    def tilt(k: int, dataset: Any) -> None:
        dataset.ImagePositionPatient = [0, 3.0 * k * np.tan(np.radians(14)), 3.0 * k]

    assert "14.0 degrees" in foretold(written(tmp_path, tilt)).cause


def test_slices_of_different_spacing_are_refused(tmp_path: Path) -> None:
    def space(k: int, dataset: Any) -> None:
        dataset.PixelSpacing = [1.0 + (k == 3), 1.0]

    assert "different PixelSpacing" in foretold(written(tmp_path, space)).cause


def changed(**attributes: Any) -> Edit:
    def edit(_: int, dataset: Any) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        (changed(Modality="CT"), "is CT, not MR"),
        (changed(Modality=""), "no stated modality"),
        (changed(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "mosaic"),
        (changed(PhotometricInterpretation="RGB", SamplesPerPixel=3), "colour"),
        (changed(PhotometricInterpretation="PALETTE COLOR"), "colour"),
        (changed(PhotometricInterpretation="MONOCHROME1"), "inverted"),
        (changed(BitsStored=12, HighBit=15), "pixel format"),
        (changed(BitsStored=20, HighBit=19), "pixel format"),
        (changed(Rows=0), "no image"),
        (changed(Rows=60000, Columns=60000), "7200000000 bytes, but has only"),
        (changed(NumberOfFrames=2), "without their positions"),
        (changed(RescaleSlope=0, RescaleIntercept=0), "RescaleSlope"),
        (changed(RescaleSlope="nan", RescaleIntercept=0), "RescaleSlope"),
        (changed(ModalityLUTSequence=[pydicom.Dataset()]), "Modality LUT"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
def test_an_image_that_medgan_cannot_use_is_refused_by_its_header(
    edit: Edit, cause: str, tmp_path: Path
) -> None:
    assert cause in foretold(written(tmp_path, edit)).cause


def test_a_blank_volume_is_refused_and_a_blank_slice_is_not(tmp_path: Path) -> None:
    def blank(k: int, dataset: Any) -> None:
        dataset.PixelData = bytes(len(dataset.PixelData))

    assert "blank" in refused(written(tmp_path / "all", blank)).cause
    files = written(tmp_path / "one", lambda k, dataset: blank(k, dataset) if k == 0 else None)
    assert not read_series(list_series(files)[0], path=tmp_path, stem="x").voxels[..., 0].any()


def test_values_beyond_float32_are_refused(tmp_path: Path) -> None:
    error = refused(written(tmp_path, changed(RescaleSlope="1e300", RescaleIntercept=0)))
    assert "not finite" in error.cause


@pytest.mark.parametrize("left", [0, 0.01, 0.03, 0.08, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_off_anywhere_refuses_its_series(left: float, tmp_path: Path) -> None:
    files = written(tmp_path)
    data = files[-1].read_bytes()
    files[-1].write_bytes(data[: int(len(data) * left)])
    refusal = refused(files)
    assert refusal.file == files[-1]
    assert "cut off" in str(refusal)


def test_a_file_without_pixel_data_is_refused(tmp_path: Path) -> None:
    def strip(_: int, dataset: Any) -> None:
        del dataset.PixelData
        dataset.PatientComments = "x" * 4000  # else the file is smaller than its claim

    assert "no pixel data" in refused(written(tmp_path, strip)).cause


def compressed(folder: Path, syntax: Any) -> list[Path]:
    return written(folder, lambda _, dataset: dataset.compress(syntax))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_damaged_compressed_image_is_refused_without_noise(
    syntax: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = compressed(tmp_path, syntax)
    data = bytearray(files[2].read_bytes())
    place = data.index(b"\xe0\x7f\x10\x00")  # PixelData
    data[place + 64 : place + 160] = bytes(96)
    files[2].write_bytes(data)
    assert "cannot be decoded" in refused(files).cause
    assert capfd.readouterr() == ("", "")


def test_a_compressed_image_of_another_size_than_its_header_is_refused_before_decoding(
    tmp_path: Path,
) -> None:
    files = compressed(tmp_path, JPEG2000Lossless)
    data = files[0].read_bytes()
    place = data.index(b"\xff\x4f\xff\x51") + 8
    files[0].write_bytes(data[:place] + (60000).to_bytes(4, "big") * 2 + data[place + 8 :])
    assert "60000 x 60000" in refused(files).cause


def test_a_compressed_claim_far_beyond_the_file_is_refused(tmp_path: Path) -> None:
    def claim(_: int, dataset: Any) -> None:
        dataset.compress(RLELossless)
        dataset.Rows = dataset.Columns = 60000

    assert "but has only" in foretold(written(tmp_path, claim)).cause


def test_a_deflated_file_is_unpacked_no_further_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deflate(_: int, dataset: Any) -> None:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
        dataset.PixelData = bytes(len(dataset.PixelData))

    files = written(tmp_path, deflate)
    monkeypatch.setattr(dicom_files, "MAX_INFLATED", 2000)
    assert "unpacks to more than" in foretold(files).cause


def test_the_size_of_a_jpeg_stream_is_read_from_its_frame_header() -> None:
    stream = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xf7\x00\x0b\x10\x00\x2c\x00\x24\x01\x01\x11\x00"
    assert codestream_size(stream) == (44, 36)
    assert codestream_size(stream[:12]) is None
    assert codestream_size(b"RLE or anything") is None


def test_a_transfer_syntax_that_nothing_decodes_is_named(tmp_path: Path) -> None:
    def film(_: int, dataset: Any) -> None:
        dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"

    error = foretold(written(tmp_path, film))
    assert "MPEG2" in error.cause and "Explicit VR Little Endian" in error.remedy


@pytest.mark.parametrize(("syntax", "package"), [(JPEGLSLossless, "libjpeg"), (JPEG2000Lossless, "openjpeg")])
def test_the_package_that_would_decode_is_named(
    syntax: Any, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        is_available = False

    def claim(_: int, dataset: Any) -> None:
        dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = syntax

    files = written(tmp_path, claim)
    monkeypatch.setattr(dicom_objections, "get_decoder", lambda _: Missing())
    assert f"pip install pylibjpeg pylibjpeg-{package}" in foretold(files).remedy


def test_a_damaged_header_refuses_the_series_that_it_belongs_to(tmp_path: Path) -> None:
    def strip(k: int, dataset: Any) -> None:
        if k == 5:
            del dataset.Rows, dataset.Columns, dataset.PixelData

    assert "damaged" in foretold(written(tmp_path, strip)).cause


def test_a_wreck_refuses_the_series_beside_it_and_not_those_elsewhere(tmp_path: Path) -> None:
    files = [*written(tmp_path / "beside", number=1), *written(tmp_path / "elsewhere", number=2)]
    (tmp_path / "beside/0007.dcm").write_bytes(b"")
    (tmp_path / "beside/notes.txt").write_bytes(b"")
    beside, elsewhere = list_series([*files, *(tmp_path / "beside").iterdir()])
    assert beside.refusal is not None and beside.refusal.file == tmp_path / "beside/0007.dcm"
    assert elsewhere.refusal is None


def test_the_message_about_a_person_s_scan_names_no_person(tmp_path: Path) -> None:
    edit = changed(PatientName="Doe^Jane", PatientID="ID-12345", PixelSpacing=[0, 0], Rows=2)
    text = str(foretold(written(tmp_path, edit)))
    assert not any(secret in text for secret in ("Doe", "Jane", "12345"))


def test_a_listing_needs_no_sound_file(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "zeros").write_bytes(bytes(5000))
    (tmp_path / "bare").write_bytes(b"\x08\x00\x05\x00CS" + np.random.default_rng(0).bytes(500))
    (tmp_path / "folder").mkdir()
    listed = list_series([*tmp_path.iterdir(), tmp_path / "absent"])
    assert listed == []
    for name, content in (
        ("wreck", bytes(128) + b"DICM" + np.random.default_rng(0).bytes(500)),
        ("a.dcm", b""),
    ):
        (tmp_path / name).write_bytes(content)
        (series,) = list_series([tmp_path / name])
        assert series.refusal is not None and "damaged" in series.refusal.cause


@pytest.mark.parametrize(
    "folder", ["gantrytilting/001", "notavolume/001", "sliceincrement/001", "sliceincrement/002"]
)
def test_real_ct_is_refused(folder: str, real_data: Path) -> None:
    assert "is CT" in foretold(sorted((real_data / "dicom/icometrix/failing" / folder).iterdir())).cause


def as_mr(folder: Path, out: Path) -> list[Series]:
    """The real CT geometries under the name of MR."""
    out.mkdir(exist_ok=True)
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.Modality = "MR"
        dataset.save_as(out / file.name)
    return list_series(out.iterdir())


@pytest.mark.parametrize(
    ("folder", "cause"),
    [
        ("gantrytilting/001", "14.0 degrees"),
        ("notavolume/001", "several slices at one position, from 4 acquisitions"),
        ("sliceincrement/001", "not from 28.11 to 38.11 mm"),
        ("sliceincrement/002", "not from -133.75 to -132.25 mm"),
    ],
)
def test_real_faulty_geometry_is_refused(folder: str, cause: str, real_data: Path, tmp_path: Path) -> None:
    (series,) = as_mr(real_data / "dicom/icometrix/failing" / folder, tmp_path / "mr")
    assert isinstance(series.refusal, InputRefusedError)
    assert cause in series.refusal.cause


def test_real_colour_images_are_refused(real_data: Path) -> None:
    assert "RGB" in foretold(sorted((real_data / "dicom/icometrix/generic/rgb/001").iterdir())).cause


def test_odd_real_files_are_read_refused_or_left_out_and_nothing_else(real_data: Path) -> None:
    for file in sorted((real_data / "dicom/pydicom").iterdir()):
        for series in list_series([file]):
            try:
                read_series(series, path=file, stem="x")
            except InputRefusedError as error:
                assert error.remedy


@pytest.mark.robustness("bad-owners")
@pytest.mark.parametrize(
    ("keyword", "others", "whose"),
    [
        ("PatientID", ["P-0815", ""], "2 patients"),
        ("PatientName", ["Doe^Jane", "Roe^Richard"], "3 patients"),
        ("StudyInstanceUID", ["1.2.3.4"], "2 studies"),
    ],
)
def test_one_uid_over_files_of_several_patients_or_studies_is_refused(
    keyword: str, others: list[str], whose: str, tmp_path: Path
) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.PatientID, dataset.PatientName, dataset.StudyInstanceUID = "P-4711", "Poe^Ed", "1.2.3"
        if k % 3 > 0:
            setattr(
                dataset, keyword, others[k % 3 - 1] if k % 3 <= len(others) else getattr(dataset, keyword)
            )

    error = foretold(written(tmp_path, edit))
    assert f"holds files of {whose} under one SeriesInstanceUID" in error.cause
    assert not any(word in str(error) for word in ("4711", "0815", "Doe", "Roe", "Poe"))
    assert "folder of their own" in error.remedy


@pytest.mark.robustness("bad-owners")
def test_an_owner_that_some_files_leave_out_or_spell_otherwise_is_one_owner(tmp_path: Path) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.PatientID, dataset.PatientName, dataset.StudyInstanceUID = "P-4711", "Poe^Ed", "1.2.3"
        if k == 1:
            dataset.PatientID = dataset.PatientName = ""
            del dataset.StudyInstanceUID
        if k == 2:
            dataset.PatientName = "POE^Ed^^"

    (series,) = list_series(written(tmp_path, edit))
    assert series.refusal is None
    read_series(series, path=tmp_path, stem="x")
