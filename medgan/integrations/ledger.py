"""Which scans of a cohort are to be done, are being done, and are given up. Knows nothing of Dask."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from medgan.errors import InputRefusedError, MedganError, UsageError
from medgan.integrations.protocol import Answer
from medgan.synthesis.inputs import Input
from medgan.synthesis.members import Result, own_name, refused
from medgan.synthesis.naming import Nameable, Named, Names
from medgan.synthesis.terms import Terms

ATTEMPTS = 3
"""Workers that may die over a scan, or fail it for the system's sake, before it is given up."""
_AHEAD = 500
"""Inputs that are looked at before all names of those before them are given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """One input for one worker.

    Attributes:
        number: of the input.
        one: the input.
        names: of its results; None where it is to be looked at, None for each that will be refused.
        only: the number of the one scan that is meant, of several in an archive.
        failed: attempts so far.
    """

    number: int
    one: Input
    names: tuple[Named | None, ...] | None = None
    only: int | None = None
    failed: int = 0


class Ledger:
    """Hands out jobs, takes answers, and gives each scan's result exactly once.

    Names are given in the order of the inputs, as one process would give them, so that a second run gives the same
    ones. Most are known at once. Where they depend on what files hold (archives, results that name no one), a job
    looks first, and the inputs behind it wait for their names.

    Args:
        inputs: of `find_inputs`.
        terms: what is asked.
    """

    def __init__(self, inputs: Sequence[Input], terms: Terms) -> None:
        self._inputs, self._terms = inputs, terms
        self._names = Names(terms)
        self._scouted = self._named = (
            0  # inputs so far: whose scans are known or being looked at; that have names
        )
        self._scans: dict[int, tuple[Nameable | None, ...]] = {}  # known, not named yet
        self._again: deque[Job] = deque()
        self._last: deque[Job] = deque()
        self._results: deque[Result] = deque()
        self._out = 0

    @property
    def done(self) -> bool:
        """Whether every scan has its result, and it was fetched."""
        left = self._out or self._again or self._last or self._results
        return not left and self._named == len(self._inputs)

    def results(self) -> Iterator[Result]:
        """What has become known since the last call."""
        while self._results:
            yield self._results.popleft()

    def next(self) -> Job | None:
        """A job for a worker that is free, or None while there is none.

        What failed once comes after all others. What failed again comes last, and alone: it may want the memory of the
        whole machine.
        """
        job = self._next()
        self._out += job is not None
        return job

    def answered(self, job: Job, answer: Answer) -> bool:
        """Take a worker's answer; gives whether it is the last word on that job."""
        self._out -= 1
        if answer.transient and job.failed + 1 < ATTEMPTS:
            self._retry(job)
            return False
        if answer.looked is not None:
            self._scans[job.number] = answer.looked
        else:
            self._finish(job, answer.results)
        return True

    def lost(self, job: Job) -> bool:
        """Take it that a worker died over a job; gives whether that was the last word on it."""
        self._out -= 1
        members = len(job.names or ())
        if job.failed + 1 < ATTEMPTS:
            self._retry(job)
        elif job.only is None and members > 1:  # one of the scans of an archive is to blame, not all
            self._last += [replace(job, only=number, failed=job.failed + 1) for number in range(members)]
        else:
            self._finish(job, [refused(job.one, _deadly())])
            return True
        return False

    def _next(self) -> Job | None:
        while True:
            if (job := self._named_job()) is not None:
                return job
            if self._scouted == min(len(self._inputs), self._named + _AHEAD):
                return self._failed_job()
            if (job := self._looking_job()) is not None:
                return job

    def _named_job(self) -> Job | None:
        """The next input in order, if its scans are known, with names for their results."""
        while self._named in self._scans:
            number, scans = self._named, self._scans.pop(self._named)
            self._named += 1
            if scans:
                names = tuple(self._name(scan) for scan in scans)
                return Job(number=number, one=self._inputs[number], names=names)
        return None

    def _name(self, scan: Nameable | None) -> Named | None:
        try:
            return None if scan is None else self._names.give(scan)
        except UsageError:  # which the worker will say
            return None

    def _looking_job(self) -> Job | None:
        """The next input, if it has to be looked at."""
        number, one = self._scouted, self._inputs[self._scouted]
        self._scouted += 1
        try:
            scan = own_name(one, self._terms)
        except MedganError as error:
            self._finish(Job(number=number, one=one), [refused(one, error)])
            return None
        if scan is None:
            return Job(number=number, one=one)
        self._scans[number] = (scan,)
        return None

    def _failed_job(self) -> Job | None:
        if self._again:
            return self._again.popleft()
        return self._last.popleft() if self._last and self._out == 0 else None

    def _retry(self, job: Job) -> None:
        again = replace(job, failed=job.failed + 1)
        (self._again if again.failed < ATTEMPTS - 1 else self._last).append(again)

    def _finish(self, job: Job, results: Sequence[Result]) -> None:
        self._results.extend(results)
        if job.names is None:
            self._scans[job.number] = ()  # no name is needed, and none behind it has to wait


def _deadly() -> InputRefusedError:
    return InputRefusedError(
        f"ended {ATTEMPTS} worker processes that took it up: memory ran out, or a library crashed",
        remedy="Try it alone, with neither --dask nor --workers, on a machine with more memory; if it ends that, too, "
        "the file is damaged or there is a fault to report.",
    )
