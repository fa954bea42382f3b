"""A de-identified series holds nothing that PS3.15's basic profile forbids, and belongs together as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medgan.scans import read_scan
from medgan.scans.deidentification import ACTIONS, OWN, STRICTER, UNTOUCHED, Deidentifier

Make = Callable[..., Any]
#: What the profile leaves, and a derived image takes over: of the machine and the body, not of a person.
LEFT = {
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "BodyPartExamined",
    "SpecificCharacterSet",
}
TEXTS = {
    "PN": "PLANTED^NAME", "LO": "PLANTED LO", "SH": "PLANTED SH", "ST": "PLANTED ST", "LT": "PLANTED LT",
    "UT": "PLANTED UT", "UC": "PLANTED UC", "AE": "PLANTED AE", "DA": "19330817", "TM": "031415.926535",
    "DT": "19330817031415", "AS": "091Y", "UI": "1.2.276.0.99.33081.7",
}  # fmt: skip
#: Every attribute of the standard that can hold such a text.
KEYWORDS = [
    (keyword, kind)
    for tag, (kind, *_, retired, keyword) in DicomDictionary.items()
    if kind in TEXTS and keyword and not retired and tag >> 16 > 2 and keyword not in {*LEFT, "SOPClassUID"}
]


def plant(k: int, dataset: Any) -> None:
    """Identifiers at the top, in sequences and in private attributes, of one person as far as slices go."""
    for keyword, kind in KEYWORDS:
        value = TEXTS[kind] + (
            f".{tag_for_keyword(keyword)}{k if keyword == 'SOPInstanceUID' else ''}" if kind == "UI" else ""
        )
        setattr(dataset, keyword, value)
    dataset.PatientSex, dataset.PatientWeight, dataset.PatientSize = "O", "123.4567", "1.998877"
    dataset.PatientIdentityRemoved = "YES"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    person, request = Dataset(), Dataset()
    person.PersonName, person.InstitutionName = "PLANTED^NESTED", "PLANTED NESTED"
    request.ReferringPhysicianIdentificationSequence = Items([person])
    request.PatientID = "PLANTED NESTED"
    for keyword in ("RequestAttributesSequence", "OtherPatientIDsSequence", "ReferencedStudySequence",
                    "ContributingEquipmentSequence", "DeidentificationMethodCodeSequence",
                    "SourceImageSequence", "ReferringPhysicianIdentificationSequence"):  # fmt: skip
        setattr(dataset, keyword, Items([request]))
    block = dataset.private_block(0x0029, "PLANTED MAKER", create=True)
    block.add_new(0x10, "LO", "PLANTED PRIVATE")
    block.add_new(0x11, "SQ", Items([request]))


def planted(content: bytes) -> list[bytes]:
    words = [
        b"PLANTED",
        *(TEXTS[kind].encode() for kind in ("DA", "TM", "AS", "UI")),
        b"123.4567",
        b"1.998877",
    ]
    return [word for word in words if word in content]


@pytest.mark.robustness("dicom-out-deidentify")
@pytest.mark.parametrize("kind", ["classic", "enhanced"])
def test_nothing_that_was_planted_in_the_source_comes_out(
    kind: str, classic: Make, multi_frame: Make, derive: Make, dicom_errors: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "classic", plant)
    sources = files if kind == "classic" else multi_frame(tmp_path / "enhanced", files)
    for source in sources:
        assert len(planted(source.read_bytes())) == 7
    assert len(KEYWORDS) > 800
    _, written = derive(sources, tmp_path / "out", deidentifier=Deidentifier())
    for file in written:
        content = file.read_bytes()
        assert planted(content) == []
        assert dicom_errors(file) == []


@pytest.mark.robustness("dicom-out-deidentify")
def test_it_says_that_and_how_it_was_done(classic: Make, derive: Make, tmp_path: Path) -> None:
    _, written = derive(classic(tmp_path / "in", plant), tmp_path / "out", deidentifier=Deidentifier())
    found = pydicom.dcmread(written[0])
    (method,) = found.DeidentificationMethodCodeSequence
    assert (method.CodeValue, method.CodingSchemeDesignator) == ("113100", "DCM")
    assert found.DeidentificationMethod == "PS3.15 Basic Application Level Confidentiality Profile"
    assert (found.PatientIdentityRemoved, found.LongitudinalTemporalInformationModified) == (
        "YES",
        "REMOVED",
    )
    for keyword, action in {**ACTIONS, **STRICTER}.items():
        if action == "Z":
            assert not found[keyword].value, keyword
        elif action == "X":
            assert not any(element.keyword == keyword for element in found.iterall()), keyword
    assert found.SeriesDescription == "SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS"
    assert "stored value = " in found.DerivationDescription
    scanner, ours = found.ContributingEquipmentSequence
    assert (ours.Manufacturer, ours.SoftwareVersions) == ("medgan", "1.0")
    assert {element.keyword for element in scanner} <= LEFT | {"PurposeOfReferenceCodeSequence"}
    synthetic = read_scan(tmp_path / "out")
    assert (synthetic.contrast, synthetic.source.facts["synthetic"]) == ("t2", True)


@pytest.mark.robustness("dicom-out-deidentify")
def test_series_of_one_deidentifier_stay_in_one_study_and_frame_of_reference_and_no_others_do(
    classic: Make, derive: Make, tmp_path: Path
) -> None:
    files = classic(tmp_path / "in")
    original = pydicom.dcmread(files[0])
    one, other = Deidentifier(), Deidentifier()
    first, second, third = (
        [pydicom.dcmread(file) for file in derive(files, tmp_path / name, deidentifier=identity)[1]]
        for name, identity in (("a", one), ("b", one), ("c", other))
    )
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert {d[keyword].value for d in first} == {d[keyword].value for d in second}
        assert len({original[keyword].value, first[0][keyword].value, third[0][keyword].value}) == 3
    assert first[0].SeriesInstanceUID != second[0].SeriesInstanceUID
    assert [d.SourceImageSequence[0].ReferencedSOPInstanceUID for d in first] == [
        one.uid(pydicom.dcmread(file).SOPInstanceUID) for file in files
    ]
    assert first[0].ReferencedSeriesSequence[0].SeriesInstanceUID == one.uid(original.SeriesInstanceUID)
    for d in first:
        assert d.file_meta.MediaStorageSOPInstanceUID == d.SOPInstanceUID
        assert pydicom.uid.UID(d.SOPInstanceUID).is_valid


@pytest.mark.robustness("dicom-out-deidentify")
def test_every_attribute_that_is_written_has_been_looked_up(
    classic: Make, multi_frame: Make, derive: Make, tmp_path: Path
) -> None:
    def edit(k: int, dataset: Any) -> None:
        plant(k, dataset)
        dataset.LossyImageCompression, dataset.LossyImageCompressionRatio = "01", "7"
        dataset.LossyImageCompressionMethod, dataset.ImageLaterality = "ISO_10918_1", "U"

    files = classic(tmp_path / "in", edit)
    looked_up = {*ACTIONS, *STRICTER, *OWN, *UNTOUCHED}
    for name, sources in (("a", files), ("b", multi_frame(tmp_path / "e", files))):
        _, written = derive(sources, tmp_path / name)
        assert {element.keyword for element in pydicom.dcmread(written[0]).iterall()} <= looked_up


def test_an_attribute_that_no_one_has_looked_up_is_taken_away(classic: Make, tmp_path: Path) -> None:
    image = pydicom.dcmread(classic(tmp_path)[0])
    image.PatientComments, image.HeartRate = "PLANTED", 61
    image.private_block(0x0029, "PLANTED", create=True).add_new(1, "LO", "PLANTED")
    Deidentifier().apply(image)
    assert not {"PatientComments", "HeartRate"} & {element.keyword for element in image}
    assert not any(element.tag.is_private for element in image)


@pytest.mark.robustness("dicom-out-deidentify")
def test_the_table_is_the_standards() -> None:
    standard = pytest.importorskip("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    listed: dict[int, str] = {}
    for letters in ("X", "Z", "D", "U", "X_Z", "X_D", "Z_D", "X_Z_D", "X_Z_U_STAR"):
        for group, element, *mask in getattr(standard, f"{letters}_TAGS"):
            if not mask:  # of repeating groups, none of which is ever written
                listed[(group << 16) + element] = letters
    assert len(listed) > 600
    for keyword, action in ACTIONS.items():
        assert action in listed[tag_for_keyword(keyword) or 0].split("_"), keyword
    for keyword in (*UNTOUCHED, *STRICTER):
        assert tag_for_keyword(keyword) not in listed, keyword
    for keyword in OWN:
        assert tag_for_keyword(keyword) in listed, keyword
    assert not set(ACTIONS) & (UNTOUCHED | OWN)
