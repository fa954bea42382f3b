"""One input of a command, from its path to its results; an archive is one input of several scans.

Names are given apart from the making, by who knows the names of all results: here or in another process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
from medgan.scans import Found, Scan, read_scan
from medgan.scans.reading import as_folder, choose_scan, name_in_archive
from medgan.synthesis.completed import (
    checksums,
    contents_digest,
    is_complete,
    told_warnings,
)
from medgan.synthesis.destination import Destination
from medgan.synthesis.inputs import Input, find_inputs
from medgan.synthesis.naming import Nameable, Named, is_called_by_contents, nameable
from medgan.synthesis.outputs import Digests, spare_what_is_there, write_outputs
from medgan.synthesis.references import compare_with_reference
from medgan.synthesis.stages import digests_of
from medgan.synthesis.synthesizer import MEMORY_REMEDY, Synthesizer, Synthetic
from medgan.synthesis.terms import Terms


class Beside:
    """Who else is at work: nobody. Of several threads, one at a time reads or writes; see `together.py`."""

    def reading(self) -> contextlib.AbstractContextManager[object]:
        """While a scan is found, named and read."""
        return contextlib.nullcontext()

    def making(self, voxels: int) -> contextlib.AbstractContextManager[object]:
        """While a scan of so many voxels is prepared, translated and brought back."""
        return contextlib.nullcontext()

    def writing(self) -> contextlib.AbstractContextManager[object]:
        """While a result is written."""
        return contextlib.nullcontext()

    def advanced(self, done: int, total: int) -> None:
        """So many of so many slices are made."""


ALONE = Beside()

Name = Callable[[int, Nameable], Named]
"""Gives the files of the result of an input's member, by its number there and what decides its name."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What became of one scan: files and the synthetic scan, or why there are none.

    Attributes:
        name: the input's.
        files: images first, sidecar last; a DICOM series is its folder.
        synthetic: the scan; None where there is an error, the files were there already, or another process made it.
        warnings: what a user should know of it.
        error: why the input was refused.
        kept: the files were there already, complete.
    """

    name: str
    files: tuple[Path, ...] = ()
    synthetic: Synthetic | None = None
    warnings: tuple[str, ...] = ()
    error: MedganError | None = None
    kept: bool = False


def own_name(one: Input, terms: Terms) -> Nameable | None:
    """What decides the name of an input's only result, where that can be told without reading its voxels.

    Raises:
        MedganError: it is refused.
    """
    if one.refusal is not None:
        raise one.refusal
    if isinstance(one.scan, Path):
        return None

    found = choose_scan(one.scan, terms.reading)
    if is_called_by_contents(found, terms.destination):
        return None
    return nameable(found, terms.destination, contents=str, archive=None)


def look(one: Input, terms: Terms) -> tuple[Nameable | None, ...]:
    """What decides the names of an input's results, in their order; None for one that will be refused before.

    Raises:
        InputRefusedError: the archive is refused.
        UsageError: as `refuse_several`.
    """
    with _opened(one, terms) as (members, place):
        return tuple(_nameable_or_none(_Member(member, place, one.path), terms) for member in members)


def make(
    one: Input,
    synthesizer: Synthesizer,
    terms: Terms,
    *,
    name: Name,
    only: int | None = None,
    again: bool = False,
    beside: Beside = ALONE,
) -> Iterator[Result]:
    """Read, synthesise and write an input's scans; yields as each is done.

    Args:
        one: an input of `find_inputs`.
        synthesizer: the model and its direction.
        terms: what is asked.
        name: gives the files of each.
        only: the number of the one scan that is meant, of several in an archive.
        again: someone may have begun before: what is complete is not made anew, and told as if it were.
        beside: lets one of several threads at a time read or write.

    Raises:
        ModelRefusedError: the model cannot be loaded.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
    """
    try:
        with _opened(one, terms) as (members, place):
            for number, member in enumerate(members):
                if only not in (None, number):
                    continue
                work = _Work(synthesizer, terms, partial(name, number), again, beside)
                result = work.result(_Member(member, place, one.path))
                if place != one.path and result.error is not None:
                    name_in_archive(result.error, folder=place, archive=one.path)
                yield result
    except (InputRefusedError, UsageError) as error:  # of an archive
        yield Result(name=one.name, error=error)


def refused(one: Input, error: MedganError) -> Result:
    """The result of an input that is refused: one of many has to be told from the others."""
    error.file = error.file or Path(one.name)
    return Result(name=one.name, error=error)


def refuse_several(inputs: Sequence[Input], destination: Destination) -> None:
    """Refuse several inputs where the destination is for one.

    Raises:
        UsageError: it is.
    """
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


@contextlib.contextmanager
def _opened(one: Input, terms: Terms) -> Iterator[tuple[Sequence[Input], Path]]:
    """The scans of an input, and the folder that they lie in while the block lasts; the input itself, mostly."""
    with as_folder(one.path) as place:
        members = find_inputs([place], series=terms.reading.series) if place != one.path else [one]
        refuse_several(members, terms.destination)
        yield members, place


@dataclass(frozen=True, eq=False)
class _Member:
    """A scan of an input: `place` is the folder that an archive was unpacked into, or `origin` itself."""

    scan: Input
    place: Path
    origin: Path

    @property
    def archive(self) -> Path | None:
        return self.origin if self.place != self.origin else None

    def found(self, terms: Terms) -> Found:
        if self.scan.refusal is not None:
            raise self.scan.refusal
        return choose_scan(self.scan.scan, terms.reading)

    def nameable(self, found: Found, terms: Terms, *, contents: Callable[[], str]) -> Nameable:
        return nameable(found, terms.destination, contents=contents, archive=self.archive)


def _nameable_or_none(member: _Member, terms: Terms) -> Nameable | None:
    try:
        found = member.found(terms)
        return member.nameable(found, terms, contents=lambda: contents_digest(found, checksums(found)))
    except (InputRefusedError, UsageError):
        return None


@dataclass(frozen=True, eq=False)
class _Ready:
    """A scan that was read."""

    found: Found
    named: Named
    digests: Digests
    scan: Scan


@dataclass(frozen=True, eq=False)
class _Work:
    """What one scan is made with."""

    synthesizer: Synthesizer
    terms: Terms
    name: Callable[[Nameable], Named]
    again: bool
    beside: Beside

    def result(self, member: _Member) -> Result:
        """One scan, from reading to writing; its own errors are kept."""
        try:
            with memory_errors(MEMORY_REMEDY):
                return self._result(member)
        except (InputRefusedError, UsageError, ResourceError, ModelRefusedError) as error:
            if isinstance(error, ModelRefusedError) and not self.synthesizer.is_loaded:
                raise  # no input would fare better
            return refused(member.scan, error)

    def _result(self, member: _Member) -> Result:
        with self.beside.reading():
            ready = self._ready(member)
        if isinstance(ready, Result):
            return ready
        with self.beside.making(ready.scan.voxels.size):
            synthetic = self.synthesizer(ready.scan, advance=self.beside.advanced)
        with self.beside.writing():
            write_outputs(
                synthetic,
                self.synthesizer,
                ready.named.plan,
                self.terms.destination,
                series=ready.found.series,
                called=ready.named.called,
                digests=ready.digests,
            )
        name, files = member.scan.name, ready.named.plan.files
        return Result(name=name, files=files, synthetic=synthetic, warnings=synthetic.warnings)

    def _ready(self, member: _Member) -> _Ready | Result:
        """A scan that was read, and how its result is called; or the result, where there is nothing to make."""
        one, terms, synthesizer = member.scan, self.terms, self.synthesizer
        found = member.found(terms)
        files = checksums(found)
        contents = contents_digest(found, files)
        named = self.name(member.nameable(found, terms, contents=lambda: contents))
        digests = digests_of(found, terms, files, named, place=member.place, origin=member.origin)
        complete = (terms.resume or self.again) and is_complete(
            named.plan, model_sha256=synthesizer.model.digest, input_sha256=digests.input
        )
        if complete:
            told = () if terms.resume else told_warnings(named.plan)
            return Result(name=one.name, files=named.plan.files, warnings=told, kept=terms.resume)
        scan = read_scan(found, volume=terms.reading.volume, nan_to_zero=terms.reading.nan_to_zero)
        try:
            spare_what_is_there(scan.source, named.plan, digests)
        except OutputNotWrittenError as error:  # in the way of this result alone
            return Result(name=one.name, error=error)
        scan = compare_with_reference(scan, terms.destination.reference, force=synthesizer.force)
        return _Ready(found, named, digests, scan)
