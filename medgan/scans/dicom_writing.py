"""Writes a plain classic MR image series: one file per slice, as a scanner would export it.

The functions that set one module of attributes each are public, for other writers of classic MR series. They
follow the MR Image IOD (PS3.3 A.4) and set its required attributes, empty where nothing is known (type 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import config
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import DSfloat, validate_value

from medgan.errors import InputRefusedError
from medgan.files import whole_file
from medgan.scans.scan import Affine, Scan, Voxels

#: The largest stored value of rescaled images; a reader that takes it for signed is right, too.
PEAK = 32767

#: Axes whose unit vectors multiply to more than this are no right angle.
_RIGHT_ANGLE = 1e-4


def write_series(
    folder: Path,
    scan: Scan,
    *,
    description: str,
    series_number: int,
    facts: Mapping[str, Any],
    entropy: str | None = None,
) -> list[Path]:
    """Write `scan` as an original MR series of an invented person ("Nobody^Invented"), a file a slice.

    Slices lie along the last axis. A grid in the layout of `read_series` (left-handed, as dcm2niix gives it)
    comes back voxel for voxel; of a right-handed one the same world comes back with its slices in reverse.

    Args:
        folder: where the files `0001.dcm`, ... are put.
        scan: its voxels are stored as they are where they are whole numbers from 0 to 65535, else scaled to
            0 to `PEAK`, since the MR Image IOD has no rescale.
        description: SeriesDescription, at most 64 letters.
        series_number: SeriesNumber.
        facts: `echo_time`, `repetition_time`, `inversion_time` in ms, `field_strength` in T and `sequence`
            (`SE`, `GR`, `IR`) where known.
        entropy: where given, all UIDs follow from it, and series of the same entropy are of one study and
            frame of reference; else they are drawn anew.

    Returns:
        The files, in the order of the slices.

    Raises:
        InputRefusedError: the axes of the grid are not at right angles.
        OutputNotWrittenError: a file could not be written.
    """
    stored = scaling_of(scan.voxels).store(scan.voxels)
    window = window_of(stored)
    series_source = [entropy, description, str(series_number)] if entropy else None
    series = generate_uid(entropy_srcs=series_source)
    files = []
    for k in range(stored.shape[2]):
        instance = generate_uid(entropy_srcs=[*series_source, str(k)] if series_source else None)
        dataset = new_image(instance)
        set_invented_patient_and_study(dataset, entropy=entropy or series)
        set_series(dataset, uid=series, number=series_number, description=description, instance_number=k + 1)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        set_acquisition(dataset, facts)
        set_plane(dataset, scan.affine, rows=stored.shape[1], k=k)
        set_pixels(dataset, stored[:, ::-1, k].T, window=window)
        files.append(save_image(dataset, folder / f"{k + 1:04d}.dcm"))
    return files


@dataclass(frozen=True)
class Scaling:
    """How real values become stored ones: stored value = slope x value + offset.

    Attributes:
        slope: with no more digits than the text shows, as `offset`, so that who reads it can invert it.
        offset: the stored value of 0.
    """

    slope: float
    offset: float

    def __str__(self) -> str:
        return f"stored value = {self.slope:.9g} x value + {self.offset:.9g}"

    def store(self, voxels: Voxels) -> npt.NDArray[np.uint16]:
        """Real values, of any shape -> the nearest stored ones."""
        stored = np.empty(voxels.shape, dtype=np.uint16)
        for values, into in zip(voxels, stored, strict=True):  # one sheet at a time in double precision
            into[...] = np.rint(values * np.float64(self.slope) + self.offset).clip(0, 65535)
        return stored


def scaling_of(voxels: Voxels) -> Scaling:
    """Whole numbers from 0 to 65535 stay as they are; others are spread over 0 to `PEAK`, 0 at least as low."""
    low, high = float(voxels.min()), float(voxels.max())
    if low >= 0 and high <= 65535 and bool((voxels == np.rint(voxels)).all()):
        return Scaling(1.0, 0.0)
    low = min(low, 0.0)
    slope = float(f"{PEAK / (high - low or 1.0):.9g}")
    return Scaling(slope, float(f"{-low * slope:.9g}") + 0.0)


def window_of(stored: npt.NDArray[np.uint16]) -> tuple[float, float]:
    """WindowCenter and WindowWidth that show the 1st to the 99.5th percentile."""
    low, high = np.percentile(stored, (1.0, 99.5))
    width = max(float(high - low), 1.0)
    return round(float(low) + width / 2, 1), round(width, 1)


def new_image(instance: str) -> FileDataset:
    """An empty MR image with its SOP class, to be stored as Explicit VR Little Endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = instance
    return dataset


def set_invented_patient_and_study(dataset: FileDataset, *, entropy: str) -> None:
    """Patient, General Study and Frame of Reference (PS3.3 C.7.1.1, C.7.2.1, C.7.4.1) of no one."""
    dataset.PatientName = "Nobody^Invented"
    dataset.PatientID = "NOBODY"
    for empty in (
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyID",
    ):
        setattr(dataset, empty, "")
    dataset.AccessionNumber = ""
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[entropy, "study"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[entropy, "frame of reference"])
    dataset.PositionReferenceIndicator = ""


def set_series(
    dataset: FileDataset, *, uid: str, number: int, description: str, instance_number: int
) -> None:
    """General Series, General Equipment and General Image (PS3.3 C.7.3.1, C.7.5.1, C.7.6.1)."""
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = uid
    dataset.SeriesNumber = number
    dataset.SeriesDescription = description[:64]
    dataset.BodyPartExamined = "HEAD"
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = "medgan"
    dataset.InstanceNumber = instance_number


def set_acquisition(dataset: FileDataset, facts: Mapping[str, Any]) -> None:
    """MR Image (PS3.3 C.8.3.1): the sequence and its times, as far as `facts` knows them."""
    dataset.ScanningSequence = facts.get("sequence") or "SE"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTrainLength = ""
    dataset.EchoTime = decimal(facts.get("echo_time"))
    dataset.RepetitionTime = decimal(facts.get("repetition_time"))
    for keyword, key in (("InversionTime", "inversion_time"), ("MagneticFieldStrength", "field_strength")):
        if facts.get(key) is not None:
            setattr(dataset, keyword, decimal(facts[key]))


def set_plane(dataset: FileDataset, affine: Affine, *, rows: int, k: int) -> None:
    """Image Plane (PS3.3 C.7.6.2) of slice `k` of a grid whose second axis runs from the last row up.

    Raises:
        InputRefusedError: the axes of the grid are not at right angles.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    right, up, through = (np.diag([-1.0, -1.0, 1.0]) @ affine[:3, :3] / spacing).T
    if max(abs(right @ up), abs(right @ through), abs(up @ through)) > _RIGHT_ANGLE:
        raise InputRefusedError(
            "the axes of the grid are not at right angles, which a DICOM series cannot say",
            remedy="Write NIfTI instead, or resample the scan first.",
        )
    top_left = np.array([-1.0, -1.0, 1.0, 1.0]) * (affine @ [0.0, rows - 1.0, k, 1.0])
    dataset.ImagePositionPatient = [decimal(x) for x in top_left[:3]]
    dataset.ImageOrientationPatient = [decimal(x) for x in (*right, *-up)]
    dataset.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    dataset.SliceThickness = decimal(spacing[2])
    dataset.SpacingBetweenSlices = decimal(spacing[2])


def set_pixels(dataset: FileDataset, stored: npt.NDArray[np.uint16], *, window: tuple[float, float]) -> None:
    """Image Pixel and VOI LUT (PS3.3 C.7.6.3, C.11.2) of one slice, its rows from the top as files have them."""
    picture = np.ascontiguousarray(stored, dtype="<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.SmallestImagePixelValue = int(picture.min())
    dataset.LargestImagePixelValue = int(picture.max())
    dataset.WindowCenter, dataset.WindowWidth = decimal(window[0]), decimal(window[1])
    dataset.add_new("PixelData", "OW", picture.tobytes())


def save_image(dataset: FileDataset, path: Path) -> Path:
    """Write the file, whole or not at all, with every value checked against its VR (PS3.5 6.2)."""
    with config.disable_value_validation(), whole_file(path) as temporary:  # which puts the settings back
        config.settings.writing_validation_mode = config.RAISE
        for element in dataset.iterall():
            for value in element.value if element.VM > 1 else (element.value,):
                as_written = str(value) if element.VR in ("DS", "IS", "PN") else value
                validate_value(element.VR, as_written, config.RAISE)
        dataset.save_as(temporary, enforce_file_format=True)
    return path


def decimal(value: float | None) -> DSfloat | str:
    """A Decimal String of at most 16 letters; empty for what is not known."""
    return "" if value is None else DSfloat(float(value) + 0.0, auto_format=True)
