"""Any path -> `Scan`: the one place that knows which reader a scan needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medgan.archives import unpacked
from medgan.errors import MedganError, SeriesChoiceError, UsageError
from medgan.files import kind_of
from medgan.scans.dicom_reading import Series, choose_echo, read_series
from medgan.scans.finding import Found, personal_places_of, search
from medgan.scans.nifti import read_nifti
from medgan.scans.picture import read_picture
from medgan.scans.scan import Scan
from medgan.scans.shown_paths import nameless, shown_path

_ARCHIVE = ".zip"
_LISTED = 40


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which of several images is meant, and what is let pass.

    Attributes:
        series: SeriesInstanceUID or SeriesNumber, to choose among DICOM series.
        volume: which volume of a NIfTI file with several, counted from 0.
        echo: echo time in ms, to choose among the echoes of a DICOM series.
        nan_to_zero: take NaN and infinite voxels of a NIfTI file as 0 instead of refusing them.
    """

    series: str | None = None
    volume: int | None = None
    echo: float | None = None
    nan_to_zero: bool = False


_PLAIN = Reading()


def read_scan(
    source: Path | Found,
    *,
    series: str | None = None,
    volume: int | None = None,
    echo: float | None = None,
    nan_to_zero: bool = False,
) -> Scan:
    """Read one scan from a file, or from a folder or zip archive that holds one.

    Args:
        source: a file, a folder, or one of `find_scans`.
        series, volume, echo, nan_to_zero: as in `Reading`.

    Raises:
        InputRefusedError: nothing there, or it cannot be used.
        SeriesChoiceError: several scans, volumes or echoes, and the options do not choose one.
        UsageError: an option that this kind of scan does not have.
    """
    reading = Reading(series=series, volume=volume, echo=echo, nan_to_zero=nan_to_zero)
    if isinstance(source, Found):
        return _read(choose_scan(source, reading), reading)
    with as_folder(source) as place:
        scan = _read(choose_scan(place, reading), reading)
    if place == source:
        return scan
    return replace(scan, source=replace(scan.source, path=source, files=(source,)))


@contextlib.contextmanager
def as_folder(path: Path) -> Iterator[Path]:
    """The path itself; of a zip archive a temporary folder with what it holds, gone afterwards.

    A `MedganError` about a file in that folder leaves the block with the place in the archive as its file.

    Raises:
        InputRefusedError: an archive that is damaged, hostile or beyond the limits (see `archives.unpacked`).
    """
    if path.suffix.lower() != _ARCHIVE:
        yield path
        return
    if kind_of(path) == "folder":
        yield path
    else:
        with unpacked(path) as folder:
            try:
                yield folder
            except MedganError as error:
                name_in_archive(error, folder=folder, archive=path)
                raise


def name_in_archive(error: MedganError, *, folder: Path, archive: Path) -> None:
    """Let an error about a file in the temporary folder name the place in the archive, and no patient."""
    if error.file is not None and error.file.is_relative_to(folder):
        error.file = archive / shown_path(error.file, below=folder)


def choose_scan(source: Path | Found, reading: Reading = _PLAIN) -> Found:
    """The scan that is meant, not read yet; of a DICOM series the echo that is asked for.

    Raises:
        SeriesChoiceError: several scans or echoes, and `reading` does not choose one.
        InputRefusedError: nothing there.
        UsageError: an option that this kind of scan does not have.
    """
    found = (
        source
        if isinstance(source, Found)
        else choose_among(source, _found_at(source, reading), reading.series)
    )
    _check_options(found, reading)
    if found.series is None or reading.echo is None:
        return found
    echo = choose_echo(found.series, reading.echo)
    return replace(found, series=echo, refusal=echo.refusal)


def _found_at(path: Path, reading: Reading) -> list[Found]:
    """What may be meant: a result of medgan among scans only where a series is named."""
    held = search(path)
    return [*held.scans, *(held.results if reading.series is not None else ())]


def _read(found: Found, reading: Reading) -> Scan:
    if found.series is not None:
        return read_series(found.series, path=found.path, stem=found.stem)
    if found.refusal is not None:
        raise found.refusal
    if found.kind == "picture":
        scan = read_picture(found.path)
    else:
        scan = read_nifti(
            found.path,
            volume=reading.volume,
            nan_to_zero=reading.nan_to_zero,
            inherited=found.inherited,
        )
    return replace(scan, source=replace(scan.source, stem=found.stem))


def choose_among(path: Path, found: list[Found], series: str | None) -> Found:
    """The scan that is meant: the only one, or the DICOM series that `series` names.

    Args:
        path: where they were found.
        found: all that lies there.
        series: SeriesInstanceUID or SeriesNumber.

    Raises:
        SeriesChoiceError: it is not clear which one is meant.
        UsageError: `series` is given, and there is no DICOM.
    """
    if series is not None:
        named = [one for one in found if one.series is not None and _is_called(one.series, series)]
        if len(named) == 1:
            return named[0]
        has_dicom = any(one.series is not None for one in found)
        if not named and not has_dicom:
            raise UsageError(
                "--series chooses among DICOM series, and there is none", file=path, remedy="Leave it out."
            )
        problem = f"has {len(named) or 'no'} series {series!r}"
        raise SeriesChoiceError(problem, file=path, remedy=_menu(path, named or found))
    # A series of another modality is never meant; one that is refused may be, so it is not passed over.
    meant = [one for one in found if one.series is None or one.series.modality in ("MR", "")] or found
    if len(meant) == 1:
        return meant[0]
    raise SeriesChoiceError(
        f"holds {len(found)} scans, and one is needed", file=path, remedy=_menu(path, found)
    )


def _is_called(series: Series, name: str) -> bool:
    return name == series.uid or (name.isdecimal() and int(name) == series.number)


def _menu(root: Path, found: list[Found]) -> str:
    """What a person chooses from: one line for each scan, and where it lies if that tells them apart."""
    personal = personal_places_of(found)
    places = [nameless(one.path, personal, below=root) for one in found]
    by_series = [
        (one.series, place) for one, place in zip(found, places, strict=True) if one.series is not None
    ]
    in_folders = len({place for _, place in by_series}) > 1
    lines = [series_line(series, place if in_folders else None) for series, place in by_series]
    lines += [f"  {place}" for one, place in zip(found, places, strict=True) if one.series is None]
    if len(lines) > _LISTED:
        lines = [*lines[:_LISTED], f"  ... and {len(lines) - _LISTED} more"]
    return "\n".join([f"{_way(by_series, len(found), in_folders)}:", *lines])


def _way(by_series: list[tuple[Series, str]], count: int, in_folders: bool) -> str:
    """How to go on."""
    if not by_series:
        return "Name one of these files"
    if in_folders:
        such = "" if len(by_series) == count else ", or a file"
        return (
            f"Choose one with --series NUMBER or UID, or give its folder{such}; or take all folders, one by one, "
            "with DIR/* (of an archive: unpack it first)"
        )
    if len({series.uid for series, _ in by_series}) < len(by_series):
        return "Choose with --series NUMBER or UID; put images that share one UID into folders of their own"
    return "Choose one with --series NUMBER or UID" + (", or name a file" if len(by_series) < count else "")


def series_line(series: Series, place: str | None) -> str:
    """A series in a line that names no patient, with where it lies if that is wanted."""
    number = "-" if series.number is None else str(series.number)
    size = " x ".join(map(str, series.shape))
    parts = [series.modality, series.description or "(no description)", size, series.orientation]
    if place is not None:
        parts.append(f"in {place}" if place else "in the folder itself")
    parts.append(series.uid)
    if series.refusal is not None:
        parts.append(f"cannot be read: {series.refusal.cause}")
    return f"  {number}: " + ", ".join(part for part in parts if part)


def _check_options(found: Found, reading: Reading) -> None:
    series = reading.series
    if reading.volume is not None and found.kind != "nifti":
        raise UsageError(
            "--volume is for NIfTI files with several volumes", file=found.path, remedy="Leave it out."
        )
    if found.kind != "dicom" and (series is not None or reading.echo is not None):
        raise UsageError(
            "a series or an echo is chosen in DICOM only", file=found.path, remedy="Leave the option out."
        )
    if series is not None and found.series is not None and not _is_called(found.series, series):
        raise UsageError(
            f"--series {series} is not the series that was found here",
            file=found.path,
            remedy=f"It is number {found.series.number}, {found.series.uid}.",
        )


def reference_series(path: Path, reading: Reading) -> Series:
    """The DICOM series that a result is to lie in, by its headers alone.

    Raises:
        UsageError: there is something else than DICOM.
        MedganError: as `choose_scan`, or what reading the series would raise.
    """
    found = choose_scan(path, replace(reading, volume=None))
    if found.series is None:
        raise UsageError(
            "is no DICOM series", file=path, remedy="Give the folder of a series as --reference."
        )
    refusal: MedganError | None = found.series.refusal
    if refusal is not None:
        raise refusal
    return found.series
