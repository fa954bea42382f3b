"""Bytes of image files, plain or gzip, unpacked no further than their headers claim.

The size that a header claims is compared with the file before anything is allocated, and a gzip stream is
read to its end, since only there lies the checksum (RFC 1952) that tells a damaged file from a good one.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError

UNPACK_LIMIT = 16 * 2**30
"""Bytes that a compressed file may unpack to."""
EXPANSION_LIMIT = 200
"""A compressed file may unpack to this many times its size (a scan with noise shrinks to a third at best) ..."""
FREE_UNPACKING = 256 * 2**20
"""... or to this many bytes, whichever is more: a small head in a large empty frame shrinks a lot."""
_DEFLATE_LIMIT = 1032
"""Deflate cannot shrink anything by more than this factor (zlib's technical notes)."""
_TRAILING_LIMIT = 2**20
"""Bytes that may follow the voxels: some writers pad."""
_BLOCK = 2**20
COPY_AGAIN = "Copy or download the file again, or convert the original again."


def mgh_suffix(path: Path) -> str:
    """The suffix of a FreeSurfer volume as it is spelt (`.mgz`, `.mgh.gz`), or an empty string."""
    for suffix in (".mgz", ".mgh", ".mgh.gz"):
        if path.name.lower().endswith(suffix):
            return path.name[-len(suffix) :]
    return ""


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading `path` into a refusal that names it."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputRefusedError(f"is damaged or cut short ({error})", file=path, remedy=COPY_AGAIN) from error
    except OSError as error:
        raise InputRefusedError(
            f"cannot be read: {error.strerror or error}",
            file=path,
            remedy="Check its permissions and its disk.",
        ) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """The file's bytes, unpacked where they are gzip, and whether they were: the content tells, no name."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if packed:
            with gzip.open(stream, "rb") as unpacked:
                yield unpacked, True  # type: ignore[misc]
        else:
            yield stream, False


def unpacked_head(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file, unpacked where they are gzip; fewer where it is shorter.

    Raises:
        InputRefusedError: it cannot be read, or its packing is damaged.
    """
    with telling(path), _opened(path) as (stream, _):
        return stream.read(size)


def take_bytes(path: Path, *, start: int, size: int, end: int, named: Path) -> npt.NDArray[np.uint8]:
    """The `size` bytes from `start` on, after proof that the (unpacked) file reaches to `end`."""
    on_disk = path.stat().st_size
    with _opened(path) as (stream, packed):
        if end > (on_disk * _DEFLATE_LIMIT if packed else on_disk):
            raise InputRefusedError(
                f"its header claims {end} bytes and the file has {on_disk}: it is cut, or its header wrong",
                file=named,
                remedy=COPY_AGAIN,
            )
        if not packed:
            stream.seek(start)
            return np.frombuffer(stream.read(size), np.uint8)
        if end > UNPACK_LIMIT:
            raise InputRefusedError(
                f"would unpack to {end / 2**30:.0f} GiB; medgan's limit is {UNPACK_LIMIT // 2**30} GiB",
                file=named,
                remedy="Split the file into its volumes.",
            )
        if end > max(on_disk * EXPANSION_LIMIT, FREE_UNPACKING):
            raise InputRefusedError(
                f"would unpack to {end} bytes, more than {EXPANSION_LIMIT} times its size: no scan shrinks so far",
                file=named,
                remedy="If it is sound, store it uncompressed, as .nii.",
            )
        return _unpack(stream, start=start, size=size, end=end, named=named)


def _unpack(stream: IO[bytes], *, start: int, size: int, end: int, named: Path) -> npt.NDArray[np.uint8]:
    taken = np.empty(size, np.uint8)
    position = 0
    while block := stream.read(_BLOCK):
        low, high = max(position, start), min(position + len(block), start + size)
        if low < high:
            taken[low - start : high - start] = np.frombuffer(block, np.uint8)[
                low - position : high - position
            ]
        position += len(block)
        if position > end + _TRAILING_LIMIT:
            raise InputRefusedError(
                f"unpacks to more than the {end} bytes that its header claims", file=named, remedy=COPY_AGAIN
            )
    if position < end:
        raise InputRefusedError(
            f"unpacks to {position} bytes where its header claims {end}", file=named, remedy=COPY_AGAIN
        )
    return taken
