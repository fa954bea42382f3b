"""A DICOM series that another program has loaded: found again where its files lie, so that medgan reads it itself.

Loaders differ in what they pass over: a second echo, a damaged slice, a copy. What they hand on says nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans.dicom_files import pydicom_without_warnings
from medgan.scans.finding import Found, search
from medgan.scans.identity import owner

_REMEDY = "Give the folder to medgan's own series selection instead."


def find_again(datasets: Sequence[Any], *, partly: bool = False) -> Found:
    """The series that data sets were read from.

    Args:
        datasets: of one series, as `pydicom.dcmread` gives them. Only what they are is taken from them: pixels and
            geometry are those of the files.
        partly: they may be some of the series' images, since an echo is chosen afterwards.

    Raises:
        InputRefusedError: they were not read from files, are not what the files hold, or are not all that the files
            hold of the series, though nothing speaks against reading it whole.
        SeriesChoiceError: images of one SeriesInstanceUID are several stacks.
    """
    files = [_file_of(dataset) for dataset in datasets]
    if not files:
        raise InputRefusedError("the series has no images", remedy="Check what was loaded.")
    uid = str(datasets[0].get("SeriesInstanceUID") or "")
    place = Path(os.path.commonpath([file.absolute().parent for file in files]))
    held = search(place)
    stacks = [one for one in (*held.scans, *held.results) if one.series is not None and one.series.uid == uid]
    if len(stacks) > 1:
        raise SeriesChoiceError(
            f"holds {len(stacks)} stacks of images under the UID of the series, such as a localizer's three planes",
            file=place,
            remedy="Select another series.",
        )
    if not stacks or stacks[0].series is None:
        raise InputRefusedError("no longer holds the series that was loaded", file=place, remedy=_REMEDY)
    _refuse_others(datasets, stacks[0], place, partly=partly)
    return stacks[0]


def _file_of(dataset: Any) -> Path:
    name = getattr(dataset, "filename", None)
    if not isinstance(name, str | os.PathLike) or not str(name):
        raise InputRefusedError(
            "the series was not read from files, so medgan cannot check how it was put together",
            remedy="Write its images into a folder first.",
        )
    return Path(name)


def _refuse_others(datasets: Sequence[Any], found: Found, place: Path, *, partly: bool) -> None:
    """Refuse data sets that are not the files' own: what was changed in memory (whose they are!) would be lost."""
    planes = found.series.planes if found.series is not None else ()
    held = {plane.instance: plane.owner for plane in planes if plane.instance}
    with pydicom_without_warnings():
        loaded = {str(one.get("SOPInstanceUID") or ""): owner(one) for one in datasets}
    if any(held.get(instance) != whose for instance, whose in loaded.items()):
        raise InputRefusedError(
            "holds other images than were loaded, or their patient or study was changed since",
            file=place,
            remedy="Give medgan's operator the series as it was read; change the results instead.",
        )
    if len(loaded) < len(held) and not partly and found.refusal is None:
        raise InputRefusedError(
            f"holds {len(held)} images of the series, and {len(loaded)} were loaded",
            file=place,
            remedy=_REMEDY,
        )
