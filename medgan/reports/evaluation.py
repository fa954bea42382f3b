"""The evaluation as one page that needs no network: figures, baselines, and the worst and best cases to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.evaluation.judging import Compared, Judged
from medgan.evaluation.protocol import to_unit
from medgan.evaluation.unpaired import Seen
from medgan.files import write_text
from medgan.reports.figures import radiological
from medgan.reports.pages import embedded, render

LABELS: Mapping[str, tuple[str, str]] = {
    "psnr": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "mae": ("MAE", ".3f"),
    "nrmse": ("nRMSE", ".3f"),
    "r": ("r", ".3f"),
    "nmi": ("NMI", ".3f"),
    "ms_ssim": ("MS-SSIM", ".3f"),
}
"""By figure, its heading and how its numbers are written."""
ROWS: Mapping[str, str] = {
    "prediction": "prediction",
    "copy": "source copied",
    "histogram": "source, histogram matched",
}
PICTURES = 12
"""Subjects that the page shows: the worst and the best."""
_TILE = 190  # pixels of a picture's longer side
_LEVELS = (0.25, 0.5, 0.75)  # of the head, from foot to top
_CHARTED = ("ssim", "psnr", "r")
_WIDTH, _HEIGHT = 300.0, 200.0  # of a chart
_BOXED = 5  # subjects that have quartiles worth the name
_FULL = 0.5  # of the scale: a difference that is shown at full colour

_Plane = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A subject in the page.

    Attributes:
        name, target: of the subject.
        rank: what cases are sorted by, the worst first.
        figures: the most telling ones, in words.
        notes, warnings: sentences.
        columns: headings of the pictures.
        rows: for each slice its name and a PNG as base64 for each column.
        spread: the Bland-Altman picture, as base64, and its text; None without a reference.
    """

    name: str
    target: str | None
    rank: float
    figures: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    spread: tuple[str, str] | None


@dataclass(frozen=True)
class Dots:
    """A chart: a line for each subject from baseline to baseline to prediction, in an SVG of `_WIDTH` x `_HEIGHT`.

    Attributes:
        title: of the figure.
        places: where on the horizontal axis each column is, and its name.
        lines: of each subject its points.
        means: of each column.
        boxes: of each column its place and the heights of its maximum, upper quartile, median, lower quartile and
            minimum; none for fewer than `_BOXED` subjects.
        ticks: heights and numbers.
    """

    title: str
    places: tuple[tuple[float, str], ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]
    means: tuple[tuple[float, float], ...]
    boxes: tuple[tuple[float, tuple[float, ...]], ...]
    ticks: tuple[tuple[float, str], ...]


class Album:
    """Takes pictures of the worst and the best subjects while they are in memory.

    Args:
        most: how many are kept.
    """

    def __init__(self, *, most: int = PICTURES) -> None:
        self.most = most
        self.cases: list[Case] = []

    def __call__(self, judged: Judged | Seen, compared: Compared) -> None:
        """Look at a subject; `look` of `judge` and `see`."""
        self.cases.append(_case(judged, compared))
        self.cases.sort(key=lambda case: case.rank)
        if len(self.cases) > self.most:
            del self.cases[(self.most + 1) // 2]


def write_evaluation(
    document: Mapping[str, Any], judged: Sequence[Judged], path: Path, *, cases: Sequence[Case]
) -> None:
    """Write the page: one HTML file without any reference to another, for light, dark and paper.

    Args:
        document: of `evaluation.document.to_document`.
        judged: the subjects.
        path: where to.
        cases: of an `Album`.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    groups = {
        target: [one for one in judged if (one.target or "all") == target] for target in document["summary"]
    }
    text = render(
        "evaluation.html.j2",
        filters=_FILTERS,
        document=document,
        groups=groups,
        charts={target: charts(group) for target, group in groups.items()},
        cases=cases,
        labels=LABELS,
        row_names=ROWS,
        chart=(_WIDTH, _HEIGHT),
    )
    write_text(path, text)


def write_without_reference(document: Mapping[str, Any], path: Path, *, cases: Sequence[Case]) -> None:
    """As `write_evaluation`, for `evaluation.document.to_document_without_reference`."""
    figures = {
        target: figures_without_reference(summary, document["protocol"])
        for target, summary in document["summary"].items()
    }
    text = render(
        "evaluation_unpaired.html.j2", filters=_FILTERS, document=document, figures=figures, cases=cases
    )
    write_text(path, text)


def figures_without_reference(
    summary: Mapping[str, Any], protocol: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Name, numbers and meaning of each figure of a group of subjects.

    Args:
        summary: of one target contrast, of `to_document_without_reference`.
        protocol: of the same.
    """
    rows = [(_SEEN[key], _spread_text(found), protocol[key]) for key, found in summary["structure"].items()]
    for kind in ("wasserstein", "kernel", "cycle", "flicker"):
        if found := summary[kind]:
            shown = ", ".join(
                f"{_SEEN.get(key, key)} {_spread_text(_of(one, key), 4 if kind == 'flicker' else 3)}"
                for key, one in found.items()
            )
            rows.append((_SEEN[kind], shown, protocol.get(kind, _FLICKER)))
    return rows


_SEEN: Mapping[str, str] = {
    "nmi": "NMI",
    "local_correlation": "local correlation",
    "edge_agreement": "edge agreement",
    "wasserstein": "grey values",
    "kernel": "features",
    "cycle": "cycle error",
    "flicker": "flicker",
    "mae": "MAE",
    "targets_mean": "target scans",
    "targets_most": "at most",
}
_FLICKER = (
    "how far the mean of a slice lies off its neighbours': more than the source's is what a model adds from "
    "slice to slice"
)


def _of(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Target scans are the same for all subjects, so there is no spread over these."""
    return {**found, "sd": None} if key.startswith("targets_") else found


def _spread_text(found: Mapping[str, Any], digits: int = 3) -> str:
    spread = "" if found["sd"] is None else f" ± {found['sd']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{spread}"


def number_text(value: float | None, key: str) -> str:
    """A figure with its usual digits."""
    return "" if value is None else format(value, LABELS[key][1])


def signed_text(value: float | None, key: str) -> str:
    """A gain, with its sign."""
    return "" if value is None else format(value, "+" + LABELS[key][1])


def interval_text(found: Mapping[str, Any], key: str) -> str:
    """The bootstrap interval of a mean."""
    if found["interval"] is None:
        return ""
    return " to ".join(number_text(edge, key) for edge in found["interval"])


def p_text(value: float | None) -> str:
    """A probability, to as many digits as it deserves."""
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number_text,
    "interval": interval_text,
    "p": p_text,
    "signed": signed_text,
    "sense": lambda gain: "better" if gain > 0 else "worse" if gain < 0 else "",
}


def charts(judged: Sequence[Judged]) -> list[Dots]:
    """The figures beside the baselines'; nothing without baselines."""
    group = [one for one in judged if one.baselines]
    return [_dots(key, group) for key in _CHARTED] if group else []


def _dots(key: str, group: Sequence[Judged]) -> Dots:
    table = np.array(
        [[getattr(score, key) for score in (*one.baselines.values(), one.foreground)] for one in group]
    )
    low, high = float(table.min()), float(table.max())
    room = max(0.08 * (high - low), 1e-3)
    low, high = low - room, high + room

    def place(column: int, value: float) -> tuple[float, float]:
        return 70.0 + column * 90.0, (_HEIGHT - 24) * (high - value) / (high - low)

    boxes = []
    for column, values in enumerate(table.T if len(group) >= _BOXED else ()):
        heights = tuple(place(column, float(one))[1] for one in np.quantile(values, (1, 0.75, 0.5, 0.25, 0)))
        boxes.append((place(column, low)[0], heights))
    names = [*group[0].baselines, "prediction"]
    short = {"copy": "copied", "histogram": "histogram"}
    return Dots(
        title=LABELS[key][0],
        places=tuple((place(column, low)[0], short.get(name, name)) for column, name in enumerate(names)),
        lines=tuple(tuple(place(column, value) for column, value in enumerate(row)) for row in table),
        means=tuple(place(column, value) for column, value in enumerate(table.mean(axis=0))),
        boxes=tuple(boxes),
        ticks=tuple((place(0, tick)[1], f"{tick:.3g}") for tick in _ticks(low, high)),
    )


def _ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low < tick < high]


def _case(judged: Judged | Seen, compared: Compared) -> Case:
    volumes = {"source": compared.source, "prediction": compared.prediction, "reference": compared.reference}
    units = {name: to_unit(volume, compared.mask) for name, volume in volumes.items() if volume is not None}
    columns, spread = tuple(units), None
    if "reference" in units:
        here, there = (units[name][compared.mask] for name in ("prediction", "reference"))
        columns, spread = (*columns, "difference"), _bland_altman(here, there)
    box = _around(compared.mask)
    units = {name: unit[box] for name, unit in units.items()}
    rows = []
    for name, axis, index in _slices(compared.mask[box]):
        spacing = [edge for other, edge in enumerate(compared.spacing) if other != axis]
        planes = {called: np.take(unit, index, axis) for called, unit in units.items()}
        pictures = [
            _grey(plane, spacing, synthetic=called == "prediction") for called, plane in planes.items()
        ]
        if spread is not None:
            pictures.append(_coloured(planes["prediction"] - planes["reference"], spacing))
        rows.append((name, tuple(pictures)))
    rank, figures, notes = _in_words(judged)
    return Case(
        judged.name, judged.target, rank, figures, notes, judged.warnings, columns, tuple(rows), spread
    )


def _in_words(judged: Judged | Seen) -> tuple[float, str, tuple[str, ...]]:
    """What a case is sorted by, its most telling figures, and what to know."""
    if isinstance(judged, Seen):
        kept = judged.structure["local_correlation"]
        return kept, f"local correlation with the source {kept:.3f}", ()
    score = judged.foreground
    figures = f"SSIM {score.ssim:.3f}, PSNR {score.psnr:.2f} dB, r {score.r:.3f}"
    return score.ssim, figures, () if judged.moved is None else (judged.moved.text,)


def _around(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The head and a margin in its slices, of all slices."""
    box = []
    for axis in (0, 1):
        shown = np.flatnonzero(mask.any(axis=(1 - axis, 2)))
        margin = 2 + mask.shape[axis] // 40
        box.append(slice(max(int(shown[0]) - margin, 0), int(shown[-1]) + margin + 1))
    return box[0], box[1], slice(None)


def _slices(mask: npt.NDArray[np.bool_]) -> list[tuple[str, int, int]]:
    """Name, axis and index of the slices that are shown."""
    shown = np.flatnonzero(mask.any(axis=(0, 1)))
    levels = dict.fromkeys(int(shown[round(level * (shown.size - 1))]) for level in _LEVELS)
    slices = [(f"axial {index + 1}", 2, index) for index in levels]
    if mask.shape[2] > 2:
        across = np.flatnonzero(mask.any(axis=(1, 2)))
        index = int(across[round(0.45 * (across.size - 1))])  # beside the gap between the hemispheres
        slices.append((f"sagittal {index + 1}", 0, index))
    return slices


def _grey(plane: _Plane, spacing: Sequence[float], *, synthetic: bool) -> str:
    from PIL import ImageDraw, ImageFont

    picture = _picture(np.rint(plane * 255).astype(np.uint8), spacing)
    if synthetic:  # with an edge, since the head may be white there
        font = ImageFont.load_default(11)
        ImageDraw.Draw(picture).text((3, 1), "SYNTHETIC", 255, font, stroke_width=2, stroke_fill=0)
    return embedded(picture)


def _coloured(plane: _Plane, spacing: Sequence[float]) -> str:
    """Orange where the prediction is brighter than the reference, blue where it is darker, black where they agree."""
    shown = np.clip(plane / _FULL, -1, 1)
    colours = np.stack([shown.clip(0), 0.35 * np.abs(shown), (-shown).clip(0)], axis=-1)
    return embedded(_picture(np.rint(np.sqrt(colours) * 255).astype(np.uint8), spacing))


def _picture(plane: npt.NDArray[np.uint8], spacing: Sequence[float]) -> Any:
    """A plane with its first axis across and its second up, of square pixels; axial ones in radiological display."""
    from PIL import Image

    shown = np.stack([radiological(one) for one in np.moveaxis(np.atleast_3d(plane), 2, 0)], axis=-1)
    sides = np.array([plane.shape[0] * spacing[0], plane.shape[1] * spacing[1]])
    width, height = np.maximum(1, np.rint(sides * _TILE / sides.max())).astype(int)
    picture = Image.fromarray(np.ascontiguousarray(shown[..., 0] if plane.ndim == 2 else shown))
    return picture.resize((int(width), int(height)), Image.Resampling.LANCZOS)


def _bland_altman(prediction: _Plane, reference: _Plane) -> tuple[str, str]:
    """How often a difference comes with a mean (Bland and Altman, Lancet 1986), as a picture, and in numbers."""
    from PIL import Image, ImageDraw

    difference = prediction - reference
    counts, _, _ = np.histogram2d(
        (prediction + reference) / 2, difference, bins=(120, 100), range=((0, 1), (-1, 1))
    )
    shown = np.log1p(counts.T[::-1]) / max(float(np.log1p(counts.max())), 1e-9)
    picture = Image.fromarray(np.rint(shown * 255).astype(np.uint8)).resize((240, 200)).convert("RGB")
    bias, spread = float(difference.mean()), float(difference.std())
    draw = ImageDraw.Draw(picture)
    for value, colour in (
        (0.0, "#777"),
        (bias, "#4da3ff"),
        (bias - 1.96 * spread, "#e0903a"),
        (bias + 1.96 * spread, "#e0903a"),
    ):
        y = round((1 - value) / 2 * 199)
        draw.line([(0, y), (239, y)], fill=colour)
    return embedded(
        picture
    ), f"bias {bias:+.3f}, limits of agreement {bias - 1.96 * spread:+.3f} to {bias + 1.96 * spread:+.3f}"
