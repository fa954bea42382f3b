"""Many inputs, one model: each is read, synthesised and written before the next; a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.archives import name_in_archive
from medgan.errors import InputRefusedError, MedganError, ResourceError, SeriesChoiceError, UsageError
from medgan.files import remove_leftovers
from medgan.scans import Found, find_scans, read_scan
from medgan.scans.reading import Reading, as_folder, choose_among, choose_scan
from medgan.synthesis.completed import input_digest, is_complete, origin_digest
from medgan.synthesis.destination import Destination, Plan, formats_for, plan_outputs
from medgan.synthesis.outputs import write_outputs
from medgan.synthesis.synthesizer import Synthesizer, Synthetic


@dataclass(frozen=True, eq=False)
class Input:
    """One scan to synthesise: a path as given (maybe a zip archive), or one of the scans found below it."""

    name: str
    scan: Path | Found


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What became of one input: files and the synthetic scan, or why there are none.

    Attributes:
        name: the input's.
        files: images first, sidecar last; a DICOM series is its folder.
        synthetic: the scan; None where there is an error, or the files were there already.
        error: why the input was refused.
        kept: the files were there already, complete.
    """

    name: str
    files: tuple[Path, ...] = ()
    synthetic: Synthetic | None = None
    error: MedganError | None = None
    kept: bool = False


def find_inputs(paths: Sequence[Path], *, series: str | None) -> list[Input]:
    """The scans that the paths hold, in order.

    A folder of NIfTI files or pictures gives one input each. A folder of DICOM gives one: the only MR series in
    it, or the one that `series` names; reading refuses a folder where that is not clear.
    """
    inputs: list[Input] = []
    for path in paths:
        if not _is_folder(path):
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
        if dicom := [one for one in found if one.series is not None]:
            try:
                inputs.append(Input(path.name, choose_among(path, dicom, series)))
            except SeriesChoiceError:
                inputs.append(Input(path.name, path))  # as above
    return inputs


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder above that may not be entered: reading refuses it
        return False


def synthesize_each(
    inputs: Sequence[Input],
    synthesizer: Synthesizer,
    destination: Destination,
    *,
    reading: Reading | None = None,
    resume: bool = False,
) -> Iterator[Result]:
    """Read, synthesise and write each input; yields as each is done.

    Args:
        inputs: of `find_inputs`; an archive may give several results.
        synthesizer: the model and its direction.
        destination: where results go, and as what.
        reading: which image of several, and how.
        resume: keep results that are complete, unchanged, and of this input, model and version.

    Raises:
        UsageError: the destination is for one input, and there are several.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
    """
    reading = reading or Reading()
    work = _Work(synthesizer, destination, reading, resume, taken={})
    _refuse_several(inputs, destination)
    exact = formats_for("nifti", destination.wanted, destination.out)[1]
    remove_leftovers(destination.out.parent if exact else destination.out)
    for one in inputs:
        try:
            origin = one.scan if isinstance(one.scan, Path) else one.scan.path
            with as_folder(origin) as place:
                archived = place != origin
                members = find_inputs([place], series=reading.series) if archived else [one]
                _refuse_several(members, destination)
                for member in members:
                    result = work.result(member, place=place, origin=origin)
                    if archived and result.error is not None:
                        name_in_archive(result.error, folder=place, archive=origin)
                    yield result
        except (InputRefusedError, UsageError) as error:  # of an archive
            yield Result(name=one.name, error=error)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for all inputs, and the stems that were given away."""

    synthesizer: Synthesizer
    destination: Destination
    reading: Reading
    resume: bool
    taken: dict[Path, str]

    def result(self, one: Input, *, place: Path, origin: Path) -> Result:
        """One input, from reading to writing; its own errors are kept."""
        try:
            return self._result(one, place, origin)
        except (InputRefusedError, UsageError, ResourceError) as error:
            error.file = error.file or Path(one.name)  # one of many has to be told from the others
            return Result(name=one.name, error=error)

    def _result(self, one: Input, place: Path, origin: Path) -> Result:
        found = choose_scan(one.scan, self.reading)
        plan = self._plan(found, one.name)
        digest = self._digest(found)
        made_by = self.synthesizer.model.digest
        if self.resume and is_complete(plan, model_sha256=made_by, input_sha256=digest):
            return Result(name=one.name, files=plan.files, kept=True)
        scan = read_scan(found, volume=self.reading.volume, nan_to_zero=self.reading.nan_to_zero)
        synthetic = self.synthesizer(scan)
        write_outputs(
            synthetic,
            self.synthesizer,
            plan,
            self.destination,
            series=found.series,
            input_digest=digest,
            origin_digest=origin_digest(
                found,
                self.reading,
                place=place,
                origin=origin,
                deidentified=self.destination.deidentifier is not None,
            ),
        )
        return Result(name=one.name, files=plan.files, synthetic=synthetic)

    def _plan(self, found: Found, name: str) -> Plan:
        plan = plan_outputs(
            found.stem,
            found.kind,
            self.destination,
            source_contrast=self.synthesizer.source.key,
            target=self.synthesizer.target.key,
        )
        if plan.sidecar in self.taken:
            raise InputRefusedError(
                f"would be written over the result of {self.taken[plan.sidecar]}: both are called "
                f"{plan.sidecar.stem}",
                file=name,
                remedy="Synthesise it into another folder.",
            )
        self.taken[plan.sidecar] = name
        return plan

    def _digest(self, found: Found) -> str:
        asked: dict[str, object] = {"deidentified": self.destination.deidentifier is not None}
        if self.destination.reference is not None:
            asked["reference"] = self.destination.reference.uid
        try:
            return input_digest(found, self.reading, asked=asked)
        except OSError as error:
            raise InputRefusedError(
                f"cannot be read: {error.strerror or error}", file=found.path, remedy="Check its permissions."
            ) from error


def _refuse_several(inputs: Sequence[Input], destination: Destination) -> None:
    if len(inputs) < 2:
        return
    if formats_for("nifti", destination.wanted, destination.out)[1]:
        raise UsageError(
            f"names one file, and there are {len(inputs)} inputs",
            file=destination.out,
            remedy="Give a folder as --out.",
        )
    if destination.reference is not None:
        raise UsageError(
            f"--reference is the series of one input, and there are {len(inputs)}",
            remedy="Synthesise them one by one, each with its own reference.",
        )
