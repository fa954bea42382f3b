"""What `medgan inspect` found as one page that needs no network: counts, advice, pictures, a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medgan.contrasts import CONTRASTS
from medgan.files import write_text
from medgan.reports.charts import FOOT, HEIGHT, WIDTH, Histograms, histograms, number_text
from medgan.reports.pages import render
from medgan.reports.tiles import Tile, axial_png, evenly
from medgan.scans.advice import contrast_label
from medgan.scans.finding import personal_places_of
from medgan.scans.inspection import Candidate, Inspected
from medgan.scans.orientation import canonical
from medgan.scans.overview import Overview
from medgan.scans.scan import Scan
from medgan.scans.shown_paths import nameless
from medgan.texts import printable

PICTURES = 24
"""Scans that the page shows a slice of, evenly chosen."""
_LINES = 40  # histograms of one contrast, evenly chosen
_FACTS = {
    "echo_time": "TE {:g} ms",
    "repetition_time": "TR {:g} ms",
    "inversion_time": "TI {:g} ms",
    "field_strength": "{:g} T",
    "slice_thickness": "{:g} mm thick",
    "sform_code": "sform {}",
    "qform_code": "qform {}",
}
_KINDS = {"nifti": "NIfTI", "dicom": "DICOM", "picture": "picture"}


class Gallery:
    """Takes a picture of the middle axial slice of some scans while they are in memory.

    Args:
        candidates: the scans that will be read; at most `most` are chosen among those not refused already.
        most: how many.
    """

    def __init__(self, candidates: Sequence[Candidate], *, most: int = PICTURES) -> None:
        fit = [candidate.found for candidate in candidates if candidate.found.refusal is None]
        self._chosen = {id(found) for found in evenly(fit, most)}
        self.tiles: list[Tile] = []

    def __call__(self, inspected: Inspected, scan: Scan) -> None:
        """Look at a scan; `look` of `inspect_each`."""
        if id(inspected.found) in self._chosen and inspected.intensities is not None:
            low, _, high = inspected.intensities.percentiles
            if not low < high:
                low, high = inspected.intensities.edges
            png = _middle_slice(scan, low=low, high=high)
            sided = inspected.found.kind != "picture"
            self.tiles.append(Tile(inspected.label, inspected.contrast, png, sided))


def write_inspection(seen: Overview, path: Path, *, paths: Sequence[Path], tiles: Sequence[Tile]) -> None:
    """Write the page: one HTML file without any reference to another, for light, dark and paper.

    Folders and files that are called after the patient of a DICOM series are told by their place.

    Args:
        seen: what was seen.
        path: where to.
        paths: what was looked at; the page shows their last parts only, unless they name a patient.
        tiles: the pictures of a `Gallery`.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    personal = personal_places_of(scan.found for scan in seen.scans)
    filters: dict[str, Callable[..., Any]] = {
        "size": size_text,
        "spacing": spacing_text,
        "range": range_text,
        "head": head_text,
        "facts": facts_text,
        "kind": kind_text,
        "contrast": contrast_label,
        "times": lambda text: text.replace(" x ", " × "),
        "name": lambda file: _last_part(file, personal),
        "file": lambda scan: _refused_file(scan, personal),
        "parts": lambda label: re.split(r"(?<=[/_ -])", label),
    }
    text = render(
        "inspection.html.j2",
        filters=filters,
        seen=seen,
        names=[_last_part(one, personal) for one in paths],
        counts=counts_text(seen),
        tiles=tiles,
        charts=charts(seen.usable),
        chart=(WIDTH, HEIGHT, FOOT),
    )
    write_text(path, text)


def _last_part(path: Path, personal: Collection[Path]) -> str:
    whole = path.absolute()
    return nameless(whole, personal, below=whole.parent) or whole.anchor


def _refused_file(scan: Inspected, personal: Collection[Path]) -> str:
    """The name of the file that was refused, where its label does not show it."""
    file = scan.refusal.file if scan.refusal is not None else None
    name = "" if file is None else _last_part(file, personal)
    return "" if name in scan.label else name


def size_text(scan: Inspected) -> str:
    """Such as `256 x 256 x 170`, along the file's axes."""
    return "" if scan.shape is None else " x ".join(map(str, scan.shape))


def spacing_text(scan: Inspected) -> str:
    """In mm, along the file's axes; nothing for a picture, which only claims to have one."""
    if scan.spacing is None or scan.found.kind == "picture":
        return ""
    return " x ".join(_millimetres(axis) for axis in scan.spacing)


def range_text(scan: Inspected) -> str:
    """The least and the largest value."""
    if scan.intensities is None:
        return ""
    return f"{number_text(scan.intensities.minimum)} to {number_text(scan.intensities.maximum)}"


def head_text(scan: Inspected) -> str:
    """The three percentiles in the head."""
    if scan.intensities is None:
        return ""
    return " / ".join(number_text(value) for value in scan.intensities.percentiles)


def kind_text(scan: Inspected) -> str:
    """The kind of file, and what a DICOM series calls itself."""
    series = scan.found.series
    if series is None:
        return _KINDS.get(scan.found.kind, scan.found.kind)
    number = "" if series.number is None else f" {series.number}"
    description = f": {printable(series.description)}" if series.description else ""
    return f"{printable(series.modality)} series{number}{description}"


def facts_text(scan: Inspected) -> list[str]:
    """The technical facts one by one, with units."""
    texts = []
    for key, value in scan.facts.items():
        if key in _FACTS and isinstance(value, int | float):
            texts.append(_FACTS[key].format(value))
        elif key == "echo_times":
            texts.append(f"TE {', '.join(f'{time:g}' for time in value)} ms")
        elif key == "synthetic":
            texts.append("synthetic")
        elif not (key == "volumes" and value == 1) and not (key == "modality" and scan.found.series):
            texts.append(f"{key.replace('_', ' ')} {printable(str(value))}")
    if scan.found.series is not None:
        texts.append(f"{len(scan.found.series.files)} files")
    return texts


def counts_text(seen: Overview) -> list[tuple[str, str]]:
    """The summary of a data set, as headings and texts."""
    kinds = {"nifti": "NIfTI", "dicom": "DICOM series", "picture": "pictures"}
    rows = [
        ("Kinds", ", ".join(f"{count} {kinds.get(kind, kind)}" for kind, count in seen.kinds.items())),
        ("Contrasts", ", ".join(f"{count} {contrast_label(key)}" for key, count in seen.contrasts.items())),
        ("Axes", ", ".join(f"{count} {axes}" for axes, count in seen.orientations.items())),
        ("Stored as", ", ".join(f"{count} {name}" for name, count in seen.data_types.items())),
    ]
    if seen.shape is not None:
        rows.append(("Voxels", _span(*seen.shape, number_text)))
    if seen.spacing is not None and set(seen.kinds) != {"picture"}:
        rows.append(("Spacing, mm", _span(*seen.spacing, _millimetres)))
    return [(heading, text) for heading, text in rows if text]


def charts(scans: Sequence[Inspected]) -> list[Histograms]:
    """The histograms of the head's intensities, by contrast."""
    found = []
    for key in (*CONTRASTS, None):
        group = [scan.intensities for scan in scans if scan.contrast == key and scan.intensities is not None]
        if group:
            shown = evenly(group, _LINES)
            count = f"{len(group)} scan{'s' if len(group) > 1 else ''}"
            some = f", {len(shown)} of them shown" if len(shown) < len(group) else ""
            title = f"{contrast_label(key)}: {count}{some}"
            found.append(histograms(key, title, [(one.edges, one.histogram) for one in shown]))
    return found


def _middle_slice(scan: Scan, *, low: float, high: float) -> str:
    volume, spacing = canonical(scan)
    return axial_png(volume[:, :, volume.shape[2] // 2].astype(np.float64), spacing, low=low, high=high)


def _span(least: Sequence[float], largest: Sequence[float], form: Callable[[float], str]) -> str:
    """Such as `256 to 320 x 256 x 36 to 48`: left-right, back-front, foot-head."""
    axes = []
    for low, high in zip(least, largest, strict=True):
        low_text, high_text = form(low), form(high)
        axes.append(low_text if low_text == high_text else f"{low_text} to {high_text}")
    return " x ".join(axes)


def _millimetres(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value >= 0.1 else f"{value:.2g}"
