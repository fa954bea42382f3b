"""The evaluation as one page that needs no network: figures, baselines, and the worst and best cases to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgan.evaluation.judging import Judged
from medgan.files import write_text
from medgan.reports.evaluation_album import Case
from medgan.reports.pages import render

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
_CHARTED = ("ssim", "psnr", "r")
_WIDTH, _HEIGHT = 300.0, 200.0  # of a chart
_BOXED = 5  # subjects that have quartiles worth the name


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
