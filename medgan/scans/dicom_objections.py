"""Why a DICOM image cannot be read, as far as its header alone tells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydicom.pixels import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from medgan.errors import InputRefusedError

#: Compressed pixels may claim this many times the bytes of their file (a blank slice compresses a lot) ...
MAX_EXPANSION = 1000
#: ... or this many bytes, whichever is more.
MAX_UNPACKED = 64 << 20

_CODEC_PACKAGES = {
    "1.2.840.10008.1.2.4.5": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.7": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.8": "pylibjpeg pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.9": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.20": "pylibjpeg pylibjpeg-openjpeg",
}


def objection(dataset: Any, file: Path, *, slope: float, intercept: float) -> InputRefusedError | None:
    """The first thing that is wrong with an image's header, or None.

    Args:
        dataset: the header, a pydicom `FileDataset`.
        file: where it was read.
        slope: RescaleSlope of the image or frame.
        intercept: RescaleIntercept of the same.
    """
    for found in (
        _kind(dataset),
        _pixel_format(dataset),
        _transfer_syntax(dataset),
        _frames(dataset),
        _claimed_size(dataset, file),
        _rescale(dataset, slope, intercept),
    ):
        if found is not None:
            cause, remedy = found
            return InputRefusedError(cause, file=file, remedy=remedy)
    return None


_Finding = tuple[str, str] | None


def _kind(dataset: Any) -> _Finding:
    modality = str(dataset.get("Modality") or "")
    if modality != "MR":
        return f"is {_word(modality) or 'of no stated modality'}, not MR", "Choose an MR series."
    if "MOSAIC" in _values(dataset, "ImageType"):
        return (
            "is a Siemens mosaic: all slices lie as tiles in one image",
            "Convert it with dcm2niix and give medgan the NIfTI file.",
        )
    return None


def _pixel_format(dataset: Any) -> _Finding:
    meaning = str(dataset.get("PhotometricInterpretation") or "")
    if int(dataset.get("SamplesPerPixel") or 1) != 1 or meaning not in ("MONOCHROME1", "MONOCHROME2"):
        return (
            f"is a colour image ({_word(meaning) or 'unstated'}), not grey values",
            "Choose the original series.",
        )
    if meaning == "MONOCHROME1":
        return (
            "is inverted: MONOCHROME1, where the smallest value is white",
            "Choose the original series, or convert it to MONOCHROME2.",
        )
    allocated, stored = int(dataset.get("BitsAllocated") or 0), int(dataset.get("BitsStored") or 0)
    high = int(dataset.get("HighBit", stored - 1))
    if allocated not in (8, 16, 32) or not 0 < stored <= allocated or high != stored - 1:
        return (
            f"has an unusual pixel format: {stored} bits stored up to bit {high} of {allocated}",
            "Export the series again with 16 bits allocated and the high bit below the bits stored.",
        )
    return None


def _transfer_syntax(dataset: Any) -> _Finding:
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return (
            f"is stored with the transfer syntax {_word(syntax.name)}, which medgan cannot decode",
            "Convert it to Explicit VR Little Endian, for example with dcmdjpeg or gdcmconv --raw.",
        )
    if decoder.is_available:
        return None
    package = next(
        (name for prefix, name in _CODEC_PACKAGES.items() if syntax.startswith(prefix)), "pylibjpeg"
    )
    return (
        f"is stored with the transfer syntax {_word(syntax.name)}, which no installed package decodes",
        f"Install the codec: pip install {package}",
    )


def _frames(dataset: Any) -> _Finding:
    claimed = int(dataset.get("NumberOfFrames") or 1)
    described = len(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if claimed > 1 and described == 0:
        return (
            "holds several frames without their positions",
            "Export the series as classic or enhanced MR images.",
        )
    if described and claimed != described:
        return f"claims {claimed} frames but describes {described}", "Export or copy the series again."
    return None


def _claimed_size(dataset: Any, file: Path) -> _Finding:
    rows, columns = int(dataset.Rows or 0), int(dataset.Columns or 0)
    frames = int(dataset.get("NumberOfFrames") or 1)
    claimed = rows * columns * frames * int(dataset.get("BitsAllocated") or 8) // 8
    if claimed <= 0:
        return (
            f"claims {columns} x {rows} pixels in {frames} frames: no image",
            "Export or copy the series again.",
        )
    size = file.stat().st_size
    syntax = dataset.file_meta.TransferSyntaxUID
    packed = syntax.is_compressed or syntax == DeflatedExplicitVRLittleEndian
    if claimed > (max(size * MAX_EXPANSION, MAX_UNPACKED) if packed else size):
        return (
            f"claims {columns} x {rows} pixels in {frames} frame(s), {claimed} bytes, but has only {size}",
            "The file is cut off or its header is wrong: export or copy the series again.",
        )
    return None


def _rescale(dataset: Any, slope: float, intercept: float) -> _Finding:
    if dataset.get("ModalityLUTSequence"):
        return (
            "maps its values through a table (Modality LUT), which medgan does not",
            "Choose the original series.",
        )
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        return (
            f"has a RescaleSlope of {slope:g} and a RescaleIntercept of {intercept:g}, which give no values",
            "Export the series again.",
        )
    return None


def _values(dataset: Any, keyword: str) -> tuple[str, ...]:
    value = dataset.get(keyword) or ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _word(text: str) -> str:
    """A header's word, short and printable, fit for a message."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:64]
