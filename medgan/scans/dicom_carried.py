"""What a derived image takes over from the header of its source: a few attributes, each only if it is valid.

Nothing is copied wholesale, so that nothing unknown, private or damaged gets through. A value that the standard
does not allow (a name of 200 letters, a date that is none, two values where one may be) counts as not there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from pydicom import config
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset as parse
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, TM, validate_value

from medgan.errors import InputRefusedError
from medgan.scans.dicom_files import UNREADABLE, read_dataset
from medgan.scans.dicom_headers import Plane
from medgan.scans.dicom_writing import decimal

#: Of the patient, the study and the series (PS3.3 C.7.1.1, C.7.2, C.7.3.1, C.7.4.1). True: of type 2, so that it
#: is there, though empty, where the source has no valid value.
_OF_SERIES = {
    "PatientName": True,
    "PatientID": True,
    "IssuerOfPatientID": False,
    "PatientBirthDate": True,
    "PatientSex": True,
    "PatientAge": False,
    "PatientSize": False,
    "PatientWeight": False,
    "PatientIdentityRemoved": False,
    "DeidentificationMethod": False,
    "LongitudinalTemporalInformationModified": False,
    "StudyDate": True,
    "StudyTime": True,
    "AccessionNumber": True,
    "ReferringPhysicianName": True,
    "StudyDescription": False,
    "StudyID": True,
    "Laterality": True,
    "BodyPartExamined": False,
    "PatientPosition": True,
    "PositionReferenceIndicator": True,
}
#: Of each image (PS3.3 C.7.6.1).
_OF_IMAGE = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
#: Of the machine (PS3.3 C.7.5.1), for the item that tells of the scanner.
_OF_SCANNER = (
    "Manufacturer", "InstitutionName", "StationName", "ManufacturerModelName", "DeviceSerialNumber",
    "SoftwareVersions",
)  # fmt: skip
#: BodyPartExamined of what has no sides (PS3.16 Annex L), so that Laterality must be absent (type 2C).
_WITHOUT_SIDES = (
    "ABDOMEN", "BRAIN", "CEREBELLUM", "CHEST", "CIRCLEOFWILLIS", "CSPINE", "FACE", "HEAD", "HEADNECK", "LSPINE",
    "NECK", "PELVIS", "SKULL", "SPINE", "TSPINE", "WHOLEBODY",
)  # fmt: skip
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_TAGS = (
    "BurnedInAnnotation",
    *_OF_SERIES, *_OF_IMAGE, *_OF_SCANNER, "SpecificCharacterSet", "DeidentificationMethodCodeSequence",
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "ImageLaterality", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip

_ENUMERATED = {
    "PatientSex": ("M", "F", "O"),
    "PatientIdentityRemoved": ("YES", "NO"),
    "LongitudinalTemporalInformationModified": ("UNMODIFIED", "MODIFIED", "REMOVED"),
    "Laterality": ("R", "L"),
    "ImageLaterality": ("R", "L", "U", "B"),
    "FrameLaterality": ("R", "L", "U", "B"),
    "PatientPosition": (
        "HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR",
        "LFS", "LFP", "RFS", "RFP", "AFDL", "AFDR", "PFDL", "PFDR",
    ),
    "LossyImageCompression": ("00", "01"),
}  # fmt: skip


def header_of(plane: Plane) -> FileDataset:
    """The attributes of a slice's file that may be taken over, as they are there.

    Raises:
        InputRefusedError: the file cannot be read (any more).
    """
    try:
        return read_dataset(plane.file, tags=_TAGS, pixels=False)
    except UNREADABLE as error:
        raise InputRefusedError(
            "could not be read again for its header", file=plane.file, remedy="Give the series once more."
        ) from error


def valid(dataset: Dataset, keyword: str) -> Any:
    """The value of an attribute, as text or a list of texts, or None where it is not there or not valid."""
    try:
        held: Any = dataset[keyword].value if keyword in dataset else None
        values = list(held) if isinstance(held, MultiValue) else [held]
        texts = [_valid_text(keyword, value) for value in values]
    except UNREADABLE:
        return None
    allowed = dictionary_VM(Tag(keyword))
    if None in texts or (allowed.isdigit() and len(texts) != int(allowed)) or not any(texts):
        return None
    return texts if allowed != "1" else texts[0]


def carry_series(header: FileDataset) -> Dataset:
    """Patient, study, series and frame of reference of a source, with the character set that they need.

    A UID that is missing or not valid is made up from the series', the same every time, so that all that is made
    of one series comes to lie in one study and in one frame of reference.
    """
    carried = Dataset()
    for keyword, required in _OF_SERIES.items():
        value = valid(header, keyword)
        if value is not None or required:
            setattr(carried, keyword, value or "")
    if carried.get("BodyPartExamined") in _WITHOUT_SIDES:
        del carried.Laterality
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(carried, keyword, valid(header, keyword) or _made_up(header, keyword))
    codes = [_code(item) for item in _items(header, "DeidentificationMethodCodeSequence")]
    if complete := [code for code in codes if code is not None]:
        carried.DeidentificationMethodCodeSequence = Items(complete)
    elif carried.get("PatientIdentityRemoved") == "YES" and "DeidentificationMethod" not in carried:
        carried.DeidentificationMethod = "not stated by the source"  # type 1C, one of the two
    _set_character_set(carried, header)
    return carried


def carry_image(header: FileDataset, plane: Plane) -> Dataset:
    """Where one slice lies (PS3.3 C.7.6.2), in the very digits of its header where these are valid."""
    carried = Dataset()
    numbers = {
        "ImagePositionPatient": plane.position or (),
        "ImageOrientationPatient": plane.orientation or (),
        "PixelSpacing": plane.spacing or (),
    }
    for keyword, parsed in numbers.items():
        # In a multi-frame object the plane's numbers come from functional groups, as binary ones without digits.
        digits = valid(header, keyword) if plane.frame is None else None
        setattr(carried, keyword, digits or [decimal(number) for number in parsed])
    carried.SliceThickness = _positive(header, plane, "SliceThickness")
    if distance := _positive(header, plane, "SpacingBetweenSlices"):
        carried.SpacingBetweenSlices = distance
    for group in (header, *_group_items(header, plane, "FrameAnatomySequence")):
        if side := valid(group, "ImageLaterality") or valid(group, "FrameLaterality"):
            carried.ImageLaterality = side
    if lossy := valid(header, "LossyImageCompression"):
        carried.LossyImageCompression = lossy
    for keyword in _OF_IMAGE[1:] if lossy == "01" else ():
        if (value := valid(header, keyword)) is not None:
            setattr(carried, keyword, value)
    return carried


def carry_scanner(header: FileDataset) -> Dataset:
    """The machine that the source says it comes from, as an item of a ContributingEquipmentSequence."""
    scanner = Dataset()
    for keyword in _OF_SCANNER:
        if (value := valid(header, keyword)) is not None:
            setattr(scanner, keyword, value)
    if "Manufacturer" not in scanner:
        scanner.Manufacturer = "unknown"  # type 1 (PS3.3 C.12.1)
    return scanner


def _valid_text(keyword: str, value: Any) -> str | None:
    """A value as text if its VR allows it (PS3.5 6.2), in a header and not in a query."""
    if value is None or isinstance(value, bytes | Dataset):
        return None
    text, kind = str(value).strip(" \0"), dictionary_VR(Tag(keyword))
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text) or {"\\", "\ufffd"} & set(text):
        return None
    try:
        validate_value(kind, text, config.RAISE)
        if text and kind in ("DA", "TM"):  # no 30 February, and no range of dates
            {"DA": DA, "TM": TM}[kind](text)
    except ValueError:
        return None
    return text if not text or text in _ENUMERATED.get(keyword, (text,)) else None


def _positive(header: FileDataset, plane: Plane, keyword: str) -> Any:
    """A distance above zero, as the header or the frame's functional group has it; empty where there is none."""
    places = [header] if plane.frame is None else _group_items(header, plane, "PixelMeasuresSequence")
    for place in places:
        digits = valid(place, keyword)
        number = digits if digits is not None else place.get(keyword)
        try:
            if number not in (None, "") and 0 < float(number) < float("inf"):
                return digits if digits is not None else decimal(float(number))
        except (ValueError, TypeError):
            continue
    return ""


def _group_items(header: FileDataset, plane: Plane, name: str) -> list[Dataset]:
    """The items of a functional group (PS3.3 C.7.6.16) of a frame, then of those shared by all frames."""
    if plane.frame is None:
        return []
    own = _items(header, "PerFrameFunctionalGroupsSequence")[plane.frame : plane.frame + 1]
    shared = _items(header, "SharedFunctionalGroupsSequence")[:1]
    return [item for group in (*own, *shared) for item in _items(group, name)[:1]]


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        found = dataset.get(keyword)
    except UNREADABLE:
        return []
    return list(found) if isinstance(found, Items) else []


def _code(item: Dataset) -> Dataset | None:
    code = Dataset()
    for keyword in _CODE:
        value = valid(item, keyword)
        if value is None:
            return None
        setattr(code, keyword, value)
    return code


def _made_up(header: FileDataset, keyword: str) -> str:
    known = [str(header.get(name, "")) for name in (keyword, "SeriesInstanceUID")]
    known = known if any(known) else [str(header.get("SOPInstanceUID", ""))]
    return str(generate_uid(entropy_srcs=[keyword, *known] if any(known) else None))


def _set_character_set(carried: Dataset, header: FileDataset) -> None:
    """The source's character set where it holds all that was carried, else UTF-8; none where none is needed."""
    try:
        declared = header.get("SpecificCharacterSet") or ""
    except UNREADABLE:
        declared = ""
    terms = [declared] if isinstance(declared, str) else [str(term) for term in declared]
    if all(term in python_encoding for term in terms):
        if any(terms):
            carried.SpecificCharacterSet = declared
        if _comes_back(carried):
            return
    carried.SpecificCharacterSet = "ISO_IR 192"


def _comes_back(carried: Dataset) -> bool:
    """Whether a reader finds each text as it was; what no character set is declared for has to be ASCII."""
    if "SpecificCharacterSet" not in carried:
        return all(text.isascii() for text in _texts(carried))
    stream = BytesIO()
    try:
        Dataset(carried).save_as(stream, implicit_vr=False, little_endian=True)
        found = parse(BytesIO(stream.getvalue()), is_implicit_VR=False, is_little_endian=True)
        return list(_texts(found)) == list(_texts(carried))
    except UNREADABLE:
        return False


def _texts(dataset: Dataset) -> Iterable[str]:
    return (str(element.value) for element in dataset.iterall() if element.VR != "SQ")
