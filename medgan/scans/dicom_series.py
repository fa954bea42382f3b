"""The image series among DICOM files, as far as headers tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgan.contrasts import guess_contrast
from medgan.errors import InputRefusedError, MedganError, SeriesChoiceError
from medgan.scans.dicom_geometry import arrange, echo_times, place_of, plane_name, same_orientation
from medgan.scans.dicom_headers import Plane, read_planes
from medgan.scans.identity import names_person

#: A volume may have this many voxels (4 GiB as float32).
MAX_VOXELS = 1 << 30

#: Two echo times in ms that differ by less are one.
SAME_ECHO = 0.01

_OF_PLANES = ("temporal_position", "acquisition_number")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Images of one DICOM series that lie parallel and have one matrix.

    Attributes:
        uid: SeriesInstanceUID; a localizer in three planes is three `Series` with one uid.
        number: SeriesNumber.
        description: SeriesDescription, or else ProtocolName; nothing where that names the patient.
        modality: `MR`, `CT`, ...
        files: in the order of the slices where that can be told, else by name.
        shape: columns, rows, slices.
        orientation: `axial`, `sagittal`, `coronal` (the nearest) or `unknown`.
        contrast: `t1`, `t2` or None where neither the description nor the times tell.
        refusal: what reading would raise, as far as headers tell.
        facts: technical facts such as `echo_time`; `echo_times` where there are several; hold no person.
        planes: the slices one by one.
    """

    uid: str
    number: int | None
    description: str
    modality: str
    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    orientation: str
    contrast: str | None
    refusal: MedganError | None
    facts: dict[str, Any]
    planes: tuple[Plane, ...] = field(repr=False, compare=False)


def list_series(files: Iterable[Path]) -> list[Series]:
    """The series of images among `files`, by their headers alone, sorted by number.

    Files that are no DICOM and objects without pixels (raw data, reports, presentation states) are left out.
    A damaged MR image makes its series one that is refused; so does a damaged file of no known series to all
    series of its folder, since one of them may lack it.
    """
    groups: list[list[Plane]] = []
    damaged: list[Plane] = []
    by_key: dict[tuple[str, int, int], list[list[Plane]]] = {}
    for file in sorted(set(files)):
        for plane in read_planes(file):
            if plane.rows == 0 and plane.objection is not None:
                damaged.append(plane)
                continue
            candidates = by_key.setdefault((plane.series, plane.rows, plane.columns), [])
            group = next((g for g in candidates if same_orientation(g[0], plane)), None)
            if group is None:
                group = []
                candidates.append(group)
                groups.append(group)
            group.append(plane)
    for plane in damaged:
        homes = [group for group in groups if _may_belong(plane, group)]
        for group in homes:
            group.append(plane)
        if not homes:
            groups.append([plane])
    found = [_series(group) for group in groups]
    return sorted(found, key=lambda s: (s.number is None, s.number or 0, s.uid, s.files))


def choose_echo(series: Series, echo_time: float) -> Series:
    """The part of a series that was acquired at one echo time, in ms.

    Raises:
        SeriesChoiceError: the series has no such echo.
    """
    planes = [p for p in series.planes if abs(p.facts.get("echo_time", float("inf")) - echo_time) < SAME_ECHO]
    damaged = [plane for plane in series.planes if plane.rows == 0]  # may be of this echo
    if not planes:
        times = ", ".join(f"{time:g}" for time in echo_times(series.planes)) or "none stated"
        raise SeriesChoiceError(
            f"has no echo at {echo_time:g} ms",
            file=place_of(series.planes),
            remedy=f"Its echo times in ms are: {times}.",
        )
    return _series([*planes, *damaged])


def _may_belong(damaged: Plane, group: Sequence[Plane]) -> bool:
    if damaged.series:
        return damaged.series == group[0].series
    return any(damaged.file.parent == plane.file.parent for plane in group)


def _series(planes: Sequence[Plane]) -> Series:
    first = planes[0]
    refusal: MedganError | None = None
    ordered = list(planes)
    try:
        _refuse_several_owners(planes)
        ordered, _ = arrange(planes)
        _refuse_beyond_memory(ordered)
    except MedganError as error:
        refusal = error
    facts = {key: value for key, value in first.facts.items() if key not in _OF_PLANES}
    if any(plane.synthetic for plane in planes):
        facts["synthetic"] = True
    times = echo_times(planes)
    if len(times) > 1:
        facts.pop("echo_time", None)
        facts["echo_times"] = times
    return Series(
        uid=first.series,
        number=first.number,
        description="" if names_person(first.description, [first.file]) else first.description,
        modality=first.modality,
        files=tuple(dict.fromkeys(plane.file for plane in ordered)),
        shape=(first.columns, first.rows, sum(plane.rows > 0 for plane in ordered)),
        orientation=plane_name(first.orientation),
        contrast=_contrast(first, facts),
        refusal=refusal,
        facts=facts,
        planes=tuple(ordered),
    )


def _contrast(plane: Plane, facts: dict[str, Any]) -> str | None:
    """What the description spells, else what the times make likely (of MR alone)."""
    if plane.modality != "MR":
        return None
    found = guess_contrast(
        plane.names,
        echo_time=facts.get("echo_time"),
        repetition_time=facts.get("repetition_time"),
        inversion_time=facts.get("inversion_time"),
    )
    return found.key if found else None


def _refuse_several_owners(planes: Sequence[Plane]) -> None:
    """One UID over files of two patients, as careless anonymising leaves it, must not make one volume of them."""
    owners = zip(*(plane.owner for plane in planes), strict=True)
    numbers, names, studies = (len({told for told in kind if told}) for kind in owners)
    patients = max(numbers, names)
    if max(patients, studies) <= 1:
        return
    whose = f"{patients} patients" if patients > 1 else f"{studies} studies"
    raise InputRefusedError(
        f"holds files of {whose} under one SeriesInstanceUID, which are no one volume",
        file=place_of(planes),
        remedy="Put the files of each patient and study into a folder of their own, and check how they were "
        "exported or anonymised.",
    )


def _refuse_beyond_memory(planes: Sequence[Plane]) -> None:
    voxels = planes[0].rows * planes[0].columns * len(planes)
    if voxels > MAX_VOXELS:
        raise SeriesChoiceError(
            f"would be a volume of {voxels} voxels, more than the {MAX_VOXELS} that medgan reads",
            file=place_of(planes),
            remedy="Choose another series with --series.",
        )
