"""What is written beside the steps: one row an epoch, none twice, whatever the stage or the interruption."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ignite.engine import Engine, Events

from medgan.training.handlers import Metrics, stopped_by_signals
from medgan.training.observer import Observer
from medgan.training.team import Team


class Recorder(Observer):
    """Remembers the means that it was told."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []

    def epoch_done(self, epoch: int, metrics: Any) -> None:
        self.epochs.append((epoch, dict(metrics)))


def run(file: Path, outputs: list[dict[str, float]], *, length: int, start: int = 0) -> Recorder:
    """An engine whose steps give these losses."""
    training = SimpleNamespace(step=start, elapsed=0.0)

    def step(engine: Engine, number: int) -> dict[str, float]:
        training.step += 1
        return outputs[training.step - 1 - start]

    engine = Engine(step)
    engine.training, engine.scale = training, 1  # type: ignore[attr-defined]
    recorder = Recorder()
    Metrics(file, recorder).attach(engine)  # type: ignore[arg-type]
    epochs = (start + len(outputs)) // length
    engine.load_state_dict({"iteration": start, "epoch_length": length, "max_epochs": epochs})
    engine.run(range(len(outputs)))
    return recorder


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as stream:
        return list(csv.DictReader(stream))


def test_a_row_holds_the_means_of_its_epoch(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    recorder = run(file, [{"loss": float(value)} for value in (1, 2, 3, 10, 20, 30)], length=3)
    assert [row["step"] for row in rows(file)] == ["3", "6"]
    assert [float(row["loss"]) for row in rows(file)] == [2, 20]
    assert recorder.epochs == [(1, {"loss": 2.0}), (2, {"loss": 20.0})]


def test_a_loss_that_only_some_stages_have_keeps_its_own_column(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    both, one = {"early": 4.0, "loss": 1.0}, {"loss": 2.0}
    run(file, [both, both, one, one, {"loss": 3.0, "late": 7.0}, {"loss": 3.0, "late": 7.0}], length=2)
    assert [row["loss"] for row in rows(file)] == ["1", "2", "3"]
    assert [row["early"] for row in rows(file)] == ["4", "", ""]
    assert [row["late"] for row in rows(file)] == ["", "", "7"]


def test_a_loss_of_part_of_an_epoch_is_averaged_over_that_part(tmp_path: Path) -> None:
    run(tmp_path / "metrics.csv", [{"a": 1.0, "early": 4.0}, {"a": 1.0}, {"a": 1.0}, {"a": 1.0}], length=4)
    assert float(rows(tmp_path / "metrics.csv")[0]["early"]) == 4


@pytest.mark.parametrize("damage", ["none", "cut in the last line", "empty file", "blank line"])
def test_a_resumed_training_repeats_no_row(damage: str, tmp_path: Path) -> None:
    """Killed after step 6, with a checkpoint of step 4: rows of later steps are taken out first."""
    file = tmp_path / "metrics.csv"
    run(file, [{"loss": 1.0}] * 6, length=2)
    if damage == "cut in the last line":
        file.write_text(file.read_text()[:-6])
    elif damage == "empty file":
        file.write_text("")
    elif damage == "blank line":
        file.write_text("\n")
    run(file, [{"loss": 2.0}] * 4, length=2, start=4)
    steps = [int(row["step"]) for row in rows(file)]
    assert steps == ([6, 8] if damage in ("empty file", "blank line") else [2, 4, 6, 8])
    assert [float(row["loss"]) for row in rows(file)][-2:] == [2, 2]


def test_a_training_that_is_stopped_in_an_epoch_writes_what_it_has(tmp_path: Path) -> None:
    training = SimpleNamespace(step=0, elapsed=0.0)
    engine = Engine(lambda engine, number: {"loss": float(number)})
    engine.training, engine.scale = training, 1  # type: ignore[attr-defined]

    def count(engine: Engine) -> None:
        training.step += 1
        if training.step == 3:
            engine.terminate()

    engine.add_event_handler(Events.ITERATION_COMPLETED, count)
    Metrics(tmp_path / "metrics.csv", Observer()).attach(engine)  # type: ignore[arg-type]
    engine.run(range(8), max_epochs=1)
    assert [(row["step"], row["loss"]) for row in rows(tmp_path / "metrics.csv")] == [("3", "1")]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.robustness("crash-signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_right_before_the_first_step_is_not_forgotten(number: signal.Signals) -> None:
    engine = Engine(lambda engine, number: None)
    engine.team, engine.received = Team(), []  # type: ignore[attr-defined]
    with stopped_by_signals(engine) as received:  # type: ignore[arg-type]
        os.kill(os.getpid(), number)
        engine.run(range(8), max_epochs=3)
    assert received == [number.name]
    assert engine.state.iteration == 0
