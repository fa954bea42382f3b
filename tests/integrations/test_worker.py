"""What a worker answers; nothing that goes wrong there is raised, since Dask would log it with the arguments."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medgan.errors import InputRefusedError, MedganError, ModelRefusedError, ResourceError, UsageError
from medgan.files import marked
from medgan.integrations import worker
from medgan.integrations.protocol import Answer, Greeting, Parcel, Welcome, With, as_given, packed
from medgan.synthesis import Destination, Input, Result, Terms, find_inputs
from medgan.synthesis.naming import Names


@pytest.fixture
def using(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> With:
    """The tiny model, in a process that is no worker of Dask's."""
    pytest.importorskip("distributed", reason="Dask is not installed (medgan[cluster])")
    from medgan.models import load_model

    monkeypatch.setattr(worker, "_device_of_worker", lambda asked: asked)
    worker._synthesizer.cache_clear()
    return With(
        model=str(tiny_run), digest=load_model(tiny_run).digest, target="t2", device="cpu", force=False,
        uncertainty=False, threads=1,
    )  # fmt: skip


@pytest.fixture
def scan(head: Callable[..., Path], tmp_path: Path) -> Path:
    """A head."""
    return head(tmp_path / "in" / "a.nii.gz", "t1", 1)


def welcomed(greeting: Greeting) -> Welcome:
    welcome: Welcome = pickle.loads(worker.welcome(packed(greeting)))  # noqa: S301
    return welcome


def worked(parcel: Parcel) -> Answer:
    answer: Answer = pickle.loads(worker.work(packed(parcel)))  # noqa: S301
    return answer


def parcel(using: With, scan: Path, out: Path, *, named: bool = True) -> Parcel:
    terms = Terms(destination=Destination(out=out), target="t2")
    (one,) = find_inputs([scan], series=None)
    names = None
    if named:
        from medgan.synthesis.members import own_name

        known = own_name(one, terms)
        assert known is not None
        names = (Names(terms).give(known),)
    return Parcel(one=one, terms=terms, using=using, names=names, only=None, again=False)


def test_a_worker_that_sees_what_the_command_sees_is_taken(using: With, scan: Path, tmp_path: Path) -> None:
    with marked(tmp_path / "out") as mark:
        said = welcomed(Greeting(using=using, mark=mark, seen=((scan, scan.stat().st_size),)))
    assert said.objection is None
    assert said.device.startswith("cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "error", "cause"),
    [
        (lambda asked, away: replace(asked, mark=away), UsageError, "folder of the results"),
        (lambda asked, away: replace(asked, seen=((away, 1),)), UsageError, "an input is not there"),
        (lambda asked, away: replace(asked, seen=((asked.seen[0][0], 1),)), UsageError, "or is another one"),
        (
            lambda asked, away: replace(asked, using=replace(asked.using, digest="0" * 64)),
            ModelRefusedError,
            "another model",
        ),
        (
            lambda asked, away: replace(asked, using=replace(asked.using, model=str(away))),
            ModelRefusedError,
            "no such",
        ),
        (
            lambda asked, away: replace(asked, using=replace(asked.using, device="cuda:77")),
            ResourceError,
            "cuda:77",
        ),
    ],
)
def test_a_worker_on_another_file_system_or_with_another_model_objects(
    change: Any, error: type[MedganError], cause: str, using: With, scan: Path, tmp_path: Path
) -> None:
    with marked(tmp_path / "out") as mark:
        asked = Greeting(using=using, mark=mark, seen=((scan, scan.stat().st_size),))
        said = welcomed(change(asked, tmp_path / "away"))
    assert isinstance(said.objection, error)
    assert cause in str(said.objection)


def test_an_answer_holds_no_voxels(using: With, scan: Path, tmp_path: Path) -> None:
    scan = scan.rename(scan.with_name("a_T2w.nii.gz"))
    asked = parcel(using, scan, tmp_path / "out")
    said = worker.work(packed(asked))
    (result,) = pickle.loads(said).results  # noqa: S301
    assert [file.is_file() for file in result.files] == [True, True]
    assert result.synthetic is None
    assert "looks like T2w already" in result.warnings[0]
    assert len(said) < 4000 < scan.stat().st_size


def test_what_another_worker_had_written_is_told_and_not_made_again(
    using: With, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan.rename(scan.with_name("a_T2w.nii.gz"))
    asked = parcel(using, scan, tmp_path / "out")
    first = worked(asked)
    monkeypatch.setattr("medgan.synthesis.members.read_scan", None)
    again = worked(replace(asked, again=True))
    assert first.results[0].warnings
    assert [(one.files, one.warnings, one.kept) for one in again.results] == [
        (one.files, one.warnings, False) for one in first.results
    ]


def test_a_scan_that_is_not_what_was_named_is_refused(using: With, scan: Path, tmp_path: Path) -> None:
    asked = parcel(using, scan, tmp_path / "out")
    assert asked.names is not None and asked.names[0] is not None
    other = replace(asked.names[0], scan=replace(asked.names[0].scan, kind="picture"))
    (result,) = worked(replace(asked, names=(other,))).results
    assert result.error is not None and "has changed" in result.error.cause
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("number", "transient"),
    [(errno.ESTALE, True), (errno.EIO, True), (errno.EACCES, False), (errno.ENOENT, False)],
)
def test_failures_of_the_system_are_told_from_those_of_the_scan(
    number: int, transient: bool, using: With, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path) -> str:
        raise OSError(number, "failed", str(path))

    asked = parcel(using, scan, tmp_path / "out")
    monkeypatch.setattr("medgan.synthesis.completed.sha256", fails)
    said = worked(asked)
    assert said.transient is transient
    assert isinstance(said.results[0].error, InputRefusedError)


def test_a_full_disk_stops_the_others(
    using: With, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medgan.files._synchronise", full)
    said = worked(parcel(using, scan, tmp_path / "out"))
    assert said.stop is not None and said.stop.exit_code == 5
    assert not said.transient


def test_a_fault_is_an_answer_with_its_traceback(
    using: With, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medgan.synthesis.members.read_scan", None)
    said = worked(parcel(using, scan, tmp_path / "out"))
    assert "NoneType" in said.fault
    assert not said.transient


def test_what_is_sent_holds_no_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sent = pickle.loads(packed({"deep": [Input("a", Path("in/a.nii.gz"), Path("in"))]}))["deep"][0]  # noqa: S301
    assert (sent.scan, sent.given) == (tmp_path / "in" / "a.nii.gz", tmp_path / "in")


def test_what_comes_back_is_told_by_the_paths_that_the_user_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = InputRefusedError("is damaged", file=tmp_path / "in" / "a.nii.gz")
    result = Result(name="a", files=(tmp_path / "b.nii.gz",), error=error)
    given = as_given(result, [Path("in"), Path()])
    assert given.files == (Path("b.nii.gz"),)
    assert given.error is not None and given.error.file == Path("in/a.nii.gz")
