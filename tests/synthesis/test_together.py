"""Several scans in hand at once come out as one after the other: same order, same names, one at the files at a time."""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from medgan.errors import ModelRefusedError
from medgan.models import load_model
from medgan.scans import Found
from medgan.synthesis import Input, Synthesizer, find_inputs, open_destination, synthesize_each
from medgan.synthesis import together as module
from medgan.synthesis.members import Beside, Result
from medgan.synthesis.together import at_once, overlapped


def inputs(count: int, *, archive: int | None = None) -> list[Input]:
    found = [Found(path=Path(f"{n}.nii.gz"), kind="nifti", stem=str(n)) for n in range(count)]
    return [Input(one.stem, Path("a.zip") if number == archive else one) for number, one in enumerate(found)]


class Work:
    """Makes results that take a while, and notes what happens."""

    def __init__(self, seconds: Callable[[int], float] = lambda number: 0.01) -> None:
        self.seconds, self.lock = seconds, threading.Lock()
        self.read: list[str] = []
        self.written: list[str] = []
        self.at_files = self.most_at_files = self.making = self.most_making = 0
        self.beside_archive = 0

    def __call__(self, one: Input, beside: Beside) -> Iterator[Result]:
        with beside.reading(), self._at_files():
            self.read.append(one.name)
            time.sleep(0.002)
        with self.lock:
            self.making += 1
            self.most_making = max(self.most_making, self.making)
            if isinstance(one.scan, Path):
                self.beside_archive = self.making - 1
        time.sleep(self.seconds(int(one.name)))
        beside.advanced(1, 1)
        with self.lock:
            self.making -= 1
        with beside.writing(), self._at_files():
            self.written.append(one.name)
            time.sleep(0.002)
        yield Result(name=one.name)

    def _at_files(self) -> Any:
        work = self

        class Held:
            def __enter__(self) -> None:
                with work.lock:
                    work.at_files += 1
                    work.most_at_files = max(work.most_at_files, work.at_files)

            def __exit__(self, *error: object) -> None:
                with work.lock:
                    work.at_files -= 1

        return Held()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_and_scans_are_read_in_order_and_one_at_a_time_is_at_the_files(count: int) -> None:
    work = Work(lambda number: 0.15 if number % 2 == 0 else 0.1)
    names = [result.name for result in overlapped(inputs(7), work, count=count)]
    assert names == work.read == [str(number) for number in range(7)]
    assert sorted(work.written) == names
    assert work.most_at_files == 1
    assert work.most_making == count


def test_an_archive_is_worked_on_alone_and_in_its_turn() -> None:
    work = Work()
    names = [result.name for result in overlapped(inputs(6, archive=3), work, count=3)]
    assert names == work.read == [str(number) for number in range(6)]
    assert work.beside_archive == 0


def test_a_scan_that_fails_before_it_is_read_does_not_hold_up_the_others() -> None:
    work = Work()

    def make(one: Input, beside: Beside) -> Iterator[Result]:
        if one.name == "1":
            yield Result(name="1")
            return
        yield from work(one, beside)

    assert [result.name for result in overlapped(inputs(4), make, count=2)] == ["0", "1", "2", "3"]


def test_an_error_that_concerns_all_ends_the_cohort_and_nothing_is_written_after_it() -> None:
    work = Work(lambda number: 0.2 if number else 0.0)

    def make(one: Input, beside: Beside) -> Iterator[Result]:
        if one.name == "0":
            with beside.reading():
                raise ModelRefusedError("is damaged")
        yield from work(one, beside)

    with pytest.raises(ModelRefusedError):
        list(overlapped(inputs(9), make, count=2))
    assert work.written == [] and len(work.read) <= 1


def test_who_stops_listening_gets_nothing_more_written_and_the_threads_back() -> None:
    work, before = Work(lambda number: 0.1), torch.get_num_threads()
    results = overlapped(inputs(9), work, count=3)
    assert next(results).name == "0"
    results.close()  # type: ignore[attr-defined]
    written = list(work.written)
    time.sleep(0.3)
    assert work.written == written and len(written) <= 3
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("memory", "most"), [(100_000, 1), (250_000, 3), (10, 1), (None, 3)])
def test_where_memory_is_short_fewer_are_made_at_a_time(
    memory: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: memory)
    making, seen, lock = [0], [0], threading.Lock()

    def make(one: Input, beside: Beside) -> Iterator[Result]:
        with beside.reading():
            pass
        with beside.making(1000):
            with lock:
                making[0] += 1
                seen[0] = max(seen[0], making[0])
            time.sleep(0.05)
            with lock:
                making[0] -= 1
        yield Result(name=one.name)

    assert len(list(overlapped(inputs(6), make, count=3))) == 6
    assert seen[0] == most


@pytest.mark.parametrize(
    ("threads", "inputs", "device", "count"),
    [
        (1, 9, "cpu", 1),
        (2, 9, "cpu", 2),
        (4, 9, "cpu", 2),
        (6, 9, "cpu", 3),
        (64, 9, "cpu", 4),
        (64, 1, "cpu", 1),
        (8, 9, "cuda", 3),
        (8, 9, "mps", 1),
    ],
)
def test_so_many_at_once(
    threads: int, inputs: int, device: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert at_once(torch.device(device), inputs) == count


def test_a_cohort_comes_out_byte_for_byte_as_one_by_one(
    head: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in range(5):
        for site in "ab":  # of one stem, so that their names depend on the order
            head(tmp_path / "cohort" / site / f"sub-{person}_T1w.nii.gz", "t1", person)
    with zipfile.ZipFile(tmp_path / "cohort.zip", "w") as archive:
        archive.write(head(tmp_path / "sub-0_T1w.nii.gz", "t1", 7), "sub-0_T1w.nii.gz")
    given = [tmp_path / "cohort" / "a", tmp_path / "cohort.zip", tmp_path / "cohort" / "b"]
    made = {}
    for count in (1, 3):
        monkeypatch.setattr("medgan.synthesis.cohort.at_once", lambda device, inputs, count=count: count)
        synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")
        with open_destination(tmp_path / f"out{count}") as destination:
            results = list(synthesize_each(find_inputs(given, series=None), synthesizer, destination))
        assert [result.error for result in results] == [None] * 11
        made[count] = {file.name: file.read_bytes() for file in (tmp_path / f"out{count}").iterdir()}
    assert made[1] == made[3] and len(made[1]) == 22


def test_every_thread_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: set[int] = set()

    def make(one: Input, beside: Beside) -> Iterator[Result]:
        shares.add(torch.get_num_threads())
        yield Result(name=one.name)

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        list(module.overlapped(inputs(4), make, count=2))
        assert shares == {2} and torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
