"""Opening DICOM files within bounds, whatever they hold."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medgan.errors import InputRefusedError

#: A deflated file may unpack to this many bytes.
MAX_INFLATED = 1 << 29

#: What pydicom raises for bytes that are not what they claim to be.
UNREADABLE = (
    InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, TypeError, KeyError, IndexError,
    AttributeError, NotImplementedError, RecursionError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


@contextlib.contextmanager
def pydicom_without_warnings() -> Iterator[None]:
    """Keep pydicom and its codecs from warning of odd values, padding and disagreeing JPEG headers.

    The warnings quote values, names of persons among them; what matters is checked by medgan and refused.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=UserWarning, module=r"(pydicom|pylibjpeg|openjpeg|libjpeg|rle)\b"
        )
        yield


def read_dataset(file: Path, *, tags: tuple[str | int, ...], pixels: bool) -> FileDataset:
    """Read some attributes of a DICOM file, with its preamble or without.

    Raises:
        InputRefusedError: a deflated file unpacks to more than `MAX_INFLATED`.
        Exception: one of `UNREADABLE`.
    """
    with file.open("rb") as stream:
        start = stream.read(1024)
    # Objects older than PS3.10 begin with group 8 (or 2) at once; nothing else is worth a forced reading.
    bare = start[128:132] != b"DICM" and start[:2] in (b"\x08\x00", b"\x02\x00")
    if str(DeflatedExplicitVRLittleEndian).encode() in start:
        _check_inflated_size(file)
    dataset = pydicom.dcmread(file, stop_before_pixels=not pixels, specific_tags=list(tags), force=bare)
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def claims_to_be_dicom(file: Path) -> bool:
    """Whether a file has DICOM's preamble or its usual suffix, so that it is missed if unreadable."""
    if file.suffix.lower() in (".dcm", ".ima"):
        return True
    try:
        with file.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _check_inflated_size(file: Path) -> None:
    """Unpack a deflated file piece by piece to learn its size, since pydicom does so without any bound."""
    meta = read_file_meta_info(file)
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with file.open("rb") as stream:
        stream.seek(144 + int(meta.FileMetaInformationGroupLength))
        while piece := stream.read(1 << 16):
            while piece:
                size += len(unpacker.decompress(piece, 1 << 24))
                piece = unpacker.unconsumed_tail
                if size > MAX_INFLATED:
                    raise InputRefusedError(
                        f"unpacks to more than {MAX_INFLATED >> 20} MiB",
                        file=file,
                        remedy="Store it with another transfer syntax, if it is sound.",
                    )
