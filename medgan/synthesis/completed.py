"""Whether a result is there already, complete and as it was written: what `--resume` passes over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgan import __version__
from medgan.errors import InputRefusedError
from medgan.files import sha256
from medgan.scans import Found
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.reading import Reading

if TYPE_CHECKING:
    from medgan.synthesis.destination import Plan

_BESIDE = (".json", ".hdr", ".img", ".hdr.gz", ".img.gz")
"""Files of the input's stem that reading looks at, too."""


def checksums(found: Found) -> dict[Path, str]:
    """SHA-256 of the files that reading a scan looks at; its images come first.

    Raises:
        InputRefusedError: one cannot be read.
    """
    try:
        return {file: sha256(file) for file in _files_of(found)}
    except OSError as error:
        raise InputRefusedError(
            f"cannot be read: {error.strerror or error}", file=found.path, remedy="Check its permissions."
        ) from error


def contents_digest(found: Found, files: Mapping[Path, str]) -> str:
    """SHA-256 of a scan's image, whatever it is called: of its file, or over the checksums of its series' files."""
    if found.series is None:
        return files[found.path]
    return hashlib.sha256("\n".join(sorted(files.values())).encode()).hexdigest()


def input_digest(files: Mapping[Path, str], reading: Reading, *, asked: Any = None) -> str:
    """SHA-256 over a scan's files, how they are read, and what is asked of the result.

    Args:
        files: of `checksums`.
        reading: how it is read.
        asked: further settings that the result depends on, as JSON has them.
    """
    digest = hashlib.sha256(json.dumps([asdict(reading), asked], sort_keys=True).encode())
    for file, checksum in files.items():
        digest.update(f"{file.name} {checksum}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def origin_digest(
    found: Found,
    reading: Reading,
    *,
    place: Path,
    origin: Path,
    contents: str,
    nameless: bool,
    raw: Path | None = None,
) -> str:
    """SHA-256 of which scan it is, whatever its voxels: a series by its UID, a file by its path.

    Args:
        found: the scan.
        reading: which volume or echo of it.
        place: the folder that an archive was unpacked into, or `origin`.
        origin: what the user named.
        contents: of `contents_digest`.
        nameless: whether the result names no one: then it is known by its contents, lest a guess at the name could
            be checked.
        raw: the root of the BIDS data set that it is of: then it is known by its place in that, wherever it lies.
    """
    if nameless:
        which = contents
    elif found.series is not None:
        which = found.series.uid
    elif place != origin:
        which = f"{origin.resolve()}!{found.path.relative_to(place).as_posix()}"
    elif raw is not None:
        which = f"bids:raw:{found.path.relative_to(raw).as_posix()}"
    else:
        which = str(found.path.resolve())
    chosen = json.dumps([which, reading.volume, reading.echo, nameless])
    return hashlib.sha256(chosen.encode(errors="surrogatepass")).hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or over the names and contents of the files in a folder."""
    if not path.is_dir():
        return sha256(path)
    lines = [f"{file.name} {sha256(file)}\n" for file in sorted(path.iterdir())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_complete(plan: Plan, *, model_sha256: str, input_sha256: str) -> bool:
    """Whether all files of a result are there, made from this input by this model and version, and unchanged."""
    try:
        said = json.loads(plan.sidecar.read_text(encoding="utf-8"))["Medgan"]
        outputs = said["OutputSHA256"]
        same_origin = (said["Version"], said["ModelSHA256"], said["InputSHA256"]) == (
            __version__,
            model_sha256,
            input_sha256,
        )
        return same_origin and all(outputs[path.name] == digest_of(path) for path in plan.told)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def told_warnings(plan: Plan) -> tuple[str, ...]:
    """What the sidecar of a result that is complete warns of."""
    told = json.loads(plan.sidecar.read_text(encoding="utf-8"))["Medgan"].get("Warnings", [])
    return tuple(map(str, told))


def _files_of(found: Found) -> list[Path]:
    if found.series is not None:
        return list(found.series.files)
    path = found.path
    stem = path.name.removesuffix(nifti_suffix(path) or path.suffix)
    beside = [path.with_name(stem + suffix) for suffix in _BESIDE]
    return [path, *(file for file in (*beside, *found.inherited) if file != path and file.is_file())]
