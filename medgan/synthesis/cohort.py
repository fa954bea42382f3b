"""Many inputs, one model: each is read, synthesised and written before the next; a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.devices import memory_errors
from medgan.errors import (
    InputRefusedError,
    MedganError,
    ModelRefusedError,
    OutputNotWrittenError,
    ResourceError,
    UsageError,
)
from medgan.files import remove_leftovers
from medgan.scans import Found, read_scan
from medgan.scans.reading import Reading, as_folder, choose_scan, name_in_archive
from medgan.synthesis.completed import checksums, contents_digest, input_digest, is_complete, origin_digest
from medgan.synthesis.destination import Destination, Plan, plan_outputs
from medgan.synthesis.inputs import Input, find_inputs
from medgan.synthesis.naming import Called, call, named_after
from medgan.synthesis.outputs import Digests, spare_what_is_there, write_outputs
from medgan.synthesis.references import compare_with_reference
from medgan.synthesis.synthesizer import MEMORY_REMEDY, Synthesizer, Synthetic


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
        ModelRefusedError: the model cannot be loaded.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
    """
    reading = reading or Reading()
    work = _Work(synthesizer, destination, reading, resume, taken=set())
    _refuse_several(inputs, destination)
    remove_leftovers(destination.out.parent if destination.is_file else destination.out)
    for one in inputs:
        try:
            with as_folder(one.path) as place:
                archived = place != one.path
                members = find_inputs([place], series=reading.series) if archived else [one]
                _refuse_several(members, destination)
                for member in members:
                    result = work.result(member, place=place, origin=one.path)
                    if archived and result.error is not None:
                        name_in_archive(result.error, folder=place, archive=one.path)
                    yield result
        except (InputRefusedError, UsageError) as error:  # of an archive
            yield Result(name=one.name, error=error)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for all inputs, and the results that were planned."""

    synthesizer: Synthesizer
    destination: Destination
    reading: Reading
    resume: bool
    taken: set[str]

    def result(self, one: Input, *, place: Path, origin: Path) -> Result:
        """One input, from reading to writing; its own errors are kept."""
        try:
            with memory_errors(MEMORY_REMEDY):
                return self._result(one, place, origin)
        except (InputRefusedError, UsageError, ResourceError, ModelRefusedError) as error:
            if isinstance(error, ModelRefusedError) and not self.synthesizer.is_loaded:
                raise  # no input would fare better
            error.file = error.file or Path(one.name)  # one of many has to be told from the others
            return Result(name=one.name, error=error)

    def _result(self, one: Input, place: Path, origin: Path) -> Result:
        if one.refusal is not None:
            raise one.refusal
        found = choose_scan(one.scan, self.reading)
        files = checksums(found)
        contents = contents_digest(found, files)
        called = call(found, self.destination, contents=contents)
        called, plan = self._plan(found, called, archive=origin if place != origin else None)
        digests = Digests(
            input=input_digest(files, self.reading, asked=self._asked()),
            origin=origin_digest(
                found,
                self.reading,
                place=place,
                origin=origin,
                contents=contents,
                nameless=called.source is not None,
            ),
        )
        made_by = self.synthesizer.model.digest
        if self.resume and is_complete(plan, model_sha256=made_by, input_sha256=digests.input):
            return Result(name=one.name, files=plan.files, kept=True)
        scan = read_scan(found, volume=self.reading.volume, nan_to_zero=self.reading.nan_to_zero)
        try:
            spare_what_is_there(scan.source, plan, digests)
        except OutputNotWrittenError as error:  # in the way of this result alone
            return Result(name=one.name, error=error)
        scan = compare_with_reference(scan, self.destination.reference, force=self.synthesizer.force)
        synthetic = self.synthesizer(scan)
        write_outputs(
            synthetic,
            self.synthesizer,
            plan,
            self.destination,
            series=found.series,
            called=called,
            digests=digests,
        )
        return Result(name=one.name, files=plan.files, synthetic=synthetic)

    def _plan(self, found: Found, called: Called, *, archive: Path | None) -> tuple[Called, Plan]:
        """The files of a result, under a name that no other result of this command has."""
        for other in named_after(called, found, archive=archive):
            plan = plan_outputs(
                other.stem,
                found.kind,
                self.destination,
                source_contrast=self.synthesizer.source.key,
                target=self.synthesizer.target.key,
                maps=self.synthesizer.calibration is not None,
            )
            key = str(plan.sidecar).casefold()
            if key not in self.taken or self.destination.is_file:
                break
        self.taken.add(key)
        return other, plan

    def _asked(self) -> dict[str, object]:
        asked: dict[str, object] = {"deidentified": self.destination.deidentifier is not None}
        if self.destination.reference is not None:
            asked["reference"] = self.destination.reference.uid
        return asked


def _refuse_several(inputs: Sequence[Input], destination: Destination) -> None:
    if len(inputs) < 2:
        return
    if destination.is_file:
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
