"""Several scans at once in one process: while one is read or written, the networks work on others.

One thread at a time reads or writes, in the order of the inputs: so names are given in that order, and what the
libraries for files keep for the whole process (warnings, checks) is touched by one alone. Preparing, the networks and
the way back run side by side, each on its share of the cores: most of them are many short steps, which one scan alone
does not spread over the cores. Where memory is short, a scan that was read waits until another one is made.
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

from medgan.memory import free_memory
from medgan.synthesis.inputs import Input
from medgan.synthesis.members import ALONE, Beside, Result

Make = Callable[[Input, Beside], Iterator[Result]]

_CORES_EACH, _MOST = 2, 4
_ON_GPU = 3
_BYTES_A_VOXEL = 80
"""Taken while a scan is made: measured 62 of a head of 7 million voxels, and more where it is resampled."""


def at_once(device: torch.device, inputs: int) -> int:
    """How many scans to have in hand at once.

    Args:
        device: of the networks.
        inputs: how many there are.
    """
    threads = torch.get_num_threads()
    on_cpu = max(min(threads, 2), min(threads // _CORES_EACH, _MOST))
    return min({"cpu": on_cpu, "cuda": _ON_GPU}.get(device.type, 1), inputs)


def overlapped(inputs: Sequence[Input], make: Make, *, count: int) -> Iterator[Result]:
    """The results in the order of the inputs, of which up to `count` are in hand at a time.

    Args:
        inputs: of `find_inputs`; an archive, which may hold many scans, is worked on by itself.
        make: gives the results of an input.
        count: threads.

    Raises:
        MedganError: what `make` raises.
    """
    if count < 2:
        for one in inputs:
            yield from make(one, ALONE)
        return
    turns, threads = _Turns(free_memory()), torch.get_num_threads()
    share = max(1, threads // count)
    begun: collections.deque[Future[list[Result]]] = collections.deque()
    pool = ThreadPoolExecutor(count, "scan", initializer=torch.set_num_threads, initargs=(share,))
    try:
        for number, one in enumerate(inputs):
            if isinstance(one.scan, Path):
                while begun:
                    yield from begun.popleft().result()
                torch.set_num_threads(threads)
                yield from make(one, turns.of(number))
                turns.over(number)
                continue
            if len(begun) == count:
                yield from begun.popleft().result()
            begun.append(pool.submit(_made, one, make, turns, number))
        while begun:
            yield from begun.popleft().result()
    finally:
        turns.stop()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _made(one: Input, make: Make, turns: _Turns, number: int) -> list[Result]:
    try:
        return list(make(one, turns.of(number)))
    finally:
        turns.over(number)


class _Turns:
    """Who may read: each in its turn, and nobody while another reads or writes."""

    def __init__(self, memory: int | None) -> None:
        self._files = threading.Lock()
        self._next, self._changed, self._stopped = 0, threading.Condition(), False
        self._memory, self._taken = memory, 0

    def of(self, number: int) -> Beside:
        """What a thread holds on to while it reads or writes."""
        return _Turn(self, number)

    def over(self, number: int) -> None:
        """Let the next one read; once said, it stays said."""
        with self._changed:
            self._next = max(self._next, number + 1)
            self._changed.notify_all()

    @contextlib.contextmanager
    def reading(self, number: int) -> Iterator[None]:
        """Wait for those before, and for the files."""
        with self._changed:
            self._changed.wait_for(lambda: self._next >= number)
        with self._files:
            try:
                self.check()
                yield
            finally:
                self.over(number)

    @contextlib.contextmanager
    def making(self, voxels: int) -> Iterator[None]:
        """Wait until there is memory for it, or nobody else is making anything."""
        needed = _BYTES_A_VOXEL * voxels
        with self._changed:
            self._changed.wait_for(
                lambda: not self._taken or self._memory is None or self._taken + needed <= self._memory
            )
            self._taken += needed
        try:
            self.check()
            yield
        finally:
            with self._changed:
                self._taken -= needed
                self._changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Wait for the files."""
        with self._files:
            self.check()
            yield

    def stop(self) -> None:
        """Let what is in hand end where it can, unwritten: on an interruption, or where nothing is in hand."""
        self._stopped = True

    def check(self) -> None:
        """End this thread's work if it is to stop."""
        if self._stopped:
            raise _StoppedError


class _StoppedError(Exception):
    """Ends a thread whose result nobody waits for."""


class _Turn(Beside):
    def __init__(self, turns: _Turns, number: int) -> None:
        self._turns, self._number = turns, number

    def reading(self) -> contextlib.AbstractContextManager[object]:
        return self._turns.reading(self._number)

    def making(self, voxels: int) -> contextlib.AbstractContextManager[object]:
        return self._turns.making(voxels)

    def writing(self) -> contextlib.AbstractContextManager[object]:
        return self._turns.writing()

    def advanced(self, done: int, total: int) -> None:
        self._turns.check()
