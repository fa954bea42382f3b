"""`medgan inspect`.

The document that --json prints; numbers have six digits, what is not known is null:

    medgan      version that wrote it
    format      1; raised when a key changes its meaning or goes
    paths       as given
    summary     found, usable, refused: numbers of scans
                kinds, contrasts, orientations, data_types: numbers of usable scans by `nifti`, `dicom`,
                `picture`; `t1`, `t2`, `unknown`; `LPS`, ...; `uint16`, ...
                shape, spacing: {min, max}, each along left-right, back-front, foot-head; null if none usable
                advice: what would hurt a training or needs a choice, as sentences
    scans       one object for each: label, path, name, kind, usable
                contrast (`t1`, `t2`, null), contrast_from; data_type
                shape, spacing in mm, orientation: along the file's axes; plane (`axial`, ...) of thick slices
                intensities {min, max, head_p0.5, head_p50, head_p99.5}
                series {number, description, uid, modality, files} of DICOM, else null
                facts: technical ones by name; warnings: sentences; refusal {file, cause, remedy} or null
    empty       {file, cause, remedy} for each path that does not exist or holds no scan
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medgan.cli.screen import PathType, Screen, common_options
from medgan.errors import InputRefusedError, UsageError
from medgan.files import kind_of

if TYPE_CHECKING:
    from rich.table import Table

    from medgan.reports.inspection import Gallery
    from medgan.scans.inspection import Inspected
    from medgan.scans.overview import Overview

_ROWS = 60
_ABSENT = ("nothing", "unreachable")
_EPILOG = """\b
Examples:
  medgan inspect scan.nii.gz
  medgan inspect DICOM_FOLDER
  medgan inspect T1 T2 -o report.html
  medgan inspect T1 --json > t1.json

The exit code is 0 if something usable was found, and 3 if nothing was or a PATH does not exist."""


@click.command(epilog=_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=PathType(), metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, to stdout.")
@click.option(
    "-o",
    "--out",
    type=PathType(dir_okay=False),
    metavar="REPORT.html",
    help="Also write a page with pictures and histograms.",
)
@common_options
def command(paths: tuple[Path, ...], as_json: bool, out: Path | None, quiet: bool, verbose: bool) -> None:
    """Show what medgan sees in files, DICOM folders, or folders of scans, and what it would refuse."""
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise UsageError("the report is an HTML page", file=out, remedy="Let its name end in .html.")
    screen = Screen(quiet=quiet, verbose=verbose)
    if as_json:
        screen.console = screen.errors  # stdout is the document's alone
    seen, gallery = _look(paths, screen, pictures=out is not None)
    if as_json:
        import json

        from medgan.scans.overview import to_document

        click.echo(json.dumps(to_document(seen, paths), indent=2, allow_nan=False))
    elif seen.scans:
        _show(seen, screen)
    if out is not None and gallery is not None and seen.scans:
        from medgan.reports.inspection import write_inspection

        write_inspection(seen, out, paths=paths, tiles=gallery.tiles)
        screen.say(f"Report: {out}")
    _judge(seen, paths, screen, told=as_json)


def _look(paths: Sequence[Path], screen: Screen, *, pictures: bool) -> tuple[Overview, Gallery | None]:
    """Find and read; the bar counts scans."""
    from medgan.reports.inspection import Gallery
    from medgan.scans.inspection import find_candidates, inspect_each
    from medgan.scans.overview import overview

    with screen.progress() as bars:
        task = bars.add_task("Looking", total=None)
        candidates, empty = find_candidates(paths)
        bars.update(task, description="Reading", total=len(candidates))
        gallery = Gallery(candidates) if pictures else None
        scans = []
        for scan in inspect_each(candidates, look=gallery):
            scans.append(scan)
            bars.advance(task)
    return overview(scans, empty), gallery


def _show(seen: Overview, screen: Screen) -> None:
    """A list for one scan, a table for several; what to know of them below."""
    from medgan.reports.inspection import counts_text
    from medgan.scans.shown_paths import shown_path

    if screen.quiet:
        for scan in seen.refused:
            screen.warn(f"{scan.label}: {scan.refusal.cause if scan.refusal else ''}")
        for text in (*seen.advice, *seen.warnings):
            screen.warn(text)
        return
    if len(seen.scans) == 1:
        screen.console.print(_details(seen.scans[0]))
    else:
        rows = seen.scans if screen.verbose else seen.scans[:_ROWS]
        screen.console.print(_table(rows))
        if len(rows) < len(seen.scans):
            screen.say(f"  ... and {len(seen.scans) - len(rows)} more (all with --verbose, --json or -o).\n")
        refused = f", {len(seen.refused)} refused" if seen.refused else ""
        screen.say("Head: percentiles 0.5 / 50 / 99.5 of the intensities in the head.\n")
        screen.say(f"{len(seen.scans)} scans: {len(seen.usable)} usable{refused}")
        screen.console.print(_list(counts_text(seen)))
    _section(screen, "Before training", [(text, "") for text in seen.advice], style="yellow")
    refusals = [
        (f"{scan.label}: {scan.refusal.cause}.", scan.refusal.remedy) for scan in seen.refused if scan.refusal
    ]
    refusals += [
        (f"{shown_path(error.file)}: {error.cause}.", error.remedy) for error in seen.empty if error.file
    ]
    _section(screen, "Refused", refusals, style="red")
    warnings = [
        (text, labels[0] if len(labels) == 1 else f"{len(labels)} scans, such as {labels[0]}")
        for text, labels in seen.warnings.items()
    ]
    _section(screen, "Warnings", warnings, style="yellow")


def _table(scans: Sequence[Inspected]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from medgan.reports.inspection import head_text, kind_text, size_text, spacing_text
    from medgan.scans.advice import contrast_label

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Scan", overflow="fold", min_width=22)
    for heading in ("Is", "Voxels", "Spacing, mm", "Axes", "Head"):
        table.add_column(heading, overflow="fold")
    for scan in scans:
        name = Text(scan.label)
        if scan.found.series is not None:
            name.append(f"\n{kind_text(scan)}", style="dim")
        state = Text(head_text(scan).replace(" ", "")) if scan.usable else Text("refused", style="red")
        known = contrast_label(scan.contrast) if scan.contrast else "?"
        size, spacing = size_text(scan).replace(" ", ""), spacing_text(scan).replace(" ", "")
        table.add_row(name, known, size, spacing, scan.orientation or "", state)
    return table


def _details(scan: Inspected) -> Table:
    from medgan.reports.inspection import (
        facts_text,
        head_text,
        kind_text,
        range_text,
        size_text,
        spacing_text,
    )
    from medgan.scans.advice import contrast_label

    known = f"{contrast_label(scan.contrast)} (from its {scan.contrast_from})" if scan.contrast else "unknown"
    rows = [
        ("Scan", scan.label),
        ("Kind", kind_text(scan)),
        ("Contrast", known if scan.contrast or scan.usable else ""),
        ("Voxels", size_text(scan)),
        ("Spacing", f"{spacing_text(scan)} mm" if spacing_text(scan) else ""),
        (
            "Axes",
            ", ".join(part for part in (scan.orientation, scan.plane and f"{scan.plane} slices") if part),
        ),
        ("Stored as", scan.data_type or ""),
        ("Range", range_text(scan)),
        ("In the head", f"{head_text(scan)} (percentiles 0.5 / 50 / 99.5)" if scan.intensities else ""),
        ("Facts", ", ".join(facts_text(scan))),
        ("State", "usable" if scan.usable else "refused"),
    ]
    return _list([(heading, text) for heading, text in rows if text])


def _list(rows: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in rows:
        table.add_row(f"  {heading}", Text(text))
    return table


def _section(screen: Screen, heading: str, items: Sequence[tuple[str, str]], *, style: str) -> None:
    """Texts, and what belongs to each in dim letters below it."""
    from rich.table import Table
    from rich.text import Text

    if not items:
        return
    rows = items if screen.verbose else items[:_ROWS]
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(style=style)
    table.add_column(overflow="fold")
    for text, more in rows:
        table.add_row("  -", Text(text).append(f"\n{more}" if more else "", style="dim"))
    screen.console.print()
    screen.console.print(heading, style=f"bold {style}")
    screen.console.print(table)
    if len(rows) < len(items):
        screen.say(f"  ... and {len(items) - len(rows)} more (all with --verbose, --json or -o).")


def _judge(seen: Overview, paths: Sequence[Path], screen: Screen, *, told: bool) -> None:
    """Raise what decides the exit code; paths that hold nothing beside others that do are told of."""
    missing = [error for error in seen.empty if error.file and kind_of(error.file) in _ABSENT]
    if not seen.usable:
        refusals = [scan.refusal for scan in seen.scans if scan.refusal is not None] + list(seen.empty)
        if len(refusals) == 1 and not seen.scans:
            raise refusals[0]
        what = ", as listed" if seen.scans else ""
        raise InputRefusedError(f"nothing usable was found{what}", remedy=_first_remedy(seen))
    if len(missing) == 1:
        raise missing[0]
    if missing:
        raise InputRefusedError(
            f"{len(missing)} of {len(paths)} paths do not exist", remedy="Check the paths."
        )


def _first_remedy(seen: Overview) -> str:
    return seen.empty[0].remedy if seen.empty and not seen.scans else ""
