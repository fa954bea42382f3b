"""Many inputs, one model: each is read, synthesised and written before the next; a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.errors import InputRefusedError, MedganError, UsageError
from medgan.scans import Found, find_scans, read_scan
from medgan.synthesis.outputs import Format, formats_for, output_stem, write_outputs
from medgan.synthesis.synthesizer import Synthesizer, Synthetic


@dataclass(frozen=True, eq=False)
class Input:
    """One scan to synthesise: a path as given, or one of the scans found below it."""

    name: str
    scan: Path | Found


@dataclass(frozen=True, eq=False)
class Result:
    """What became of one input: files and the synthetic scan, or why there are none."""

    name: str
    files: tuple[Path, ...]
    synthetic: Synthetic | None
    error: MedganError | None


def find_inputs(paths: Sequence[Path], *, series: str | None) -> list[Input]:
    """The scans that the paths hold, in order.

    A folder of NIfTI files or pictures gives one input each. A folder of DICOM gives one: the only MR series in
    it, or the one that `series` names; reading refuses a folder where that is not clear.
    """
    inputs: list[Input] = []
    for path in paths:
        if not path.is_dir():
            inputs.append(Input(path.name, path))
            continue
        try:
            found = find_scans(path)
        except InputRefusedError:
            inputs.append(Input(path.name, path))  # reading refuses it again, in its turn
            continue
        loose = [one for one in found if one.series is None]
        if series is None:
            inputs += [Input(one.path.name, one) for one in loose]
        if len(loose) < len(found):
            usable = [one for one in found if one.series is not None and one.series.modality == "MR"]
            one = usable[0] if len(usable) == 1 and series is None else path
            inputs.append(Input(path.name, one))
    return inputs


def synthesize_each(
    inputs: Sequence[Input],
    synthesizer: Synthesizer,
    *,
    out: Path,
    wanted: Format | None,
    series: str | None = None,
    volume: int | None = None,
) -> Iterator[Result]:
    """Read, synthesise and write each input; yields as each is done.

    Raises:
        UsageError: `out` names one file, and there are several inputs.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
    """
    if len(inputs) > 1 and formats_for("nifti", wanted, out)[1]:
        raise UsageError(
            f"names one file, and there are {len(inputs)} inputs", file=out, remedy="Give a folder as --out."
        )
    taken: dict[Path, str] = {}
    for one in inputs:
        try:
            scan = read_scan(one.scan, series=series, volume=volume)
            formats, exact = formats_for(scan.source.kind, wanted, out)
            synthetic = synthesizer(scan)
            files = _write(synthetic, synthesizer, out, formats, exact, taken, one.name)
        except InputRefusedError as error:
            yield Result(one.name, (), None, error)
        else:
            yield Result(one.name, tuple(files), synthetic, None)


def _write(
    synthetic: Synthetic,
    synthesizer: Synthesizer,
    out: Path,
    formats: tuple[Format, ...],
    exact: bool,
    taken: dict[Path, str],
    name: str,
) -> list[Path]:
    if not exact:
        stem = output_stem(
            synthetic.scan.source,
            source_contrast=synthetic.source_contrast,
            target=synthesizer.target.key,
        )
        if out / stem in taken:
            raise InputRefusedError(
                f"would be written over the result of {taken[out / stem]}: both are called {stem}",
                file=name,
                remedy="Synthesise it into another folder.",
            )
        taken[out / stem] = name
    return write_outputs(synthetic, synthesizer, out=out, formats=formats, exact=exact)
