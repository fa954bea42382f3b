"""What `medgan inspect` found as one page that needs no network: counts, advice, pictures, a table."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan import __version__
from medgan.contrasts import CONTRASTS
from medgan.files import write_text
from medgan.reports.figures import radiological
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
_TILE = 240  # pixels of a picture's longer side
_LINES = 40  # histograms of one contrast, evenly chosen
_WIDTH, _HEIGHT, _FOOT = 460.0, 190.0, 22.0  # of a chart, and of the room for its numbers
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


@dataclass(frozen=True)
class Tile:
    """A slice in the page: its caption, a grey PNG as base64, and whether its left and right are known."""

    label: str
    contrast: str | None
    png: str
    sided: bool


class Gallery:
    """Takes a picture of the middle axial slice of some scans while they are in memory.

    Args:
        candidates: the scans that will be read; at most `most` are chosen among those not refused already.
        most: how many.
    """

    def __init__(self, candidates: Sequence[Candidate], *, most: int = PICTURES) -> None:
        fit = [candidate.found for candidate in candidates if candidate.found.refusal is None]
        self._chosen = {id(found) for found in _evenly(fit, most)}
        self.tiles: list[Tile] = []

    def __call__(self, inspected: Inspected, scan: Scan) -> None:
        """Look at a scan; `look` of `inspect_each`."""
        if id(inspected.found) in self._chosen and inspected.intensities is not None:
            low, _, high = inspected.intensities.percentiles
            if not low < high:
                low, high = inspected.intensities.edges
            png = _png(_middle_slice(scan, low=low, high=high))
            sided = inspected.found.kind != "picture"
            self.tiles.append(Tile(inspected.label, inspected.contrast, png, sided))


@dataclass(frozen=True)
class Chart:
    """Histograms of the scans of one contrast, as paths of an SVG of `_WIDTH` x `_HEIGHT`.

    Attributes:
        contrast: `t1`, `t2` or None.
        title: what is shown.
        lines: one for each scan.
        mean: their mean.
        ticks: places and numbers along the axis of intensities.
    """

    contrast: str | None
    title: str
    lines: tuple[str, ...]
    mean: str
    ticks: tuple[tuple[float, str], ...]


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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    personal = personal_places_of(scan.found for scan in seen.scans)
    pages = Environment(
        loader=PackageLoader("medgan.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
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
    text = pages.get_template("inspection.html.j2").render(
        seen=seen,
        names=[_last_part(one, personal) for one in paths],
        counts=counts_text(seen),
        tiles=tiles,
        charts=charts(seen.usable),
        chart=(_WIDTH, _HEIGHT, _FOOT),
        version=__version__,
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
    return f"{_number(scan.intensities.minimum)} to {_number(scan.intensities.maximum)}"


def head_text(scan: Inspected) -> str:
    """The three percentiles in the head."""
    if scan.intensities is None:
        return ""
    return " / ".join(_number(value) for value in scan.intensities.percentiles)


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
        rows.append(("Voxels", _span(*seen.shape, _number)))
    if seen.spacing is not None and set(seen.kinds) != {"picture"}:
        rows.append(("Spacing, mm", _span(*seen.spacing, _millimetres)))
    return [(heading, text) for heading, text in rows if text]


def charts(scans: Sequence[Inspected]) -> list[Chart]:
    """The histograms of the head's intensities, by contrast."""
    found = []
    for key in (*CONTRASTS, None):
        group = [scan for scan in scans if scan.contrast == key and scan.intensities is not None]
        if group:
            found.append(_chart(key, group))
    return found


def _chart(key: str | None, scans: Sequence[Inspected]) -> Chart:
    shown = [scan.intensities for scan in _evenly(scans, _LINES) if scan.intensities is not None]
    left = min(intensities.edges[0] for intensities in shown)
    right = float(np.percentile([intensities.edges[1] for intensities in shown], 95))
    grid = np.linspace(left, right, 2 * len(shown[0].histogram))
    lines, total = [], np.zeros_like(grid)
    for intensities in shown:
        counts = np.array(intensities.histogram, dtype=np.float64)
        low, high = intensities.edges
        centres = low + (np.arange(counts.size) + 0.5) * (high - low) / counts.size
        inner = counts[1:-1].max()  # the ends gather what the head encloses and what is saturated
        heights = np.minimum(counts / (inner if inner > 0 else counts.max()), 1.0)
        lines.append(_path((centres - left) / (right - left), heights))
        total += np.interp(grid, centres, heights, left=0, right=0)
    count = f"{len(scans)} scan{'s' if len(scans) > 1 else ''}"
    some = f", {len(shown)} of them shown" if len(shown) < len(scans) else ""
    return Chart(
        contrast=key,
        title=f"{contrast_label(key)}: {count}{some}",
        lines=tuple(lines),
        mean=_path((grid - left) / (right - left), total / len(shown)) if len(shown) > 1 else "",
        ticks=tuple(((tick - left) / (right - left) * _WIDTH, _number(tick)) for tick in _ticks(left, right)),
    )


def _path(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
    """Points of 0 to 1 as an SVG path, y upwards."""
    height = _HEIGHT - _FOOT - 6
    points = zip(x * _WIDTH, _HEIGHT - _FOOT - y * height, strict=True)
    return "M" + " L".join(f"{across:.1f},{down:.1f}" for across, down in points)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    rough = (high - low) / 5
    size = 10 ** np.floor(np.log10(rough))
    step = float(size * min((1, 2, 5, 10), key=lambda times: abs(times * size - rough)))
    first = int(np.ceil(low / step))
    return [index * step for index in range(first, first + 12) if index * step <= high]


def _middle_slice(scan: Scan, *, low: float, high: float) -> npt.NDArray[np.uint8]:
    """The middle axial slice, radiological: rows from front to back, the patient's right on the left."""
    from PIL import Image

    volume, spacing = canonical(scan)
    shown = radiological(volume[:, :, volume.shape[2] // 2].astype(np.float64))
    grey = np.rint(np.clip((shown - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    sides = np.array([grey.shape[1] * spacing[0], grey.shape[0] * spacing[1]])
    width, height = np.maximum(1, np.rint(sides * _TILE / sides.max())).astype(int)
    picture = Image.fromarray(np.ascontiguousarray(grey))
    return np.asarray(picture.resize((int(width), int(height)), Image.Resampling.LANCZOS))


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _evenly(values: Sequence[Any], most: int) -> list[Any]:
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]


def _span(least: Sequence[float], largest: Sequence[float], form: Callable[[float], str]) -> str:
    """Such as `256 to 320 x 256 x 36 to 48`: left-right, back-front, foot-head."""
    axes = []
    for low, high in zip(least, largest, strict=True):
        low_text, high_text = form(low), form(high)
        axes.append(low_text if low_text == high_text else f"{low_text} to {high_text}")
    return " x ".join(axes)


def _number(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _millimetres(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value >= 0.1 else f"{value:.2g}"
