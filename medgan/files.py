"""Writing that is whole or not there: every room writes through these."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from medgan.errors import OutputNotWrittenError, UsageError

_PREFIX, _REPLACED = ".medgan-", ".medgan-replaced-"
_TEMPORARY = re.compile(r"\.medgan-(replaced-)?[0-9a-f]{16}(\.|$)")
_LONG_AGO = 24 * 3600.0
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)  # of file systems that have none


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` when the block ends well, and vanishes otherwise.

    The temporary name keeps the suffixes of `path`, since writers choose their format by them. The file is
    synchronised to disk before it is renamed, so that a crash leaves the old file or the new one.

    Raises:
        OutputNotWrittenError: the folder cannot be made, or writing failed (disk full, read-only).
    """
    temporary = _beside(path, suffix="".join(path.suffixes[-2:]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(temporary, lambda: temporary.touch(mode=0o600, exist_ok=False)):
            yield temporary
            _synchronise(temporary)
            _grant_usual_mode(temporary)
            os.replace(temporary, path)
        _synchronise_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `whole_file`, for a folder: filled under a temporary name, then put in the place of `path`."""
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(temporary, lambda: temporary.mkdir(mode=0o700)):
            yield temporary
            for content in (*temporary.rglob("*"), temporary):
                (_synchronise_folder if content.is_dir() else _synchronise)(content)
            _grant_usual_mode(temporary)
            _take_place(temporary, path)
        _synchronise_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    except OutputNotWrittenError as error:
        if error.file is not None and error.file.is_relative_to(temporary):
            error.file = path / error.file.relative_to(temporary)  # the temporary name tells no one anything
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """Give a hidden file in `folder`, of a name that no one can guess, as long as the block lasts.

    Who sees it sees this folder, and not another one of its name on another machine. A folder that was made for it,
    and holds nothing else in the end, goes with it.

    Raises:
        OutputNotWrittenError: it cannot be written.
    """
    mark, is_new = _beside(folder / "mark"), not folder.exists()
    with contextlib.ExitStack() as stack:
        stack.callback(_unmark, mark, is_new=is_new)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_held(mark, lambda: mark.touch(mode=0o644, exist_ok=False)))
        except OSError as error:
            raise _not_written(folder, error) from error
        yield mark


def _unmark(mark: Path, *, is_new: bool) -> None:
    with contextlib.suppress(OSError):
        mark.unlink(missing_ok=True)
        if is_new:
            mark.parent.rmdir()


def is_leftover(path: Path) -> bool:
    """Whether a file or folder has the name of what a process leaves that is killed while it writes."""
    return _TEMPORARY.match(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Take away what killed processes left half written in `folder`; what a living one writes stays.

    A folder that was to be replaced when its process was killed, and is not there any more, is put back.
    """
    for path in filter(is_leftover, folder.glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError), _abandoned(path) as abandoned:  # one that cannot be removed stays
            if abandoned:
                _remove(path)


def _remove(leftover: Path) -> None:
    if not leftover.is_dir():
        leftover.unlink(missing_ok=True)
        return
    if leftover.name.startswith(_REPLACED):
        for kept in leftover.iterdir():
            if not (leftover.parent / kept.name).exists():
                os.replace(kept, leftover.parent / kept.name)
    shutil.rmtree(leftover, ignore_errors=True)


def _take_place(temporary: Path, path: Path) -> None:
    """Rename, also onto a folder that is not empty: the older one goes aside, and comes back if that fails."""
    if not (temporary.is_dir() and path.exists()):
        os.replace(temporary, path)
        return
    aside = _beside(path, prefix=_REPLACED)
    try:
        with _held(aside, lambda: aside.mkdir(mode=0o700)):
            os.replace(path, aside / path.name)
            os.replace(temporary, path)
    finally:
        if not path.exists() and (aside / path.name).exists():
            os.replace(aside / path.name, path)
        shutil.rmtree(aside, ignore_errors=True)


def _beside(path: Path, *, prefix: str = _PREFIX, suffix: str = "") -> Path:
    """A name that is known before there is such a file: what interrupts the making of it leaves nothing."""
    return path.parent / f"{prefix}{secrets.token_hex(8)}{suffix}"


@contextlib.contextmanager
def _held(temporary: Path, make: Callable[[], None]) -> Iterator[None]:
    """Make a temporary file or folder that is marked as a living process's: the mark goes with the process.

    Windows has no such mark for folders, and would not rename a file that is held open.
    """
    make()
    if os.name != "posix":
        yield
        return
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        with _not_inherited(descriptor):
            with contextlib.suppress(OSError):  # a file system without locks
                _lock(descriptor, wait=True)
            if not temporary.exists():  # taken for a leftover before it was marked
                with _held(temporary, make):
                    yield
            else:
                yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _not_inherited(descriptor: int) -> Iterator[None]:
    """Keep a lock from processes that are forked meanwhile: it would live on in them when this one is killed."""
    _LOCKS.add(descriptor)
    try:
        yield
    finally:
        _LOCKS.discard(descriptor)


def _let_go_of_locks() -> None:
    """In a forked process: close what it shares with its parent, whose locks stay."""
    for descriptor in _LOCKS:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _LOCKS.clear()


_LOCKS: set[int] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_locks)


@contextlib.contextmanager
def _abandoned(temporary: Path) -> Iterator[bool]:
    """Whether no living process holds it; where that cannot be known, it is taken to be held."""
    if os.name != "posix":
        yield time.time() - temporary.stat().st_mtime > _LONG_AGO
        return
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        try:
            _lock(descriptor)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = False) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes; the system lets go of it when this one ends, however it does.

    Raises:
        UsageError: another process holds it.
        OutputNotWrittenError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / ".lock", "ab", opener=_no_link)  # noqa: SIM115 - Path has no opener
    except OSError as error:
        raise _not_written(folder, error) from error
    with stream, _not_inherited(stream.fileno()):
        try:
            if os.name == "posix":
                _lock(stream.fileno())
            else:
                import msvcrt

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError as error:
            if error.errno not in _NO_LOCKS:
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
    """Append one line, or nothing, to a log-like file, which is the only kind that grows in place."""
    size = None
    try:
        size = path.stat().st_size if path.exists() else 0
        with open(path, "ab", buffering=0, opener=_no_link) as stream:
            content = f"{line}\n".encode()
            while content:  # a disk that fills takes a part of it, and refuses the rest
                content = content[stream.write(content) :]
    except OSError as error:
        if size is not None:
            with contextlib.suppress(OSError):
                os.truncate(path, size)
        raise _not_written(path, error) from error


def _no_link(name: str, flags: int) -> int:
    """Open no symbolic link for writing: it may lead out of the folder that the user chose."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def kind_of(path: Path) -> Literal["file", "folder", "other", "nothing", "unreachable"]:
    """What lies at a path, links followed; a name that no file can have is nothing.

    `unreachable` is what the system does not let us look at: below a folder that may not be entered, or with
    a name that is too long for it.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte in the name
        return "nothing"
    except OSError as error:
        return "nothing" if error.errno == errno.ELOOP else "unreachable"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


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


def _reason(error: OSError) -> str:
    """The system's own words; pydicom wraps them into an error without a number, its traceback in the text."""
    cause: BaseException | None = error
    while isinstance(cause, OSError):
        if cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _not_written(path: Path, error: OSError) -> OutputNotWrittenError:
    return OutputNotWrittenError(
        f"could not be written: {_reason(error)}",
        file=path,
        remedy="Check that the folder may be written to and has space left.",
    )
