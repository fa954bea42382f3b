"""What `medgan evaluate` prints of its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from medgan.reports.evaluation import (
    LABELS,
    figures_without_reference,
    interval_text,
    number_text,
    p_text,
    signed_text,
)

if TYPE_CHECKING:
    from medgan.cli.screen import Screen

_BASELINES = {"copy": "copied", "histogram": "histogram"}


def _summary_table(summary: Mapping[str, Any]) -> Table:
    """A row for each figure: the prediction's in the foreground, the baselines', the gain over the better of these.

    Of a single subject also that of the whole image, of several the spread.
    """
    several, baselines, gains = summary["subjects"] > 1, summary["baselines"], summary["gain"]
    headings = ["mean", "sd", "95 % interval"] if several else ["prediction"]
    headings += [_BASELINES[name] for name in baselines]
    headings += ["gain", *(["p"] if several else [])] if gains else []
    table = _table("Figure", headings if several else [*headings, "whole image"])
    for key in LABELS:
        found, whole = summary["foreground"].get(key), summary["whole"].get(key)
        if (found if several else whole) is None:
            continue
        cells = [_mean(found, key)]
        if several:
            cells += [number_text(found["sd"], key), interval_text(found, key)] if found else ["", ""]
        cells += [_mean(one.get(key), key) for one in baselines.values()]
        if gains:
            gain = gains.get(key)
            cells.append(signed_text(gain["mean"], key) if gain else "")
            if several:
                cells.append(p_text(gain["p"]).removeprefix("p ").removeprefix("= ") if gain else "")
        table.add_row(LABELS[key][0], *cells, *([] if several else [_mean(whole, key)]))
    return table


def _coverage_line(found: Mapping[str, Any]) -> str:
    """How well the model's own bound on its errors held."""
    over = f", mean over {found['n']} subjects (sd {found['sd']:.1%})" if found["n"] > 1 else ""
    return f"Voxels of the foreground whose error is under the model's 90 % bound: {found['mean']:.1%}{over}"


def _mean(found: Mapping[str, Any] | None, key: str) -> str:
    return "" if found is None else number_text(found["mean"], key)


def say_figures(screen: Screen, document: Mapping[str, Any], *, rows: int | None) -> None:
    """For each target contrast its subjects, and the summary beside the baselines.

    Args:
        screen: where to.
        document: of `to_document`.
        rows: subjects that are listed at most.
    """
    for target, summary in document["summary"].items():
        entries = [entry for entry in document["subjects"] if (entry["target"] or "all") == target]
        screen.say("" if target == "all" else f"\nTo {target}")
        if len(entries) > 1:
            screen.console.print(_subjects_table(entries[:rows]))
            _say_more(screen, entries, rows)
        screen.console.print(_summary_table(summary))
        if entries[0]["flicker"] and len(entries) == 1:
            shown = ", ".join(f"{key} {value:.4f}" for key, value in entries[0]["flicker"].items())
            screen.say(f"Flicker from slice to slice: {shown}")
        if "bound" in summary["coverage"]:
            screen.say(_coverage_line(summary["coverage"]["bound"]))
        for entry in entries:
            if entry["registration"]:
                screen.say(f"{entry['name']}: {entry['registration']['text']}")
    if any(summary["baselines"] for summary in document["summary"].values()):
        screen.say("copied: the source as it is; histogram: its histogram matched, inverted where closer.")
    else:
        screen.say(
            "No source was given, so there are no baselines: the figures alone do not tell whether anything was learnt."
        )
    rules = document["protocol"]
    screen.say(f"\nProtocol {rules['version']}, in the foreground: {rules['foreground']}.")
    screen.say(f"Scaled: {rules['scaling']}. SSIM: {rules['ssim']}.")


def _say_more(screen: Screen, entries: Sequence[object], rows: int | None) -> None:
    if rows is not None and len(entries) > rows:
        screen.say(f"  ... and {len(entries) - rows} more (all with --verbose or -o).")


def say_without_reference(screen: Screen, document: Mapping[str, Any], *, rows: int | None) -> None:
    """Each figure with what it says, the numbers first; of several subjects a table and the means.

    Args:
        screen: where to.
        document: of `to_document_without_reference`.
        rows: subjects that are listed at most.
    """
    for target, summary in document["summary"].items():
        entries = [one for one in document["subjects"] if (one["target"] or "all") == target]
        several = len(entries) > 1
        if several:
            screen.say("" if target == "all" else f"\nTo {target}")
            screen.console.print(_seen_table(entries[:rows]))
            _say_more(screen, entries, rows)
        screen.say(
            f"\n{'Mean of ' + str(len(entries)) if several else entries[0]['name']}, without a reference"
        )
        for name, shown, meaning in figures_without_reference(summary, document["protocol"]):
            screen.say(f"  {name}: {shown}\n      {meaning}.")
    screen.say(f"\n{document['protocol']['not_told']}.")


def _seen_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    columns = {
        "NMI": ("structure", "nmi"),
        "Local corr.": ("structure", "local_correlation"),
        "Edges": ("structure", "edge_agreement"),
        "Wasserstein": ("wasserstein", "prediction"),
        "Kernel": ("kernel", "prediction"),
        "Cycle MAE": ("cycle", "mae"),
    }
    there = {
        name: place for name, place in columns.items() if any(place[1] in one[place[0]] for one in entries)
    }
    table = _table("Subject", [*there])
    for one in entries:
        values = (one[kind].get(key) for kind, key in there.values())
        table.add_row(Text(one["name"]), *("" if value is None else f"{value:.3f}" for value in values))
    return table


def _subjects_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    keys = [key for key in LABELS if key in entries[0]["foreground"]]
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
    table.add_column(first, overflow="fold", min_width=8)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
