"""What a derived series takes over from its source is readable, valid, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

Make = Callable[..., Any]


def plant(files: list[Path], **values: bytes) -> list[Path]:
    """Put bytes as they are into attributes of files of Explicit VR Little Endian, whatever the VR allows."""
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword in values:
            dataset.setdefault(keyword, None)
        dataset.save_as(file)
        content = file.read_bytes()
        for keyword, value in values.items():
            tag, kind = Tag(keyword), dictionary_VR(keyword)
            start = struct.pack("<HH", tag.group, tag.element) + kind.encode()
            head, rest = content.split(start, 1)
            length = int.from_bytes(rest[:2], "little")
            value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
            content = head + start + struct.pack("<H", len(value)) + value + rest[2 + length :]
        file.write_bytes(content)
    return files


@pytest.mark.robustness("dicom-out-names")
@pytest.mark.parametrize(
    ("declared", "raw", "name"),
    [
        (b"ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        (b"ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
        (b"ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
        (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
        (
            b"\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
    ],
    ids=["german", "cyrillic", "chinese-utf8", "chinese-gb18030", "japanese"],
)
def test_a_name_comes_out_as_it_was_in_the_same_character_set(
    declared: bytes, raw: bytes, name: str, classic: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    files = plant(classic(tmp_path / "in"), SpecificCharacterSet=declared, PatientName=raw)
    assert str(pydicom.dcmread(files[0]).PatientName) == name
    _, written = derive(files, tmp_path / "out")
    found = pydicom.dcmread(written[0])
    assert found.SpecificCharacterSet == pydicom.dcmread(files[0]).SpecificCharacterSet
    assert str(found.PatientName) == name
    assert raw in written[0].read_bytes()  # for readers that know less of character sets
    assert dicom_errors(written[0]) == []


@pytest.mark.robustness("dicom-out-names")
@pytest.mark.parametrize("declared", [b"", b"ISO_IR 999"], ids=["none", "unknown"])
def test_letters_that_the_declared_set_does_not_hold_come_out_as_utf_8(
    declared: bytes, classic: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    raw = "Müller".encode("latin-1")
    files = plant(classic(tmp_path / "in"), SpecificCharacterSet=declared, PatientName=raw)
    _, written = derive(files, tmp_path / "out")
    found = pydicom.dcmread(written[0])
    assert (found.SpecificCharacterSet, str(found.PatientName)) == ("ISO_IR 192", "Müller")
    assert dicom_errors(written[0]) == []


INVALID = {
    "PatientName": [b"N" * 200, b"A=B=C=D", b"a\x07b"],
    "PatientID": [b"1" * 70, b"1\\2"],
    "PatientBirthDate": [b"1960.02.29", b"19600230", b"19600101-19610101", b"long ago"],
    "PatientSex": [b"female", b"X"],
    "PatientAge": [b"60", b"060Y\\061Y"],
    "PatientWeight": [b"heavy", b"1.23456789012345678", b"nan"],
    "StudyDate": [b"2020-1-1", b"20201301"],
    "StudyTime": [b"10:11:12", b"2560", b"0900-1000"],
    "StudyID": [b"S" * 17],
    "AccessionNumber": [b"A" * 40, b"A\\B"],
    "StudyDescription": [b"d" * 65, b"a\\b"],
    "ReferringPhysicianName": [b"R" * 65],
    "PositionReferenceIndicator": [b"p" * 65],
    "PatientPosition": [b"HEAD FIRST", b"hfs"],
    "BodyPartExamined": [b"head!", b"B" * 17],
    "LossyImageCompression": [b"02"],
    "SoftwareVersions": [b"v" * 65],
    "Manufacturer": [b"M" * 65, b""],
    "StudyInstanceUID": [b"1.2.03", b"1.2.x", b"1." * 40 + b"1", b""],
    "FrameOfReferenceUID": [b"1.02.3", b""],
    "SOPInstanceUID": [b"1.2.00.4"],
    "SOPClassUID": [b"1.2.04"],
    "SeriesNumber": [b"four", b"99999999999"],
    "SliceThickness": [b"thin", b"-1", b"nan"],
    "SpacingBetweenSlices": [b"-2.5", b"1\\2", b"inf"],
    "PixelSpacing": [b"1.20000000000000000000\\0.90000000000000000000"],
}


@pytest.mark.robustness("dicom-out-invalid")
@pytest.mark.parametrize(
    ("keyword", "value"), [(keyword, value) for keyword, values in INVALID.items() for value in values]
)
def test_a_value_that_is_not_valid_is_not_taken_over(
    keyword: str,
    value: bytes,
    classic: Make,
    derive: Make,
    dicom_errors: Make,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = plant(classic(tmp_path / "in", slices=2), **{keyword: value})
    _, written = derive(files, tmp_path / "out")
    for file in written:
        assert dicom_errors(file) == []
        found = pydicom.dcmread(file)
        taken = [str(element.value) for element in found.iterall() if element.keyword == keyword]
        assert not value or value.decode() not in [text.replace("', '", "\\").strip("[]'") for text in taken]
        assert (
            len({found[uid].value for uid in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")})
            == 3
        )
    assert capfd.readouterr().err == ""
    if keyword.startswith(("Patient", "Study", "Accession", "Referring")):
        assert value.decode().join("''") not in caplog.text  # pydicom's logger quotes what it finds odd


@pytest.mark.robustness("dicom-out-invalid")
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName",
                                     "StudyDate", "SpecificCharacterSet", "PatientPosition", "Manufacturer",
                                     "BodyPartExamined", "SeriesNumber", "SOPClassUID"])  # fmt: skip
def test_what_the_source_lacks_is_empty_or_made_up_the_same_each_time(
    keyword: str, classic: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    def edit(_: int, dataset: Any) -> None:
        del dataset[keyword]

    files = classic(tmp_path / "in", edit, slices=2)
    studies = []
    for name in ("one", "two"):
        _, written = derive(files, tmp_path / name)
        assert [dicom_errors(file) for file in written] == [[], []]
        found = [pydicom.dcmread(file) for file in written]
        studies += [(d.StudyInstanceUID, d.FrameOfReferenceUID) for d in found]
    assert len(set(studies)) == 1


@pytest.mark.robustness("dicom-out-attributes")
def test_private_and_unknown_attributes_stay_behind(classic: Make, derive: Make, tmp_path: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.private_block(0x2005, "SECRET MAKER", create=True).add_new(1, "LO", "a secret")
        dataset.PatientComments, dataset.ImageComments = "a secret", "a secret"
        dataset.add(DataElement(0x00091001, "UN", b"a secret"))

    _, written = derive(classic(tmp_path / "in", edit), tmp_path / "out")
    assert not any(b"secret" in file.read_bytes().lower() for file in written)
    assert not any(element.tag.is_private for element in pydicom.dcmread(written[0]).iterall())


@pytest.mark.robustness("dicom-out-attributes")
def test_lossy_compression_and_an_earlier_deidentification_stay_on_record(
    classic: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio, dataset.LossyImageCompressionMethod = (
            ["7.5", "2"],
            [
                "ISO_10918_1",
                "ISO_15444_1",
            ],
        )
        dataset.PatientIdentityRemoved = "YES"
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "113100", "DCM", "Basic"
        dataset.DeidentificationMethodCodeSequence = Items([code, Dataset()])

    _, written = derive(classic(tmp_path / "in", edit), tmp_path / "out")
    found = pydicom.dcmread(written[0])
    assert (found.LossyImageCompression, list(found.LossyImageCompressionRatio)) == ("01", [7.5, 2])
    assert list(found.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_15444_1"]
    assert [item.CodeValue for item in found.DeidentificationMethodCodeSequence] == ["113100"]
    assert found.PatientIdentityRemoved == "YES"
    assert dicom_errors(written[0]) == []


@pytest.mark.robustness("dicom-out-attributes")
@pytest.mark.parametrize(
    ("part", "side", "comes_out"),
    [("HEAD", "R", None), ("HEAD", "", None), ("KNEE", "R", "R"), ("KNEE", "left", ""), ("", "L", "L")],
)
def test_laterality_is_there_only_for_what_may_have_sides(
    part: str,
    side: str,
    comes_out: str | None,
    classic: Make,
    derive: Make,
    dicom_errors: Make,
    tmp_path: Path,
) -> None:
    files = classic(tmp_path / "in", slices=2)
    plant(files, BodyPartExamined=part.encode(), Laterality=side.encode())
    _, written = derive(files, tmp_path / "out")
    assert pydicom.dcmread(written[0]).get("Laterality") == comes_out
    assert dicom_errors(written[0]) == []
