"""De-identification of derived images by the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

A derived image is built from a short list of attributes, so the profile's table is needed for these alone. What
is in none of the lists below is taken away, so that an attribute that is written one day is gone until someone has
looked it up. The profile covers attributes, not pixels: a face can be recognised in a head, a synthetic one too.
"""

from __future__ import annotations

import secrets
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid

#: Remove; replace with a zero-length value; replace a UID with another, the same for the same.
Action = Literal["X", "Z", "U"]

#: PS3.15 Table E.1-1, column "Basic Prof."; where it leaves a choice (X/Z, X/D, Z/D), the one that suits the type
#: that the attribute has in an MR image: X for type 3, Z for type 2.
ACTIONS: dict[str, Action] = {
    "InstanceCreationDate": "X",
    "InstanceCreationTime": "X",
    "SOPInstanceUID": "U",
    "StudyDate": "Z",
    "SeriesDate": "X",
    "ContentDate": "Z",
    "StudyTime": "Z",
    "SeriesTime": "X",
    "ContentTime": "Z",
    "AccessionNumber": "Z",
    "InstitutionName": "X",
    "ReferringPhysicianName": "Z",
    "StationName": "X",
    "StudyDescription": "X",
    "ReferencedSOPInstanceUID": "U",
    "PatientName": "Z",
    "PatientID": "Z",
    "IssuerOfPatientID": "X",
    "PatientBirthDate": "Z",
    "PatientSex": "Z",
    "PatientAge": "X",
    "PatientSize": "X",
    "PatientWeight": "X",
    "DeviceSerialNumber": "X",
    "StudyInstanceUID": "U",
    "SeriesInstanceUID": "U",
    "StudyID": "Z",
    "FrameOfReferenceUID": "U",
}
#: Stricter than the table, which leaves it: a free text that someone at the scanner may have typed.
STRICTER: dict[str, Action] = {"PositionReferenceIndicator": "Z"}
#: The profile removes or replaces these since the source's texts may name a person. Of a derived image medgan has
#: written them, and put nothing of the source's texts into them; SourceImageSequence keeps new UIDs (U*).
OWN = frozenset(
    {"SeriesDescription", "ProtocolName", "ImageComments", "DerivationDescription", "SourceImageSequence"}
)
#: The table does not list these.
UNTOUCHED = frozenset({
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SyntheticData", "Modality", "Manufacturer",
    "ManufacturerModelName", "SoftwareVersions", "ReferencedSeriesSequence",
    "ReferencedInstanceSequence", "ReferencedSOPClassUID", "ReferencedFrameNumber",
    "PurposeOfReferenceCodeSequence", "CodeValue", "CodingSchemeDesignator", "CodeMeaning",
    "ContributingEquipmentSequence", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "BodyPartExamined",
    "Laterality", "ImageLaterality", "PatientPosition", "ScanningSequence", "SequenceVariant",
    "ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength", "SeriesNumber",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness",
    "SpacingBetweenSlices", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
    "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "SmallestImagePixelValue", "LargestImagePixelValue", "BurnedInAnnotation", "WindowCenter",
    "WindowWidth", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "PixelData",
})  # fmt: skip


class Deidentifier:
    """De-identifies derived images; those of one `Deidentifier` keep belonging together.

    Each UID becomes another, always the same one. Which one follows from a secret drawn when the
    `Deidentifier` is made and never shown, so that no one can go back from the new to the old.
    """

    def __init__(self) -> None:
        self._salt = secrets.token_hex(32)

    def uid(self, old: str) -> str:
        """The UID that stands for `old`."""
        return str(generate_uid(entropy_srcs=[self._salt, old]))

    def apply(self, image: Dataset) -> None:
        """Take away, in place, what may identify a person, and say so (PS3.15 E.1.1, PS3.3 C.7.1.1, C.12.1)."""
        self._clean(image)
        image.PatientIdentityRemoved = "YES"
        image.DeidentificationMethod = "PS3.15 Basic Application Level Confidentiality Profile"
        profile = Dataset()
        profile.CodeValue = "113100"
        profile.CodingSchemeDesignator = "DCM"
        profile.CodeMeaning = "Basic Application Confidentiality Profile"
        image.DeidentificationMethodCodeSequence = Items([profile])
        image.LongitudinalTemporalInformationModified = "REMOVED"

    def _clean(self, dataset: Dataset) -> None:
        for element in list(dataset):
            action = ACTIONS.get(element.keyword) or STRICTER.get(element.keyword)
            if action == "U":
                element.value = self.uid(str(element.value))
            elif action == "Z":
                element.value = ""
            elif action == "X" or element.keyword not in UNTOUCHED | OWN:
                del dataset[element.tag]
            elif element.VR == "SQ":
                for item in element.value:
                    self._clean(item)
