"""Whatever ends a command, and whatever runs beside it: what is there is whole, and what is not can still be made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "pipelines" / "benchmarks"

pytestmark = pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs a system with fork and waitid")


@pytest.fixture(scope="module")
def tools() -> Iterator[Any]:
    """The modules `warm`, `whole` and `crash_soak`."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import crash_soak

        yield crash_soak
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def commands(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Commands in processes of their own, begun in no time."""
    server = tools.Server(tmp_path_factory.mktemp("said"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A short soak, by command."""
    report = tmp_path_factory.mktemp("soak") / "soak.json"
    numbers = ["--training", "3", "--synthesis", "4", "--export", "4", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "crash_soak.py", *numbers, "--json", report],
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.is_file(), done.stderr
    return {row["command"]: row for row in json.loads(report.read_text())}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param("train", 3, marks=pytest.mark.robustness("crash-train", "bad-20")),
        pytest.param("synthesize", 4, marks=pytest.mark.robustness("crash-synthesis", "bad-20")),
        pytest.param("synthesize --format dicom", 4, marks=pytest.mark.robustness("crash-export", "bad-20")),
    ],
)
def test_after_kill_9_all_that_is_there_is_whole_and_the_command_given_again_ends_as_it_would_have(
    command: str, number: int, kills: dict[str, dict[str, Any]]
) -> None:
    row = kills[command]
    assert row["kills"] == number, row
    assert row["failures"] == []


def until(happened: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def train(tools: Any, head_folders: Any) -> Callable[..., list[object]]:
    """Arguments of a training of 16 steps with a checkpoint after each."""

    def call(run: Path) -> list[object]:
        more = ("training.epochs=4", "training.preview_seconds=1000")
        changes = [part for change in (*tools.SETTINGS, *more) for part in ("--set", change)]
        return ["train", *head_folders.arguments, "-o", run, "--device", "cpu", *changes]

    return call


@pytest.fixture
def synthesize(tiny_run: Path, head: Any, tmp_path: Path) -> Callable[..., list[object]]:
    """Arguments to synthesise a cohort of four."""
    for person in range(4):
        head(tmp_path / "cohort" / f"sub-0{person}_T1w.nii.gz", "t1", person)
    return lambda out: [
        *("synthesize", tmp_path / "cohort", "--target", "t2", "--model", tiny_run),
        *("-o", out, "--device", "cpu"),
    ]


@pytest.mark.slow
@pytest.mark.robustness("crash-two-trainings", "bad-20")
def test_a_second_training_on_a_run_folder_is_refused_and_the_first_ends_as_if_alone(
    commands: Any, tools: Any, train: Any, tmp_path: Path
) -> None:
    run, alone = tmp_path / "run", tmp_path / "alone"
    first = commands.start(*train(run))
    until(lambda: (run / "cache").is_dir())
    while_it_prepares = commands.run(*train(run))
    until(lambda: list(run.glob("checkpoints/*.safetensors")))
    anew = commands.run(*train(run))
    resumed = commands.run(*train(run), "--resume")
    assert commands.wait(first).code == 0
    assert (while_it_prepares.code, anew.code, resumed.code) == (2, 2, 2)
    assert "--resume" in anew.said
    assert "another medgan is at work in this folder" in resumed.said
    assert "Traceback" not in while_it_prepares.said + anew.said + resumed.said
    assert tools.whole.problems(run) == []
    assert commands.run(*train(alone)).code == 0
    assert tools.whole.weights(run) == tools.whole.weights(alone)


@pytest.mark.slow
@pytest.mark.robustness("crash-two-syntheses", "bad-20")
def test_two_syntheses_into_one_folder_leave_whole_results(
    commands: Any, tools: Any, synthesize: Any, tmp_path: Path
) -> None:
    assert commands.run(*synthesize(tmp_path / "alone")).code == 0
    for trial in range(3):
        out = tmp_path / f"out{trial}"
        both = [commands.start(*synthesize(out)) for _ in range(2)]
        ended = [commands.wait(pid) for pid in both]
        assert min(one.code for one in ended) == 0, ended
        assert all(one.code in (0, 2, 3) and "Traceback" not in one.said for one in ended), ended
        assert tools.whole.problems(out) == []
        assert tools.whole.images(out) == tools.whole.images(tmp_path / "alone")
        assert not list(out.glob(".medgan-*"))


SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


@pytest.mark.slow
@SIGNALS
@pytest.mark.robustness("crash-signals", "bad-20")
def test_a_training_that_is_interrupted_while_it_prepares_ends_at_once_and_is_begun_again(
    number: signal.Signals, commands: Any, tools: Any, train: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    pid = commands.start(*train(run))
    until(lambda: list(run.glob("cache/*.json")))
    os.kill(pid, number)
    ended = commands.wait(pid)
    assert ended.code == 130, ended.said
    assert "Traceback" not in ended.said
    assert not (run / "run.json").exists()
    assert tools.whole.problems(run) == []
    assert not list(run.rglob(".medgan-*"))
    again = commands.start(*train(run))
    until(lambda: list(run.glob("checkpoints/*.safetensors")))
    os.kill(again, number)
    ended = commands.wait(again)
    assert ended.code == 130
    assert f"stopped by {number.name} after step" in ended.said
    assert tools.whole.problems(run) == []


@pytest.mark.slow
@SIGNALS
@pytest.mark.robustness("crash-signals", "bad-20")
def test_a_synthesis_that_is_interrupted_ends_at_once_and_goes_on_with_resume(
    number: signal.Signals, commands: Any, tools: Any, synthesize: Any, tmp_path: Path
) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    assert commands.run(*synthesize(alone)).code == 0
    pid = commands.start(*synthesize(out))
    until(lambda: list(out.glob("sub-*.json")))
    os.kill(pid, number)
    ended = commands.wait(pid)
    assert ended.code == 130, ended.said
    assert "Traceback" not in ended.said
    assert tools.whole.problems(out) == []
    assert not list(out.glob(".medgan-*"))
    before = len(list(out.glob("*.nii.gz")))
    assert 0 < before < 4
    resumed = commands.run(*synthesize(out), "--resume")
    assert resumed.code == 0, resumed.said
    assert "were there already" in resumed.said
    assert tools.whole.images(out) == tools.whole.images(alone)
