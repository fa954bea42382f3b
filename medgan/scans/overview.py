"""A data set as medgan sees it: counts, ranges, what would hurt a training; and all of it as plain JSON."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgan import __version__
from medgan.errors import MedganError
from medgan.scans.advice import advise
from medgan.scans.inspection import Inspected
from medgan.texts import printable, printable_lines

FORMAT = 1
"""Of the JSON document; raised when a key changes its meaning or goes."""
Range = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Overview:
    """What a set of scans is.

    Attributes:
        scans: one by one, in the order in which they were found.
        empty: for each path that holds no scan or does not exist, why.
        kinds, contrasts, orientations, data_types: how many usable scans there are of each.
        shape: least and largest number of voxels along left-right, back-front and foot-head, of usable scans.
        spacing: the same in mm.
        advice: what would hurt a training or needs a choice, one sentence or two each.
    """

    scans: tuple[Inspected, ...]
    empty: tuple[MedganError, ...]
    kinds: dict[str, int]
    contrasts: dict[str, int]
    orientations: dict[str, int]
    data_types: dict[str, int]
    shape: Range | None
    spacing: Range | None
    advice: tuple[str, ...]

    @property
    def usable(self) -> tuple[Inspected, ...]:
        """The scans that can be used."""
        return tuple(scan for scan in self.scans if scan.usable)

    @property
    def refused(self) -> tuple[Inspected, ...]:
        """The scans that cannot."""
        return tuple(scan for scan in self.scans if not scan.usable)

    @property
    def warnings(self) -> dict[str, tuple[str, ...]]:
        """What there is to warn of, and the labels of the scans that it is about."""
        grouped: dict[str, list[str]] = defaultdict(list)
        for scan in self.usable:
            for text in scan.warnings:
                grouped[text].append(scan.label)
        return {text: tuple(labels) for text, labels in grouped.items()}


def overview(scans: Sequence[Inspected], empty: Sequence[MedganError] = ()) -> Overview:
    """Judge the scans of a data set together."""
    usable = [scan for scan in scans if scan.usable]
    return Overview(
        scans=tuple(scans),
        empty=tuple(empty),
        kinds=_counted(scan.found.kind for scan in usable),
        contrasts=_counted(scan.contrast or "unknown" for scan in usable),
        orientations=_counted(scan.orientation for scan in usable),
        data_types=_counted(scan.data_type for scan in usable),
        shape=_range([scan.canonical_shape for scan in usable]),
        spacing=_range([scan.canonical_spacing for scan in usable]),
        advice=advise(usable),
    )


def to_document(seen: Overview, paths: Sequence[Path]) -> dict[str, Any]:
    """The overview as plain values for JSON, without NaN; documented in `medgan.cli.inspect`.

    Args:
        seen: what was seen.
        paths: as the user gave them.
    """
    return {
        "medgan": __version__,
        "format": FORMAT,
        "paths": [printable(path) for path in paths],
        "summary": {
            "found": len(seen.scans),
            "usable": len(seen.usable),
            "refused": len(seen.refused),
            "kinds": seen.kinds,
            "contrasts": seen.contrasts,
            "orientations": seen.orientations,
            "data_types": seen.data_types,
            "shape": _range_entry(seen.shape),
            "spacing": _range_entry(seen.spacing),
            "advice": list(seen.advice),
        },
        "scans": [_scan_entry(scan) for scan in seen.scans],
        "empty": [_error_entry(error) for error in seen.empty],
    }


def _scan_entry(scan: Inspected) -> dict[str, Any]:
    found = scan.found
    return {
        "label": scan.label,
        "path": printable(found.path),
        "name": printable(found.stem),
        "kind": found.kind,
        "usable": scan.usable,
        "contrast": scan.contrast,
        "contrast_from": scan.contrast_from,
        "shape": _plain(scan.shape),
        "spacing": _plain(scan.spacing),
        "orientation": scan.orientation,
        "plane": scan.plane,
        "data_type": scan.data_type,
        "intensities": _intensities_entry(scan),
        "series": _series_entry(scan),
        "facts": _plain(scan.facts),
        "warnings": [printable(text) for text in scan.warnings],
        "refusal": None if scan.refusal is None else _error_entry(scan.refusal),
    }


def _intensities_entry(scan: Inspected) -> dict[str, Any] | None:
    if scan.intensities is None:
        return None
    low, middle, high = scan.intensities.percentiles
    values = {"min": scan.intensities.minimum, "max": scan.intensities.maximum}
    return _as_dict(_plain(values | {"head_p0.5": low, "head_p50": middle, "head_p99.5": high}))


def _series_entry(scan: Inspected) -> dict[str, Any] | None:
    series = scan.found.series
    if series is None:
        return None
    return {
        "number": series.number,
        "description": printable(series.description),
        "uid": printable(series.uid),
        "modality": printable(series.modality),
        "files": len(series.files),
    }


def _error_entry(error: MedganError) -> dict[str, Any]:
    return {
        "file": None if error.file is None else printable(error.file),
        "cause": printable_lines(error.cause),
        "remedy": printable_lines(error.remedy),
    }


def _range_entry(found: Range | None) -> dict[str, Any] | None:
    return None if found is None else {"min": _plain(found[0]), "max": _plain(found[1])}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it; numbers to six digits, those that are not finite left out."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return printable(str(value))


def _as_dict(value: Any) -> dict[str, Any]:
    return dict(value)


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    """The most frequent first."""
    return dict(Counter(value for value in values if value is not None).most_common())


def _range(values: Sequence[tuple[float, float, float] | None]) -> Range | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    by_axis = list(zip(*known, strict=True))
    return tuple(min(axis) for axis in by_axis), tuple(max(axis) for axis in by_axis)
