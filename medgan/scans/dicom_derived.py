"""Writes a synthetic scan as a derived MR series of the series that it was made from.

Each slice is a classic MR image (PS3.3 A.4) that says of itself that it is synthetic and derived, and of which
slice. Patient, study and frame of reference are the source's, so that an archive puts it beside the source and a
viewer lays it over it; its geometry is the source slice's own, digit for digit.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import MRImageStorage, generate_uid

from medgan import contrasts
from medgan.errors import InputRefusedError, OutputNotWrittenError
from medgan.scans.deidentification import Deidentifier
from medgan.scans.dicom_carried import carry_image, carry_scanner, carry_series, header_of, valid
from medgan.scans.dicom_files import pydicom_without_warnings
from medgan.scans.dicom_geometry import arrange, place_of
from medgan.scans.dicom_headers import Plane
from medgan.scans.dicom_series import Series
from medgan.scans.dicom_writing import new_image, save_image, scaling_of, set_pixels, window_of
from medgan.scans.same_grid import slicing_on
from medgan.scans.scan import Scan, Slicing

#: Derived series are numbered from here on, where neither scanners nor workstations get to.
FIRST_NUMBER = 900_000


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What the series says of how it came about.

    Attributes:
        description: SeriesDescription, such as `SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS`; at most 64 letters.
        text: DerivationDescription without the scaling, which is added; at most 1024 letters in all.
        contrast: what the scan shows now, `t1` or `t2`.
        version: of medgan.
    """

    description: str
    text: str
    contrast: str
    version: str


def write_derived_series(
    folder: Path,
    scan: Scan,
    *,
    reference: Series,
    derivation: Derivation,
    deidentifier: Deidentifier | None = None,
) -> list[Path]:
    """Write `scan` as an MR series derived from `reference`, a file a slice.

    Attributes of the source that are not valid are left out, or empty where they have to be there. A
    StudyInstanceUID or FrameOfReferenceUID that the source lacks is made up, the same for each series made of it.

    Args:
        folder: an empty folder; the files `0001.dcm`, ... follow the slices' position along their normal.
        scan: a synthetic volume on the grid of the reference, with its axes in any order and direction. Its values
            become whole numbers from 0 to 65535, by one scaling that DerivationDescription states.
        reference: the series that it was made from, classic or multi-frame.
        derivation: what it says of itself.
        deidentifier: where given, nothing is written that PS3.15's basic profile forbids.

    Returns:
        The files, in the order of the slices.

    Raises:
        InputRefusedError: the scan lies on another grid, or the reference cannot be read.
        OutputNotWrittenError: voxels that are not finite, or a file could not be written.
    """
    planes, slicing = laid_on(reference, scan)
    if not np.isfinite(scan.voxels).all():
        raise OutputNotWrittenError(
            "the result has voxels that are NaN or infinite, so it was not written", file=folder
        )
    scaling = scaling_of(scan.voxels)
    stored = scaling.store(slicing.pictures(scan.voxels))
    window = window_of(stored)
    files = []
    with pydicom_without_warnings():  # `valid` checks values
        header = header_of(planes[0])
        if deidentifier is not None:
            _refuse_writing(header, place_of(planes))
        of_series = _series_of(header, planes, reference, derivation)
        of_series.DerivationDescription = _ascii(derivation.text, 1024 - len(f" {scaling}.")) + f" {scaling}."
        for k, plane in enumerate(planes):
            if plane.file != planes[max(k - 1, 0)].file:
                header = header_of(plane)
            image = _image_of(header, plane, of_series)
            image.InstanceNumber = k + 1
            set_pixels(image, stored[k], window=window)
            if deidentifier is not None:
                deidentifier.apply(image)
            files.append(save_image(image, folder / f"{k + 1:04d}.dcm"))
    return files


def laid_on(reference: Series, scan: Scan) -> tuple[list[Plane], Slicing]:
    """The slices of a series by position, and how their pictures lie in the voxels of a scan on the same grid.

    Raises:
        InputRefusedError: the scan lies on another grid.
    """
    planes, of_pictures = arrange(reference.planes)
    shape = (planes[0].columns, planes[0].rows, len(planes))
    return planes, slicing_on(of_pictures, shape, scan, place_of(planes))


def _series_of(
    header: FileDataset, planes: Sequence[Plane], reference: Series, derivation: Derivation
) -> Dataset:
    """All that the images of the series have in common."""
    common = carry_series(header)
    now = datetime.now()
    for name in ("InstanceCreation", "Series", "Content"):
        setattr(common, f"{name}Date", now.strftime("%Y%m%d"))
        setattr(common, f"{name}Time", now.strftime("%H%M%S"))
    contrast = contrasts.contrast(derivation.contrast)
    common.SyntheticData = "YES"
    common.Modality = "MR"
    common.SeriesInstanceUID = generate_uid()
    common.SeriesNumber = _series_number(reference.number, contrast.key)
    common.SeriesDescription = _ascii(derivation.description, 64)
    # The description names two contrasts; this one lets software that judges by names (medgan too) find the right one.
    # dcm2niix keeps the comment in the NIfTI header itself (`aux_file`, 24 letters), and the name beside it at most.
    common.ProtocolName = common.ImageComments = f"medgan synthetic {contrast.label}"
    # PS3.3 C.7.5.1: the equipment that produced these instances, which the scanner did not.
    common.Manufacturer = common.ManufacturerModelName = "medgan"
    common.SoftwareVersions = _ascii(derivation.version, 64)
    common.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    common.ScanningSequence, common.SequenceVariant = "RM", "NONE"
    common.ScanOptions = ""
    # The one thing of the acquisition that still holds: how the grid was encoded. Software lays out 3D volumes
    # otherwise than stacks of slices (dcm2niix, medgan), and this one should lie as its source does.
    common.MRAcquisitionType = "3D" if all(plane.volumetric for plane in planes) else ""
    common.RepetitionTime = common.EchoTime = common.EchoTrainLength = (
        ""  # type 2; the source's are not this contrast's
    )
    common.BurnedInAnnotation = "YES" if _has_writing(header) else "NO"
    scanner, ours = carry_scanner(header), Dataset()
    scanner.PurposeOfReferenceCodeSequence = _code("109101", "Acquisition Equipment")
    ours.Manufacturer = ours.ManufacturerModelName = "medgan"
    ours.SoftwareVersions = common.SoftwareVersions
    ours.PurposeOfReferenceCodeSequence = _code("109102", "Processing Equipment")
    common.ContributingEquipmentSequence = Items([scanner, ours])
    return common


def _refuse_writing(header: FileDataset, where: Path) -> None:
    """Refuse to call a series de-identified whose pixels may name the patient."""
    if _has_writing(header):
        raise InputRefusedError(
            "has writing burned into its pixels (BurnedInAnnotation), which may name the patient",
            file=where,
            remedy="Leave out --deidentify, or give a series without it.",
        )


def _has_writing(header: FileDataset) -> bool:
    return bool(valid(header, "BurnedInAnnotation") == "YES")


def _series_number(source: int | None, contrast: str) -> int:
    """910,000 + the source's number for T1w, 920,000 + it for T2w; of numbers beyond 9999 the last four digits."""
    place = list(contrasts.CONTRASTS).index(contrast) + 1
    return FIRST_NUMBER + 10_000 * place + abs(source or 0) % 10_000


def _image_of(header: FileDataset, plane: Plane, of_series: Dataset) -> FileDataset:
    """A new image of the series, in the place of a slice of the source; without pixels."""
    image = new_image(generate_uid())
    del image.SpecificCharacterSet  # the source's, or none
    image.update(copy.deepcopy(of_series))
    image.update(carry_image(header, plane))
    if "ImageLaterality" in image:
        image.pop("Laterality", None)  # of the series, and superseded (PS3.3 C.7.3.1)
    _refer_to_source(image, header, plane)
    return image


def _refer_to_source(image: FileDataset, header: FileDataset, plane: Plane) -> None:
    """Name the source slice and its series (PS3.3 C.7.6.1, C.12.2), where their UIDs can be named."""
    instance, series = valid(header, "SOPInstanceUID"), valid(header, "SeriesInstanceUID")
    if instance is None:
        return
    source = Dataset()
    source.ReferencedSOPClassUID = valid(header, "SOPClassUID") or MRImageStorage
    source.ReferencedSOPInstanceUID = instance
    if series is not None:
        of_series = Dataset()
        of_series.SeriesInstanceUID = series
        of_series.ReferencedInstanceSequence = Items([copy.deepcopy(source)])
        image.ReferencedSeriesSequence = Items([of_series])
    if plane.frame is not None:
        source.ReferencedFrameNumber = plane.frame + 1
    source.PurposeOfReferenceCodeSequence = _code("121322", "Source image for image processing operation")
    image.SourceImageSequence = Items([source])


def _code(value: str, meaning: str) -> Items:
    """One code of PS3.16's own scheme."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return Items([code])


def _ascii(text: str, limit: int) -> str:
    """Text that any character set holds and any VR allows, of so many letters at most."""
    plain = text.encode("ascii", errors="replace").decode().replace("\\", "/")
    return "".join(letter for letter in plain if letter.isprintable())[:limit].strip()
