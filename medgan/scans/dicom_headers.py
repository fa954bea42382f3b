"""What medgan needs to know of each image plane of a DICOM file: classic, enhanced or legacy-converted MR."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from medgan.errors import InputRefusedError
from medgan.files import kind_of
from medgan.scans import dicom_layout
from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset
from medgan.scans.dicom_mark import looks_like_dicom
from medgan.scans.dicom_objections import objection
from medgan.scans.identity import NO_OWNER, OWNER_TAGS, Owner, owner

#: PS3.3 C.7.6.16 and C.8.13.5: the functional group that holds an attribute in a multi-frame object.
_FUNCTIONAL_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "InversionTime": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "TemporalPositionIndex": "FrameContentSequence",
}

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ProtocolName",
    "Modality", "Manufacturer", "ImageType", "SyntheticData", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "ModalityLUTSequence", "LossyImageCompression", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "RescaleSlope",
    "RescaleIntercept", "EchoTime", "EffectiveEchoTime", "RepetitionTime", "InversionTime",
    "ScanningSequence", "SequenceName", "PulseSequenceName", "MRAcquisitionType", "MagneticFieldStrength",
    "TemporalPositionIdentifier", "AcquisitionNumber", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", *OWNER_TAGS, *dicom_layout.TAGS,
)  # fmt: skip

_MR_IMAGES = tuple("1.2.840.10008.5.1.4.1.1.4" + end for end in ("", ".1", ".3", ".4"))


@dataclass(frozen=True, eq=False, kw_only=True)
class Plane:
    """One slice: a classic file or a frame of a multi-frame one; its numbers are the header's, unchecked.

    Attributes:
        file: the file that holds it.
        frame: its place in a multi-frame file, from 0; None in a classic one.
        instance, series: SOPInstanceUID and SeriesInstanceUID.
        number, description, modality: of the series.
        names: the texts that may spell its contrast.
        rows, columns: the matrix.
        position, orientation, spacing: ImagePositionPatient, ImageOrientationPatient and PixelSpacing, as
            many numbers as the header has, or None where it has none or they are no numbers.
        depth: distance in mm to a neighbour that the header states, for a slice that has none.
        slope, intercept: from stored to real values.
        facts: technical facts; hold no person, place or date.
        volumetric: it is of a 3D acquisition, as dcm2niix sees it.
        synthetic: SyntheticData (0008,001C) is YES.
        lossy: the pixels have been compressed lossily at some time.
        owner: whose it is, as digests (see `identity.owner`).
        objection: why it cannot be read, as far as its own header tells.
    """

    file: Path
    frame: int | None = None
    instance: str = ""
    series: str = ""
    number: int | None = None
    description: str = ""
    modality: str = ""
    names: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, ...] | None = None
    depth: float = 1.0
    slope: float = 1.0
    intercept: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    volumetric: bool = False
    synthetic: bool = False
    lossy: bool = False
    owner: Owner = field(default=NO_OWNER, repr=False)
    objection: InputRefusedError | None = None


def read_planes(file: Path) -> list[Plane]:
    """The image planes that a file holds, from its header alone; none where it is no DICOM or has no pixels.

    A damaged MR image is one plane with an objection, so that it is missed.
    """
    if kind_of(file) != "file":
        return []
    with pydicom_without_warnings():
        try:
            dataset = read_dataset(file, tags=_TAGS, pixels=False)
        except InputRefusedError as error:
            return [Plane(file=file, objection=error)]
        except UNREADABLE:
            return [_damaged(file)] if looks_like_dicom(file) else []
        try:
            return _planes_of(dataset, file)
        except UNREADABLE:
            return [_damaged(file)]


def _planes_of(dataset: FileDataset, file: Path) -> list[Plane]:
    if "Rows" not in dataset or "Columns" not in dataset:
        kind = _text(dataset, "SOPClassUID") or _text(dataset.file_meta, "MediaStorageSOPClassUID")
        if kind in _MR_IMAGES or (not kind and looks_like_dicom(file)):
            return [_damaged(file, series=_text(dataset, "SeriesInstanceUID"), modality="MR" if kind else "")]
        return []
    volumetric = dicom_layout.is_volumetric(dataset)
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if per_frame:
        shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
        return [_plane(dataset, file, k, [item, shared[0]], volumetric) for k, item in enumerate(per_frame)]
    return [_plane(dataset, file, None, [], volumetric)]


def _plane(dataset: FileDataset, file: Path, frame: int | None, groups: list[Any], volumetric: bool) -> Plane:
    find = _Finder(dataset, groups)
    slope, intercept = find.number("RescaleSlope"), find.number("RescaleIntercept")
    plane = Plane(
        file=file,
        frame=frame,
        instance=_text(dataset, "SOPInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        number=_whole(dataset.get("SeriesNumber")),
        description=_text(dataset, "SeriesDescription") or _text(dataset, "ProtocolName"),
        modality=_text(dataset, "Modality"),
        names=(_text(dataset, "SeriesDescription"), _text(dataset, "ProtocolName")),
        rows=int(dataset.Rows or 0),
        columns=int(dataset.Columns or 0),
        position=find.numbers("ImagePositionPatient"),
        orientation=find.numbers("ImageOrientationPatient"),
        spacing=find.numbers("PixelSpacing"),
        depth=_depth(find),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        facts=_facts(dataset, find),
        volumetric=volumetric,
        synthetic=_text(dataset, "SyntheticData") == "YES",
        lossy=_text(dataset, "LossyImageCompression") == "01",
        owner=owner(dataset),
    )
    found = objection(dataset, file, slope=plane.slope, intercept=plane.intercept)
    return plane if found is None else _with_objection(plane, found)


class _Finder:
    """Finds an attribute where its kind of object keeps it: in a frame, shared by frames, or at the root."""

    def __init__(self, dataset: FileDataset, groups: list[Any]) -> None:
        self._dataset = dataset
        self._groups = [group for group in groups if group is not None]

    def value(self, keyword: str) -> Any:
        for group in self._groups:
            for place in (
                _FUNCTIONAL_GROUPS.get(keyword),
                # PS3.3 C.7.6.16.2.25: where legacy-converted objects keep what has no functional group.
                "UnassignedPerFrameConvertedAttributesSequence",
                "UnassignedSharedConvertedAttributesSequence",
            ):
                items = group.get(place) if place else None
                if items and items[0].get(keyword) not in (None, ""):
                    return items[0].get(keyword)
        return self._dataset.get(keyword)

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        try:
            value = self.value(keyword)
            if value is None or isinstance(value, bytes) or value == "":
                return None
            return tuple(float(v) for v in ([value] if isinstance(value, str | int | float) else value))
        except (ValueError, TypeError, OverflowError, ArithmeticError):
            return None

    def number(self, keyword: str) -> float | None:
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else None


def _depth(find: _Finder) -> float:
    """As dcm2niix has it: the stated distance of slices, else their thickness."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        value = find.number(keyword)
        if value is not None and math.isfinite(value) and value > 0:
            return value
    return 1.0


def _facts(dataset: FileDataset, find: _Finder) -> dict[str, Any]:
    sequence = (
        dataset.get("PulseSequenceName") or dataset.get("SequenceName") or dataset.get("ScanningSequence")
    )
    times = {
        "echo_time": _first(find, "EffectiveEchoTime", "EchoTime"),
        "repetition_time": _first(find, "RepetitionTime"),
        "inversion_time": _first(find, "InversionTimes", "InversionTime"),
    }
    facts = {
        "modality": _text(dataset, "Modality"),
        "manufacturer": _text(dataset, "Manufacturer"),
        "field_strength": _first(find, "MagneticFieldStrength"),
        **times,
        "slice_thickness": _first(find, "SliceThickness"),
        "sequence": _joined(sequence),
        "acquisition": _text(dataset, "MRAcquisitionType"),
        "transfer_syntax": str(getattr(dataset.file_meta.TransferSyntaxUID, "name", "")),
        "image_type": _joined(find.value("FrameType") or dataset.get("ImageType")),
        "temporal_position": _first(find, "TemporalPositionIndex", "TemporalPositionIdentifier"),
        "acquisition_number": _first(find, "AcquisitionNumber"),
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def _first(find: _Finder, *keywords: str) -> float | None:
    """The first that is there, finite and above zero: an InversionTime of 0 means that there is none."""
    for keyword in keywords:
        value = find.number(keyword)
        if value is not None and math.isfinite(value) and value > 0:
            return value
    return None


def _text(dataset: FileDataset, keyword: str) -> str:
    return _joined(dataset.get(keyword))


def _joined(value: Any) -> str:
    """A text, or several joined as DICOM does, without what could steer a terminal."""
    if value is None or isinstance(value, bytes):
        return ""
    text = (
        value
        if isinstance(value, str)
        else "\\".join(map(str, value))
        if hasattr(value, "__iter__")
        else str(value)
    )
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _whole(value: Any) -> int | None:
    try:
        return None if value in (None, "") else int(value)
    except (ValueError, TypeError):
        return None


def _with_objection(plane: Plane, found: InputRefusedError) -> Plane:
    return Plane(**{**plane.__dict__, "objection": found})


def _damaged(file: Path, *, series: str = "", modality: str = "") -> Plane:
    error = InputRefusedError(
        "is a DICOM file whose header is damaged or cut off",
        file=file,
        remedy="Export or copy the series again; move the file out of the folder if it is no part of it.",
    )
    return Plane(file=file, series=series, modality=modality, objection=error)
