"""The figures as others read them: `metrics.json` and `metrics.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medgan import __version__
from medgan.errors import UsageError
from medgan.evaluation.judging import Judged
from medgan.evaluation.protocol import PROTOCOL
from medgan.evaluation.summary import STATISTICS, summarise, summarise_without_reference
from medgan.evaluation.unpaired import WITHOUT_REFERENCE, Seen
from medgan.files import kind_of, write_json, write_text
from medgan.texts import printable

COVERAGE = (
    "share of the foreground's voxels whose absolute error, scaled, is at most the bound that the model states for "
    "90 % of them; null where it states none"
)
JSON, CSV, PAGE = "metrics.json", "metrics.csv", "report.html"


def refuse_taken(folder: Path) -> None:
    """Refuse a place for the results that holds anything but earlier ones, before the work begins.

    Raises:
        UsageError: it is a file, or a folder with something else in it.
    """
    kind = kind_of(folder)
    if kind == "nothing":
        return
    if kind != "folder":
        raise UsageError("is not a folder", file=folder, remedy="Give a new folder with --out.")
    held = {one.name for one in folder.iterdir()}
    if held and not (held <= {JSON, CSV, PAGE} and _is_ours(folder / JSON)):
        raise UsageError(
            "holds other things than an earlier evaluation",
            file=folder,
            remedy="Give a new folder with --out.",
        )


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"medgan", "protocol", "subjects"} <= set(content)


def to_document(
    judged: Sequence[Judged], *, model: str | None = None, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of `metrics.json`.

    Args:
        judged: the subjects.
        model: which model made the predictions, where that is known.
        left_out: a sentence for each scan that was not compared.
    """
    return {
        "medgan": __version__,
        "protocol": {
            **PROTOCOL,
            "coverage": COVERAGE,
            **{f"statistics_{key}": text for key, text in STATISTICS.items()},
        },
        "model": model,
        "subjects": [_entry(one) for one in judged],
        "summary": summarise(judged),
        "left_out": [printable(text) for text in left_out],
    }


def to_document_without_reference(
    seen: Sequence[Seen], *, model: str | None = None, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of `metrics.json` where there is no reference.

    Args:
        seen: the predictions.
        model: whose way back gave the cycle error, if one did.
        left_out: as in `to_document`.
    """
    return {
        "medgan": __version__,
        "protocol": {
            **WITHOUT_REFERENCE,
            **{f"statistics_{key}": STATISTICS[key] for key in ("sd", "interval")},
        },
        "model": model,
        "subjects": [
            {
                "name": printable(one.name),
                "target": one.target,
                "structure": dict(one.structure),
                "wasserstein": dict(one.wasserstein),
                "kernel": dict(one.kernel),
                "cycle": dict(one.cycle),
                "flicker": dict(one.flicker),
                "warnings": [printable(text) for text in one.warnings],
            }
            for one in seen
        ],
        "summary": summarise_without_reference(seen),
        "left_out": [printable(text) for text in left_out],
    }


def write_figures(document: Mapping[str, Any], folder: Path) -> None:
    """Write `metrics.json` and `metrics.csv` into a folder.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    write_json(folder / JSON, document)
    rows = [dict(_flat(entry)) for entry in document["subjects"]]
    columns = dict.fromkeys(key for row in rows for key in row)
    stream = io.StringIO()
    table = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(folder / CSV, stream.getvalue())


def _entry(one: Judged) -> dict[str, Any]:
    whole = {"ms_ssim": None, **one.whole.as_dict()}
    return {
        "name": printable(one.name),
        "target": one.target,
        "foreground": one.foreground.as_dict(),
        "whole": whole,
        "baselines": {key: score.as_dict() for key, score in one.baselines.items()},
        "gain": one.gains,
        "flicker": dict(one.flicker),
        "coverage": one.coverage,
        "registration": None if one.moved is None else one.moved.as_dict(),
        "warnings": [printable(text) for text in one.warnings],
    }


def _flat(entry: Mapping[str, Any], prefix: str = "") -> Any:
    """Names such as `foreground_psnr` and values, without lists; baselines go by their own name."""
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _flat(value, "" if key == "baselines" else f"{prefix}{key}_")
        elif not isinstance(value, list) and not (key == "registration" and value is None):
            yield f"{prefix}{key}", "" if value is None else value
