"""The scans that the paths of a command hold, each with a name of its own; loads no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medgan.errors import InputRefusedError, MedganError, UsageError
from medgan.files import kind_of
from medgan.scans import Found
from medgan.scans.finding import folder_names, search, with_distinct_stems
from medgan.scans.reading import choose_among
from medgan.scans.shown_paths import shown_path


@dataclass(frozen=True, eq=False)
class Input:
    """One scan to synthesise.

    Attributes:
        name: what users are told of it; names no patient of a DICOM series.
        scan: a path as given (maybe a zip archive), or one of the scans found below it.
        given: the path that a user gave, where it lies below that.
        refusal: why the path holds no scan, or which one is meant is not clear.
        left_out: medgan's own results that lie beside it in the folder given, told once for each folder.
    """

    name: str
    scan: Path | Found
    given: Path | None = None
    refusal: MedganError | None = None
    left_out: str = ""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.scan if isinstance(self.scan, Path) else self.scan.path


def find_inputs(paths: Sequence[Path], *, series: str | None) -> list[Input]:
    """The scans that the paths hold, in order, each once.

    A folder of NIfTI files or pictures gives one input each. A folder of DICOM gives one: the only MR series in
    it, or the one that `series` names; where that is not clear, the input is one with a refusal. An archive is
    one input, whatever it holds. Where scans of several paths are called alike, the names of the folders that
    they lie in are put before (`a_scan`, `b_scan`), as far up as it takes.
    """
    inputs = [one for path in paths for one in _inputs_of(path, series)]
    return _called_apart(_each_once(inputs))


def _inputs_of(path: Path, series: str | None) -> list[Input]:
    name = Path(shown_path(path)).name or str(path)
    is_folder = kind_of(path) == "folder"
    if path.suffix.lower() == ".zip" and not is_folder:
        return [Input(name, path)]
    try:
        held = search(path)
    except InputRefusedError as error:
        return [Input(name, path, refusal=error)]
    loose = [one for one in held.scans if one.series is None] if is_folder and series is None else []
    inputs = [Input(one.path.name, one, path) for one in loose]
    among = [one for one in held.scans if one not in loose]
    if series is not None:
        among += held.results  # one of them is meant where it is named
    if among:
        try:
            inputs.append(Input(name, choose_among(path, among, series), path))
        except (InputRefusedError, UsageError) as error:
            inputs.append(Input(name, path, refusal=error))
    return [replace(inputs[0], left_out=held.left_out), *inputs[1:]]


def _each_once(inputs: Sequence[Input]) -> list[Input]:
    """Without what was given twice, by the same path or by a folder above it."""
    seen: dict[tuple[Path, str], Input] = {}
    for one in inputs:
        series = one.scan.series.uid if isinstance(one.scan, Found) and one.scan.series else ""
        seen.setdefault(
            (one.path.parent.resolve() / one.path.name, series), one
        )  # a link is a scan of its own
    return list(seen.values())


def _called_apart(inputs: list[Input]) -> list[Input]:
    """With stems of which no two are the same."""
    given = {id(one.scan): one.given or one.path for one in inputs}

    def above(found: Found) -> tuple[str, ...]:
        top = given[id(found)].absolute()
        in_stem = found.series is not None or kind_of(top) != "folder"
        return folder_names(
            [part for part in (top.parent if in_stem else top).parts[1:] if part != ".."], found
        )

    found = [one.scan for one in inputs if isinstance(one.scan, Found)]
    apart = iter(with_distinct_stems(found, above))
    return [replace(one, scan=next(apart)) if isinstance(one.scan, Found) else one for one in inputs]
