"""The tables that `medgan evaluate` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from medgan.reports.evaluation import LABELS, ROWS, number_text, p_text, signed_text


def summary_table(summary: Mapping[str, Any]) -> Table:
    """A row for the prediction, for each baseline, the gain, and the whole image."""
    several = summary["subjects"] > 1
    keys = [key for key in LABELS if key in summary["whole"]]
    table = _table("Mean over subjects" if several else "In the foreground", [LABELS[key][0] for key in keys])
    rows = {"prediction": summary["foreground"], **summary["baselines"], "whole": summary["whole"]}
    for name, found in rows.items():
        if name == "whole" and summary["gain"]:
            gains = [_gain(summary["gain"].get(key), key) for key in keys]
            table.add_row("gain over the better of them", *gains)
        cells = []
        for key in keys:
            one = found.get(key)
            spread = f" ± {number_text(one['sd'], key)}" if one and one["sd"] is not None else ""
            cells.append(number_text(one["mean"], key) + spread if one else "")
        table.add_row({**ROWS, "whole": "prediction, whole image"}[name], *cells)
    return table


def _gain(found: Mapping[str, Any] | None, key: str) -> str:
    if found is None:
        return ""
    p = p_text(found["p"])
    return signed_text(found["mean"], key) + (f" ({p})" if p else "")


def subjects_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    keys = list(entries[0]["foreground"])
    gains = any(entry["gain"] for entry in entries)
    table = _table("Subject", [*(LABELS[key][0] for key in keys), *(["Gain in SSIM"] if gains else [])])
    for entry in entries:
        gain = [signed_text(entry["gain"].get("ssim"), "ssim")] if gains else []
        table.add_row(
            Text(entry["name"]), *(number_text(entry["foreground"][key], key) for key in keys), *gain
        )
    return table


def _table(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold", min_width=16)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
