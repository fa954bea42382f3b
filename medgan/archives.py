"""Zip archives as input: unpacked within bounds into a folder that is gone afterwards, with no way out of it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medgan.errors import InputRefusedError, MedganError, OutputNotWrittenError
from medgan.texts import printable

ARCHIVE_FILES = 20_000
"""Files that a zip archive may hold, ..."""
ARCHIVE_BYTES = 16 << 30
"""... bytes that they may have unpacked, all together ..."""
ARCHIVE_FILE_BYTES = 4 << 30
"""... and each of them."""
ARCHIVE_RATIO = 100
"""An archive may unpack to this many times its size (scans have noise, and shrink to a third at best), ..."""
ARCHIVE_FREE_BYTES = 64 << 20
"""... or to this many bytes, whichever is more."""
_DIRECTORY_BYTES = 8 << 20
"""Bytes of an archive that are read at once; the longest such piece is its directory."""
_BLOCK = 1 << 20
_PACK_ANEW = "Pack the scans anew, as a plain zip of files and folders, or get a sound copy of it."
_DO_NOT_UNPACK = (
    "No sound archive of scans has that: do not unpack it elsewhere, and get the scans from their source."
)
_TOO_LARGE = (
    "If you packed it yourself, pack fewer scans at a time; if not, do not unpack it: it may fill your disk."
)
_UNZIPPING_RAISES = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, IndexError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""What zipfile raises for archives that are damaged or of a kind that it does not know."""


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a zip archive into a temporary folder that is called after it, and gone afterwards.

    The folder holds the archive's regular files in their folders. Hidden files and what macOS adds
    (`__MACOSX`) are left out; archives inside are files like others. What the archive says of itself is
    compared with the limits before anything is unpacked, and counted again meanwhile.

    Args:
        archive: the file.

    Raises:
        InputRefusedError: damaged or cut short; beyond `ARCHIVE_FILES`, `ARCHIVE_BYTES`, `ARCHIVE_FILE_BYTES`
            or `ARCHIVE_RATIO`; an entry that is a link or a device, encrypted, compressed in an unusual way, or
            whose path leads out of the folder; paths that are equal, or are where case does not count.
        OutputNotWrittenError: the temporary folder cannot be written or is full.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="medgan-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _temporary_folder_refuses(archive, error, archive) from error
    with temporary as name:
        folder = Path(name, archive.stem.strip(". ") or "archive")
        folder.mkdir()
        try:
            _unpack(archive, folder)
        except _UNZIPPING_RAISES as error:
            raise _archive_refused(
                archive, f"is damaged, cut short or no zip archive ({str(error)[:120]})"
            ) from error
        except OSError as error:
            raise _archive_refused(archive, f"cannot be read: {error.strerror or error}") from error
        yield folder


class _ShortReads(io.FileIO):
    """A file of which no piece beyond `_DIRECTORY_BYTES` is read at once, whatever it claims of itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory has more than {_DIRECTORY_BYTES >> 20} MiB")
        return super().read(_DIRECTORY_BYTES if size is None or size < 0 else size) or b""


def _unpack(archive: Path, folder: Path) -> None:
    with _ShortReads(archive) as stream, zipfile.ZipFile(stream) as opened:
        entries = _entries(opened, archive)
        total = 0
        for place, entry in entries.items():
            target = folder / place
            with opened.open(entry) as source:
                size = _copy(source, target, limit=entry.file_size, archive=archive)
            total += size
            if size != entry.file_size or total > ARCHIVE_BYTES:
                raise _archive_refused(
                    archive, f"does not hold what it claims: {place} has {size} bytes", _DO_NOT_UNPACK
                )


def _copy(source: Any, target: Path, *, limit: int, archive: Path) -> int:
    """Copy no more than one block beyond `limit`, and give the number of bytes."""
    size = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = target.open("xb")
    except OSError as error:
        raise _temporary_folder_refuses(target, error, archive) from error
    with stream:
        while size <= limit and (block := source.read(_BLOCK)):
            size += len(block)
            try:
                stream.write(block)
            except OSError as error:
                raise _temporary_folder_refuses(target, error, archive) from error
    return size


def _entries(opened: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries to unpack by their place in the folder, after all claims of the archive are found sound."""
    wanted: dict[str, zipfile.ZipInfo] = {}
    taken: set[str] = set()
    folders: set[str] = set()
    for entry in opened.infolist():
        parts = _place(entry, archive)
        is_folder = entry.orig_filename.endswith(("/", "\\"))
        if is_folder or not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        place = "/".join(parts)
        _check_entry(entry, place, archive)
        key = unicodedata.normalize("NFC", place).casefold()
        if key in taken:
            raise _archive_refused(archive, f"holds two files called {place} (or alike but for case)")
        taken.add(key)
        folders.update(key.rsplit("/", depth)[0] for depth in range(1, len(parts)))
        wanted[place] = entry
    if both := taken & folders:
        raise _archive_refused(archive, f"holds a file and a folder of one name: {min(both)}")
    _check_claims(wanted, archive)
    return wanted


def _place(entry: zipfile.ZipInfo, archive: Path) -> list[str]:
    """The folders and the name of an entry; of one that would lie elsewhere there is none."""
    name = entry.orig_filename.replace("\\", "/")  # some packers of Windows write those
    parts = [part for part in name.split("/") if part not in ("", ".")]
    shown = printable(name)[:200]
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        raise _archive_refused(archive, f"holds a path that leads out of its folder: {shown}", _DO_NOT_UNPACK)
    if any(ord(letter) < 32 for letter in name) or any(len(os.fsencode(part)) > 255 for part in parts):
        raise _archive_refused(archive, f"holds a name that no file can have: {shown}")
    return parts


def _check_entry(entry: zipfile.ZipInfo, place: str, archive: Path) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _archive_refused(archive, f"holds a link or a device: {place}", _DO_NOT_UNPACK)
    if entry.flag_bits & 0x1:
        raise _archive_refused(archive, f"holds an encrypted file: {place}")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _archive_refused(archive, f"holds a file that is compressed in an unusual way: {place}")


def _check_claims(entries: dict[str, zipfile.ZipInfo], archive: Path) -> None:
    sizes = [entry.file_size for entry in entries.values()]
    if not sizes:
        raise _archive_refused(archive, "holds no file")
    by_ratio = max(ARCHIVE_RATIO * archive.stat().st_size, ARCHIVE_FREE_BYTES)
    for found, limit, what in (
        (len(sizes), ARCHIVE_FILES, "{} files"),
        (max(sizes), ARCHIVE_FILE_BYTES, "a file of {} bytes"),
        (sum(sizes), ARCHIVE_BYTES, "{} bytes unpacked"),
        (sum(sizes), by_ratio, f"{{}} bytes unpacked, more than {ARCHIVE_RATIO} times its size"),
    ):
        if found > limit:
            raise _archive_refused(
                archive, f"holds {what.format(found)}; medgan's limit is {limit}", _TOO_LARGE
            )


def _archive_refused(archive: Path, cause: str, remedy: str = _PACK_ANEW) -> InputRefusedError:
    return InputRefusedError(cause, file=archive, remedy=remedy)


def _temporary_folder_refuses(target: Path, error: OSError, archive: Path) -> MedganError:
    """A name that this system cannot have is the archive's fault; all else is the disk's."""
    if error.errno in (errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.EEXIST, errno.ENOTDIR):
        return _archive_refused(
            archive, f"holds a name that no file can have here: {printable(target.name[:200])}"
        )
    return OutputNotWrittenError(
        f"could not be unpacked for reading: {error.strerror or error}",
        file=archive,
        remedy=f"Make space in {tempfile.gettempdir()}, or let TMPDIR name a folder on a larger disk.",
    )
