"""Writing that is whole or not there: every room writes through these."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medgan.errors import OutputNotWrittenError, UsageError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` when the block ends well, and vanishes otherwise.

    The temporary name keeps the suffixes of `path`, since writers choose their format by them. The file is
    synchronised to disk before it is renamed, so that a crash leaves the old file or the new one.

    Raises:
        OutputNotWrittenError: the folder cannot be made, or writing failed (disk full, read-only).
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=".medgan-", suffix="".join(path.suffixes[-2:]), dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _synchronise(temporary)
        _grant_usual_mode(temporary)
        os.replace(temporary, path)
        _synchronise_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `whole_file`, for a folder: filled under a temporary name, then put in the place of `path`."""
    temporary: Path | None = None
    replaced: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".medgan-", dir=path.parent))
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _synchronise(file)
        _grant_usual_mode(temporary)
        if path.exists():
            replaced = Path(tempfile.mkdtemp(prefix=".medgan-", dir=path.parent))
            os.replace(path, replaced / path.name)
        os.replace(temporary, path)
        _synchronise_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        if replaced is not None and not path.exists() and (replaced / path.name).exists():
            os.replace(replaced / path.name, path)
        for leftover in (temporary, replaced):
            if leftover is not None and leftover.exists():
                shutil.rmtree(leftover, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Take away what a killed process left half written in `folder`; call it where none is at work."""
    for path in folder.glob(".medgan-*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes; the system lets go of it when this one ends, however it does.

    Raises:
        UsageError: another process holds it.
        OutputNotWrittenError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("a", encoding="utf-8")
    except OSError as error:
        raise _not_written(folder, error) from error
    with stream:
        try:
            if os.name == "posix":
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                import msvcrt

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError as error:
            raise UsageError(
                "another medgan is at work in this folder",
                file=folder,
                remedy="Wait for it, or give another --out.",
            ) from error
        yield


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON that has no NaN in it, whole or not at all."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # a file name that is no UTF-8
        text = json.dumps(value, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def append_line(path: Path, line: str) -> None:
    """Append one line to a log-like file, which is the only kind that grows in place."""
    try:
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(line + "\n")
    except OSError as error:
        raise _not_written(path, error) from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _synchronise(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _synchronise_folder(path: Path) -> None:
    """Make a rename durable; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
                raise
        finally:
            os.close(descriptor)


def _grant_usual_mode(path: Path) -> None:
    """`tempfile` makes private files; a result gets what the user's umask gives any other file."""
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _not_written(path: Path, error: OSError) -> OutputNotWrittenError:
    return OutputNotWrittenError(
        f"could not be written: {error.strerror or error}",
        file=path,
        remedy="Check that the folder may be written to and has space left.",
    )
