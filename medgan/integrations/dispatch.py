"""The scans of a cohort on the workers of a Dask cluster, one at a time on each.

Each job is bound to one worker that has nothing else to do. So it is known which scan a worker died over, the memory
of a worker is that of one scan, and Dask never starts a scan again by itself.
"""

from __future__ import annotations

import asyncio
import pickle
import queue
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import replace
from typing import Any

from medgan import __version__
from medgan.errors import MedganError, ResourceError, UsageError
from medgan.integrations import worker
from medgan.integrations.ledger import Job, Ledger
from medgan.integrations.protocol import Answer, Greeting, Parcel, Welcome, as_given, packed
from medgan.synthesis.members import Result
from medgan.synthesis.terms import Terms

_MUSTER_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_FETCH_SECONDS = 30
_FETCHERS = 8
_ANSWER_SECONDS = 30.0
"""Since the first worker was ready, for the others to answer, who may be at somebody else's work."""
_STILLBORN = 6
"""Workers that may end, one after the other, before any of them has begun."""


class Dispatch:
    """Hands the jobs of a ledger to whatever workers there are, and gives results as they come.

    Args:
        client: of Dask, connected.
        ledger: the jobs.
        terms: what is asked.
        greeting: what a worker is asked first.
        say, warn: told what the user should know.
    """

    def __init__(
        self,
        client: Any,
        ledger: Ledger,
        terms: Terms,
        greeting: Greeting,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._ledger, self._terms, self._greeting = client, ledger, terms, greeting
        self._say, self._warn = say, warn
        self._run = secrets.token_hex(4)
        self._number = 0
        self._known: set[str] = set()
        self._idle: list[str] = []
        self._greeted: dict[str, Any] = {}  # future by address
        self._working: dict[str, tuple[Job, Any]] = {}
        self._arrived: queue.SimpleQueue[tuple[str, Any, Any]] = queue.SimpleQueue()
        self._fetchers = futures.ThreadPoolExecutor(_FETCHERS, thread_name_prefix="medgan-fetch")
        self._mustered, self._last_seen = 0.0, time.monotonic()
        self._stillborn, self._first_ready = 0, 0.0
        self._begun = self._has_waited = self._has_told_device = False
        self._objection: MedganError | None = None

    def results(self) -> Iterator[Result]:
        """Each scan's result, as it is done.

        Raises:
            UsageError: a worker does not suit the work, and none that does is at work.
            ModelRefusedError: the model cannot be loaded.
            OutputNotWrittenError: the disk refuses, which it would for the next input too.
            ResourceError: the scheduler is gone, or workers end before they begin.
        """
        try:
            while not self._ledger.done:
                self._muster()
                self._hand_out()
                yield from self._ledger.results()
                for address, future, said in self._arrivals():
                    self._take(address, future, said)
                    yield from self._ledger.results()
        finally:
            self._call_off()

    def _muster(self) -> None:
        """Who is there now: new workers are greeted, the scans of those that are gone go to others."""
        if self._mustered and time.monotonic() - self._mustered < _MUSTER_SECONDS:
            return
        present = self._present()
        self._mustered = time.monotonic()
        for address in self._known - present:
            self._gone(address)
        for address in present - self._known:
            self._known.add(address)
            self._greeted[address] = self._send(address, worker.version)
        if self._objection is not None and not (self._idle or self._working or self._greeted):
            raise self._objection  # by all that are left
        if present:
            self._last_seen = self._mustered
        elif self._mustered - self._last_seen > _PATIENCE_SECONDS and not self._has_waited:
            self._has_waited = True
            self._warn("There is no worker; waiting for one.")

    def _present(self) -> set[str]:
        try:
            if self._client.status in ("closed", "closing"):
                raise OSError
            return set(self._client.nthreads())
        except OSError:
            raise ResourceError(
                "the Dask scheduler is gone",
                remedy="Start it again, and give the same command with --resume: what is done is kept.",
            ) from None

    def _gone(self, address: str) -> None:
        self._known.discard(address)
        if address in self._idle:
            self._idle.remove(address)
        if self._greeted.pop(address, None) is not None:
            self._count_stillborn()
        if address in self._working:
            job, future = self._working.pop(address)
            future.cancel()
            self._lose(job)

    def _count_stillborn(self) -> None:
        self._stillborn += 1
        if self._stillborn >= _STILLBORN and not (self._idle or self._working):
            raise ResourceError(
                f"{_STILLBORN} worker processes ended before they had begun",
                remedy="See how much memory a worker has; loading the libraries and the model takes 0.6 GiB.",
            )

    def _hand_out(self) -> None:
        if self._greeted and not self._begun and not self._has_waited_enough():
            return  # all that are there are asked before any of them begins
        while self._idle and (job := self._ledger.next()) is not None:
            address = self._idle.pop()
            parcel = Parcel(
                one=job.one,
                terms=self._terms,
                using=self._greeting.using,
                names=job.names,
                only=job.only,
                again=job.failed > 0,
            )
            self._begun = True
            self._working[address] = job, self._send(address, worker.work, packed(parcel))

    def _has_waited_enough(self) -> bool:
        if not self._idle:
            return False
        self._first_ready = self._first_ready or time.monotonic()
        if time.monotonic() - self._first_ready < _ANSWER_SECONDS:
            return False
        self._warn(f"{len(self._greeted)} workers have not answered yet; the others begin.")
        return True

    def _send(self, address: str, function: Callable[..., Any], *arguments: bytes) -> Any:
        self._number += 1
        future = self._client.submit(
            function,
            *arguments,
            key=f"medgan-{self._run}-{self._number}",  # logs hold keys, so they hold no name
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        future.add_done_callback(lambda done: self._fetch_later(address, done))
        return future

    def _fetch_later(self, address: str, future: Any) -> None:
        try:
            self._fetchers.submit(self._fetch, address, future)
        except RuntimeError:  # called off meanwhile
            return

    def _fetch(self, address: str, future: Any) -> None:
        said: Any
        try:
            said = future.result(timeout=_FETCH_SECONDS)
        except BaseException as error:  # noqa: BLE001 - the worker is gone, or cannot read what it was sent
            said = error
        self._arrived.put((address, future, said))

    def _arrivals(self) -> Iterator[tuple[str, Any, Any]]:
        try:
            yield self._arrived.get(timeout=_MUSTER_SECONDS if self._working or self._greeted else 0.1)
            while True:
                yield self._arrived.get_nowait()
        except queue.Empty:
            return

    def _take(self, address: str, future: Any, said: Any) -> None:
        if self._greeted.get(address) is future:
            del self._greeted[address]
            self._take_welcome(address, said)
        elif address in self._working and self._working[address][1] is future:
            job, _ = self._working.pop(address)
            self._idle.append(address)
            self._take_answer(job, said)

    def _take_welcome(self, address: str, said: Any) -> None:
        if _is_lost(said):
            self._known.discard(address)  # it is gone, or greeted once more
            self._count_stillborn()
            return
        if isinstance(said, str) and said == __version__:
            self._greeted[address] = self._send(address, worker.welcome, packed(self._greeting))
            return
        welcome = _understood(said)
        if welcome.objection is None:
            self._stillborn = 0
            self._idle.append(address)
            if not self._has_told_device:
                self._has_told_device = True
                self._say(f"Device: {welcome.device}")
        elif not self._begun:
            raise welcome.objection
        else:
            self._objection = welcome.objection
            self._warn(f"A worker is left out: {welcome.objection.cause}.")

    def _take_answer(self, job: Job, said: Any) -> None:
        if not isinstance(said, bytes):
            self._lose(job)
            return
        answer: Answer = pickle.loads(said)  # noqa: S301 - of a worker, over Dask's own pickled channel
        out = self._terms.destination
        places = [job.one.path, *([job.one.given] if job.one.given else []), out.out, out.folder]
        answer = replace(answer, results=tuple(as_given(one, places) for one in answer.results))
        if not self._ledger.answered(job, answer):
            return
        if answer.stop is not None:
            raise answer.stop
        if answer.fault:
            raise RuntimeError(f"a fault in medgan, on a worker:\n{answer.fault}")

    def _lose(self, job: Job) -> None:
        if not self._ledger.lost(job):
            self._warn(f"{job.one.name}: the worker that was at it ended; another one will try.")

    def _call_off(self) -> None:
        """Let go of what is not done; a scan that a worker is at is still finished, and found by --resume."""
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        left = [*self._greeted.values(), *(future for _, future in self._working.values())]
        if left and self._client.status == "running":
            self._client.cancel(left, force=True)


def _is_lost(said: Any) -> bool:
    """Whether the worker did not answer, rather than not understand."""
    from distributed import KilledWorker

    lost = (asyncio.CancelledError, futures.CancelledError, asyncio.TimeoutError, OSError, KilledWorker)
    return isinstance(said, lost)


def _understood(said: Any) -> Welcome:
    """What a worker said to a greeting, or that it is not to be understood."""
    if isinstance(said, bytes):
        welcome: Welcome = pickle.loads(said)  # noqa: S301 - as above
        return welcome
    objection: MedganError
    if isinstance(said, str):
        objection = UsageError(
            f"a worker runs medgan {said}, and this is medgan {__version__}",
            remedy="Install the same version everywhere: results tell which one made them.",
        )
    else:
        objection = UsageError(
            f"a worker or the scheduler cannot run medgan ({type(said).__name__})",
            remedy=f"Install `medgan[cluster]` {__version__} for the scheduler and all workers alike.",
        )
    return Welcome(objection=objection)
