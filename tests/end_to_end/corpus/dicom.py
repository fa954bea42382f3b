"""DICOM files of every encoding that medgan reads, made by pydicom alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
)

ENCODINGS = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
}
_UID = "1.2.826.0.1.3680043.8.498.7"
_ROWS, _COLUMNS = 34, 40  # JPEG 2000 with its usual five levels wants 32


def series(encoding: str, slices: int) -> dict[str, bytes]:
    """A classic series, a file for each slice."""
    return {f"{k}.dcm": _encoded(_slice(k), encoding) for k in range(slices)}


def multi_frame(encoding: str, frames: int = 3) -> bytes:
    """An enhanced MR object (PS3.3 A.36, main lines)."""
    whole = _slice(0)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(whole, keyword)
    whole.NumberOfFrames = frames
    whole.PixelData = b"".join(_slice(k).PixelData for k in range(frames))
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=[1.0, 1.5], SliceThickness=2.0)
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=[1.0, 0, 0, 0, 1, 0])
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for k in range(frames):
        group = Dataset()
        group.PlanePositionSequence = _item(ImagePositionPatient=[0.0, 0, 2.0 * k])
        group.PixelValueTransformationSequence = _item(RescaleSlope=1.0 + k, RescaleIntercept=0)
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return _encoded(whole, encoding)


def jpeg_ls() -> bytes:
    """The MR slice in JPEG-LS that pydicom brings along, since no codec here writes it."""
    path = get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)
    assert isinstance(path, str)
    return _bytes(pydicom.dcmread(path))


def hot_spots(content: bytes) -> list[int]:
    """Where the attributes lie that steer reading: tag, VR, length and value, in either byte order."""
    tags = (
        0x00020000, 0x00020010, 0x00080060, 0x00200032, 0x00200037, 0x00280002, 0x00280004, 0x00280008, 0x00280010,
        0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00281052, 0x00281053, 0x52009229, 0x52009230,
        0x7FE00010, 0xFFFEE000, 0xFFFEE0DD,
    )  # fmt: skip
    found = []
    for tag in tags:
        for order in ("little", "big"):
            mark = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
            place = content.find(mark)
            while place >= 0 and len(found) < 400:
                found += [place + 4, place + 6, place + 8, place + 12]
                place = content.find(mark, place + 4)
    for mark in (b"\xff\x4f\xff\x51", b"\xff\xd8\xff\xf7"):  # SIZ of JPEG 2000, SOF55 of JPEG-LS
        if (place := content.find(mark)) >= 0:
            found += range(place, place + 60, 2)
    return found or [0]


def _slice(k: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{_UID}.1.{k + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, f"{_UID}.1.{k + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{_UID}.2", f"{_UID}.3"
    dataset.Modality, dataset.SeriesDescription, dataset.SeriesNumber = "MR", "t1 brain", 3
    dataset.PatientName, dataset.InstanceNumber = "Nobody", k + 1
    dataset.EchoTime, dataset.RepetitionTime, dataset.MRAcquisitionType = 12.0, 500.0, "2D"
    dataset.ImagePositionPatient = [0.0, 0.0, 2.0 * k]
    dataset.ImageOrientationPatient = [1.0, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1.0, 1.5], 2.0
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = _ROWS, _COLUMNS, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.RescaleSlope, dataset.RescaleIntercept = 2.0, -5.0
    pixels = np.random.default_rng(k).integers(0, 4000, (_ROWS, _COLUMNS))
    dataset.PixelData = pixels.astype("<u2").tobytes()
    return dataset


def _item(**attributes: Any) -> Sequence:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


def _encoded(dataset: FileDataset, encoding: str) -> bytes:
    syntax = ENCODINGS[encoding]
    if syntax.is_compressed:
        dataset.compress(syntax, generate_instance_uid=False)
    elif encoding == "big-endian":
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    return _bytes(dataset)


def _bytes(dataset: FileDataset) -> bytes:
    stream = io.BytesIO()
    syntax = dataset.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(
        stream,
        dataset,
        enforce_file_format=True,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
    )
    return stream.getvalue()
