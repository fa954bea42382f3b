"""The stored pixel values of a DICOM file, decoded within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels
from pydicom.uid import RLELossless

from medgan.errors import InputRefusedError
from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset

_TAGS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)  # fmt: skip


def stored_pixels(
    file: Path, frames: Sequence[int | None], *, rows: int, columns: int
) -> Iterator[npt.NDArray[Any]]:
    """Decode frames of a file, in the order asked for: arrays of (rows, columns), as stored.

    Raises:
        InputRefusedError: the pixels are missing, cut off, damaged or not of the claimed size.
    """
    with pydicom_without_warnings():
        try:
            dataset = read_dataset(file, tags=_TAGS, pixels=True)
            if not dataset.get("PixelData"):
                raise _damaged(file, "holds no pixel data")
            if dataset.file_meta.TransferSyntaxUID.is_compressed:
                _check_codestreams(dataset, file, rows, columns)
            wanted = [0 if frame is None else frame for frame in frames]
            # The codec of pylibjpeg-rle panics on damaged data; that of pydicom raises.
            plugin = "pydicom" if dataset.file_meta.TransferSyntaxUID == RLELossless else ""
            decoded = list(iter_pixels(dataset, indices=wanted, raw=True, decoding_plugin=plugin))
        except InputRefusedError:
            raise
        except (*UNREADABLE, RuntimeError) as error:
            raise _damaged(file, "has pixel data that are cut off or cannot be decoded") from error
    for pixels in decoded:
        if pixels.shape != (rows, columns):
            raise _damaged(file, "has pixel data of another size than its header says")
        yield pixels


def _check_codestreams(dataset: Any, file: Path, rows: int, columns: int) -> None:
    """Compare the size that each compressed image claims with the header's, before a codec obeys it."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    for stream in generate_frames(dataset.PixelData, number_of_frames=frames):
        claimed = codestream_size(stream)
        if claimed is not None and claimed != (rows, columns):
            found = f"{claimed[1]} x {claimed[0]}"
            raise _damaged(file, f"has a compressed image of {found}, its header says {columns} x {rows}")


def codestream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream claims; None where it is of another kind."""
    if stream[:4] == b"\xff\x4f\xff\x51":  # SOC, SIZ (ISO 15444-1 A.5.1)
        width, height, left, top = np.frombuffer(stream, ">u4", count=4, offset=8).astype(int)
        return int(height - top), int(width - left)
    if stream[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 9 <= len(stream) and stream[place] == 0xFF:  # the segments of ISO 10918-1 B.2
        marker = stream[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _FRAME_HEADERS:
            rows, columns = np.frombuffer(stream, ">u2", count=2, offset=place + 5).astype(int)
            return int(rows), int(columns)
        else:
            place += 2 + int.from_bytes(stream[place + 2 : place + 4], "big")
    return None


#: SOF0 to SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS.
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}


def _damaged(file: Path, cause: str) -> InputRefusedError:
    return InputRefusedError(cause, file=file, remedy="Export or copy the series again.")
