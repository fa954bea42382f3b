"""Opening DICOM files within bounds, whatever they hold."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medgan.errors import InputRefusedError

#: A deflated file may unpack to this many bytes, ...
MAX_INFLATED = 1 << 29
#: ... and to this many times its size (an image with noise shrinks to a third at best), ...
MAX_RATIO = 100
#: ... or, where that is less, to this many bytes.
FREE_INFLATED = 64 << 20

#: A read of more bytes than this is compared with what the file still has.
_LARGE = 1 << 16

#: What pydicom raises for bytes that are not what they claim to be.
UNREADABLE = (
    InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, TypeError, KeyError, IndexError,
    AttributeError, NotImplementedError, RecursionError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


@contextlib.contextmanager
def pydicom_without_warnings() -> Iterator[None]:
    """Keep pydicom and its codecs from warning and logging of odd values, padding and disagreeing JPEG headers.

    The warnings quote values, names of persons among them; what matters is checked by medgan and refused.
    """
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=UserWarning, module=r"(pydicom|pylibjpeg|openjpeg|libjpeg|rle)\b"
        )
        yield


def read_dataset(file: Path, *, tags: tuple[str | int, ...], pixels: bool) -> FileDataset:
    """Read some attributes of a DICOM file, with its preamble or without.

    Raises:
        InputRefusedError: a deflated file unpacks to more than the limits.
        Exception: one of `UNREADABLE`.
    """
    with _Bounded(file) as stream:
        start = stream.read(132)
        stream.seek(0)
        # Objects older than PS3.10 begin with group 8 (or 2) at once; nothing else is worth a forced reading.
        bare = start[128:] != b"DICM" and start[:2] in (b"\x08\x00", b"\x02\x00")
        dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, specific_tags=list(tags), force=bare)
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


class _Bounded(io.BufferedReader):
    """A file from which no damaged length makes anyone allocate more than the file has, or inflates to.

    Python allocates what a read asks for before it looks what there is. Of a deflated file pydicom reads all
    that is left in one go, and nothing else so; it then unpacks that without any bound.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(io.FileIO(file))
        self._file = file
        self._size = file.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file; the rest of a deflated one is measured first.

        Raises:
            InputRefusedError: it unpacks to more than the limits.
        """
        if size is None or size < 0:
            rest = super().read()
            self._measure(rest)
            return rest
        return super().read(min(size, max(0, self._size - self.tell())) if size > _LARGE else size)

    def _measure(self, deflated: bytes) -> None:
        limit = min(MAX_INFLATED, max(MAX_RATIO * len(deflated), FREE_INFLATED))
        unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while deflated and not unpacker.eof:
            size += len(unpacker.decompress(deflated, 1 << 20))
            deflated = unpacker.unconsumed_tail
            if size > limit:
                raise InputRefusedError(
                    f"unpacks to more than {limit >> 20} MiB; medgan's limit is {MAX_RATIO} times a file's size",
                    file=self._file,
                    remedy="Store it with another transfer syntax, if it is sound.",
                )
