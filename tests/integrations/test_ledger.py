"""Each scan of a cohort gets one result, whatever becomes of the workers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from medgan.errors import InputRefusedError
from medgan.integrations.ledger import ATTEMPTS, Job, Ledger
from medgan.integrations.protocol import Answer
from medgan.scans import Found
from medgan.synthesis import Destination, Input, Result, Terms
from medgan.synthesis.naming import Called, Nameable

TERMS = Terms(destination=Destination(out=Path("out")), target="t2")


def scan(stem: str) -> Input:
    return Input(f"{stem}.nii.gz", Found(Path(f"{stem}.nii.gz"), "nifti", stem))


def archive(stem: str) -> Input:
    return Input(f"{stem}.zip", Path(f"{stem}.zip"))


def holds(*stems: str, within: str = "") -> Answer:
    """What looking at an archive gives."""
    return Answer(
        looked=tuple(Nameable(called=Called(stem=stem), kind="nifti", archive=within) for stem in stems)
    )


def made(job: Job) -> Answer:
    """What making gives: a result for each name that is asked for."""
    names = job.names or ()
    wanted = [name for number, name in enumerate(names) if job.only in (None, number)]
    return Answer(results=tuple(Result(name=job.one.name, files=one.plan.files) for one in wanted if one))


def stems(job: Job | None) -> list[str]:
    assert job is not None and job.names is not None
    return [name.called.stem for name in job.names if name is not None]


def test_a_scan_gets_its_name_without_being_looked_at() -> None:
    ledger = Ledger([scan("a"), scan("b")], TERMS)
    assert [stems(ledger.next()), stems(ledger.next()), ledger.next()] == [["a"], ["b"], None]
    assert not ledger.done


def test_names_are_given_in_the_order_of_the_inputs_not_of_the_answers() -> None:
    ledger = Ledger([archive("one"), archive("two"), scan("a")], TERMS)
    first, second = ledger.next(), ledger.next()
    assert first is not None and second is not None and first.names is None
    assert ledger.next() is None  # the scan waits, since archives before it may hold one of its name
    ledger.answered(second, holds("a", within="two"))
    assert ledger.next() is None
    ledger.answered(first, holds("a", "b", within="one"))
    assert [stems(ledger.next()) for _ in range(3)] == [["a", "b"], ["two_a"], ["a-2"]]


def test_names_that_differ_in_case_alone_are_one() -> None:
    ledger = Ledger([archive("one"), scan("A")], TERMS)
    looking = ledger.next()
    assert looking is not None
    ledger.answered(looking, holds("a"))
    assert [stems(ledger.next()), stems(ledger.next())] == [["a"], ["A-2"]]


def test_an_archive_that_is_refused_holds_up_no_one() -> None:
    ledger = Ledger([archive("one"), scan("a")], TERMS)
    looking = ledger.next()
    assert looking is not None
    ledger.answered(looking, Answer(results=(Result(name="one.zip", error=InputRefusedError("is damaged")),)))
    assert stems(ledger.next()) == ["a"]
    assert [result.name for result in ledger.results()] == ["one.zip"]


def test_what_was_found_to_be_refused_needs_no_worker() -> None:
    ledger = Ledger([replace(scan("a"), refusal=InputRefusedError("is none"))], TERMS)
    assert ledger.next() is None
    (result,) = ledger.results()
    assert result.error is not None and result.error.cause == "is none"
    assert ledger.done


def test_a_scan_that_a_worker_died_over_comes_after_the_others_and_at_last_alone() -> None:
    ledger = Ledger([scan("a"), scan("b"), scan("c")], TERMS)
    job = ledger.next()
    assert job is not None and not ledger.lost(job)
    b, c, again = ledger.next(), ledger.next(), ledger.next()
    assert (stems(b), stems(c), stems(again)) == (["b"], ["c"], ["a"])
    assert b is not None and c is not None and again is not None
    assert not ledger.lost(again)
    ledger.answered(b, made(b))
    assert ledger.next() is None  # c is being made
    ledger.answered(c, made(c))
    last = ledger.next()
    assert last is not None and stems(last) == ["a"]
    assert ledger.lost(last)
    (*_, refused) = ledger.results()
    assert refused.error is not None and refused.error.exit_code == 3
    assert refused.error.file == Path("a.nii.gz")
    assert ledger.done


def test_what_the_system_failed_is_tried_again_and_told_in_the_end() -> None:
    ledger = Ledger([scan("a")], TERMS)
    failed = Answer(
        results=(Result(name="a.nii.gz", error=InputRefusedError("cannot be read")),), transient=True
    )
    for attempt in range(ATTEMPTS):
        job = ledger.next()
        assert job is not None and job.failed == attempt
        assert ledger.answered(job, failed) is (attempt == ATTEMPTS - 1)
    assert [result.name for result in ledger.results()] == ["a.nii.gz"]


def test_a_refusal_is_not_tried_again() -> None:
    ledger = Ledger([scan("a")], TERMS)
    job = ledger.next()
    assert job is not None
    ledger.answered(job, Answer(results=(Result(name="a.nii.gz", error=InputRefusedError("is 2D")),)))
    assert ledger.next() is None
    assert len(list(ledger.results())) == 1


@pytest.mark.parametrize("seed", range(30))
def test_each_scan_gets_one_result_and_each_result_a_name_of_its_own(seed: int) -> None:
    chance = random.Random(seed)
    inputs, held = [], {}
    for number in range(chance.randint(1, 60)):
        if chance.random() < 0.3:
            inputs.append(archive(f"z{number}"))
            held[number] = chance.choices("abcde", k=chance.randint(1, 4))
        else:
            inputs.append(scan(f"s{number}"))
    deadly = {number for number in range(len(inputs)) if chance.random() < 0.1}
    ledger, out = Ledger(inputs, TERMS), []
    results: list[Result] = []
    while not ledger.done:
        while len(out) < 5 and (job := ledger.next()) is not None:
            out.append(job)
        results += ledger.results()
        if not out:
            continue
        job = out.pop(chance.randrange(len(out)))
        if chance.random() < 0.1 or (job.number in deadly and job.only in (None, 0) and job.names):
            ledger.lost(job)
        elif job.names is None:
            ledger.answered(job, holds(*dict.fromkeys(held[job.number]), within=f"z{job.number}"))
        else:
            ledger.answered(job, made(job))
        results += ledger.results()
    scans = Counter({one.name: len(set(held.get(number, "a"))) for number, one in enumerate(inputs)})
    told = Counter(result.name for result in results)
    given_up = {result.name for result in results if result.error is not None}
    assert all(told[name] == scans[name] for name in scans if name not in given_up)
    assert all(1 <= told[name] <= scans[name] for name in given_up)
    assert told.keys() == scans.keys()
    sidecars = [str(result.files[-1]).casefold() for result in results if result.files]
    assert len(set(sidecars)) == len(sidecars)
