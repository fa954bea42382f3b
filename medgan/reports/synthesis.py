"""A result as one page that needs no network: beside its source in a viewer, in slices, and how it was made."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from medgan.contrasts import contrast
from medgan.files import write_text
from medgan.reports.charts import FOOT, HEIGHT, WIDTH, Histograms, histograms, number_text
from medgan.reports.figures import MARK
from medgan.reports.pages import render
from medgan.reports.side_by_side import AXIAL, CORONAL, SAGITTAL, Plane, SideBySide, Window
from medgan.reports.volumes import halvings, to_viewer
from medgan.scans.intensities import measure_intensities
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan
from medgan.texts import printable

_STRIPS = ((AXIAL, 12), (CORONAL, 6), (SAGITTAL, 6))
"""How many slices the page shows across each axis."""
_TILE, _FLAT_TILE = 170, 332  # pixels of a volume's longest edge in them, and of a single slice's


@dataclass(frozen=True)
class Tile:
    """A plane of the source and of the result, as PNG in base64."""

    plane: Plane
    source: str
    result: str


@dataclass(frozen=True)
class Library:
    """The viewer's code: compressed, in base64; its checksum for the page's policy; what it is; its licences."""

    packed: str
    checksum: str
    about: str
    licences: str


def write_synthesis(
    shown: SideBySide,
    path: Path,
    *,
    sidecar: Mapping[str, Any],
    description: str,
    learnt: Window,
    uncertainty: Scan | None = None,
) -> None:
    """Write the page: one HTML file without any reference to another, for light, dark and paper.

    Args:
        shown: the source and the result.
        path: where to; the page is called after it.
        sidecar: of `scans.build_sidecar`, which names no person.
        description: what the page says of itself, by which it is known as a result.
        learnt: ends of the intensities of the result's contrast that were learnt.
        uncertainty: on the grid of both, not negative; laid over the result in the viewer.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    library = niivue()
    volumes, settings, halved = _viewer(shown, uncertainty)
    text = render(
        "synthesis.html.j2",
        title=printable(path.name[: -len(path.suffix)]),
        description=description,
        labels=shown.labels,
        sided=shown.sided,
        flat=settings["flat"],
        most_uncertain=number_text(settings["most_uncertain"]) if uncertainty is not None else None,
        halved=halved,
        warnings=sidecar["Medgan"]["Warnings"],
        strips=_strips(shown),
        charts=_charts(shown),
        chart=(WIDTH, HEIGHT, FOOT),
        learnt=f"The scans of {shown.labels[1]} that the model was trained on have their 0.5 to 99.5 percentile at "
        f"{number_text(learnt[0])} to {number_text(learnt[1])}, which is the range that results are given.",
        steps=steps_in_words(sidecar["Medgan"]["Preparation"]),
        provenance=_provenance(sidecar),
        settings=settings,
        volumes=volumes,
        library=library,
        script=_text("templates/viewer.js"),
    )
    write_text(path, text)


@cache
def niivue() -> Library:
    """The viewer that comes with medgan (vendor/niivue), as a page takes it."""
    code = files("medgan.reports").joinpath("vendor/niivue/niivue.umd.js").read_bytes()
    about = json.loads(_text("vendor/niivue/niivue.json"))
    digest = base64.b64encode(hashlib.sha256(code).digest()).decode("ascii")
    licences = [_text(f"vendor/niivue/{name}").strip() for name in ("LICENSE", "LICENSES-INCLUDED.txt")]
    return Library(
        packed=base64.b64encode(gzip.compress(code, compresslevel=9, mtime=0)).decode("ascii"),
        checksum=f"'sha256-{digest}'",
        about=f"NiiVue {about['version']} ({about['license']})",
        licences="\n\n\n".join(licences),
    )


def steps_in_words(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The steps of a preparation (`Prepared.record`) as headings and sentences; one that is new by its entries."""
    told = []
    for step in record.get("steps", ()):
        name = str(step.get("step", "step"))
        if name in _IN_WORDS:
            told.append((name, _IN_WORDS[name](step)))
        else:
            told.append((name, ", ".join(f"{key} {value}" for key, value in step.items() if key != "step")))
    return told


def _orientation(step: Mapping[str, Any]) -> str:
    if step["from"] == step["to"]:
        return f"axes {step['from']}, as the network takes them"
    return f"axes turned from {step['from']} to {step['to']} for the network, and back after it"


def _foreground(step: Mapping[str, Any]) -> str:
    share = f"{100 * step['share']:.0f} % of the image"
    return (
        f"the head was found: {share}"
        if step["found"]
        else "no background was found; all is taken for the head"
    )


def _intensity(step: Mapping[str, Any]) -> str:
    low, high = (number_text(step["range"][end]) for end in ("low", "high"))
    percentiles = _joined(step["percentiles"], " and ")
    return f"{low} to {high} became the network's range: percentiles {percentiles} of the head"


def _resampling(step: Mapping[str, Any]) -> str:
    spacings = [_joined(f"{mm:.3g}" for mm in step[key]) for key in ("from_spacing", "to_spacing")]
    shapes = [_joined(step[key]) for key in ("from_shape", "to_shape")]
    here, there = (f"{shape} voxels of {spacing} mm" for shape, spacing in zip(shapes, spacings, strict=True))
    return f"{here} to {there}, {step['interpolation']}; and back"


def _padding(step: Mapping[str, Any]) -> str:
    return f"to {_joined(step['shape'])} for the network, taken away after it"


def _n4(step: Mapping[str, Any]) -> str:
    return f"shading taken away by N4, {_joined(step['iterations'], ' + ')} iterations"


_IN_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "orientation": _orientation,
    "foreground": _foreground,
    "n4": _n4,
    "intensity": _intensity,
    "resampling": _resampling,
    "padding": _padding,
}


def _joined(parts: Any, by: str = " × ") -> str:
    return by.join(str(part) for part in parts)


def _provenance(sidecar: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Headings, texts and checksums."""
    made = sidecar["Medgan"]
    outputs = [
        ("written" if not number else "", name, f"SHA-256 {digest}")
        for number, (name, digest) in enumerate(made.get("OutputSHA256", {}).items())
    ]
    rows = [
        ("source", printable(", ".join(sidecar["Sources"])), _digest(made.get("InputSHA256"))),
        ("direction", made["Direction"], ""),
        ("model", printable(made["Model"]), _digest(made["ModelSHA256"])),
        ("made by", f"medgan {made['Version']} on {made['Device']}", ""),
        *([("uncertainty", _uncertainty(made["Uncertainty"]), "")] if "Uncertainty" in made else []),
        *outputs,
    ]
    return [(heading, printable(text), digest) for heading, text, digest in rows]


def _uncertainty(told: Mapping[str, Any]) -> str:
    """What the sidecar says of the maps, but their names."""
    return "; ".join(str(told[key]) for key in ("Units", "MadeFrom", "Calibration") if key in told)


def _digest(value: str | None) -> str:
    return f"SHA-256 {value}" if value else ""


def _strips(shown: SideBySide) -> list[list[Tile]]:
    """Axial, coronal and sagittal slices; of a picture what there is."""
    across = {plane.axis for plane in shown.three_planes()}
    side = _TILE if len(across) > 1 else _FLAT_TILE
    return [
        [Tile(plane, *shown.tiles(plane, side)) for plane in shown.planes(axis, most)]
        for axis, most in _STRIPS
        if axis in across
    ]


def _charts(shown: SideBySide) -> list[Histograms]:
    found = []
    for scan, label, key in (
        (shown.source, f"{shown.labels[0]}, source", contrast(shown.labels[0]).key),
        (shown.result, f"Synthetic {shown.labels[1]}", shown.result.contrast),
    ):
        seen = measure_intensities(canonical(scan)[0])
        found.append(histograms(key, label, [(seen.edges, seen.histogram)]))
    return found


def _viewer(shown: SideBySide, uncertainty: Scan | None) -> tuple[dict[str, str], dict[str, Any], str]:
    """What the viewer shows: volumes by id, its settings, and what was made smaller, in words."""
    volumes: dict[str, str] = {}
    halved = halvings(shown.source)

    def volume(name: str, scan: Scan, window: Window, **how: Any) -> dict[str, Any]:
        volumes[name] = to_viewer(scan, low=window[0], high=window[1], halved=halved)
        return {"id": name, "low": window[0], "high": window[1], "colormap": "gray", "opacity": 1.0} | how

    source = volume("volume-source", shown.source, shown.windows[0])
    results = [volume("volume-result", shown.result, shown.windows[1])]
    most = 0.0
    if uncertainty is not None:
        most = max(float(np.percentile(uncertainty.voxels, 99.9)), 1e-6)
        over = volume("volume-uncertainty", uncertainty, (0.0, most), colormap="inferno", opacity=0.0)
        results.append(over)
    settings = {
        "sided": shown.sided,
        "flat": len(shown.three_planes()) == 1,
        "most_uncertain": most,
        "views": [
            {"canvas": "view-source", "mark": "", "volumes": [source]},
            {"canvas": "view-result", "mark": MARK, "volumes": results},
        ],
    }
    words = "" if halved == (1, 1, 1) else f"the mean of {_joined(halved)} voxels as one, to be small enough"
    return volumes, settings, words


def _text(name: str) -> str:
    return files("medgan.reports").joinpath(name).read_text(encoding="utf-8")
