"""The model is of the step that is judged best, if it is better by a margin, however it was reached."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medgan import load_model
from medgan.files import sha256
from medgan.training import Observer, selection, train
from medgan.training.selection import Selection


class Script:
    """A judge that says what it is told to."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.scores = list(scores)

    def __call__(self, engine: Any) -> dict[str, float]:
        return {"score": self.scores.pop(0)}


def judged(folder: Path, scores: Sequence[float]) -> tuple[Any, Selection]:
    """A training whose steps are judged by these scores, the last at its end; weights are the number of the step."""
    generators = torch.nn.ModuleDict({"t2": torch.nn.Linear(1, 1)})
    training = SimpleNamespace(step=0, elapsed=0.0, best=None, generators=generators)
    engine: Any = SimpleNamespace(training=training, state=SimpleNamespace(epoch_length=100))
    chooser = Selection(folder / "judgements.csv")
    chooser._judge = Script(scores)  # type: ignore[assignment]
    for number in range(1, len(scores) + 1):
        training.step = 100 * number
        torch.nn.init.constant_(generators["t2"].weight, number)
        if number < len(scores):
            chooser.judge(engine)
    return engine, chooser


def test_the_best_step_is_taken_where_it_is_better_by_the_margin(tmp_path: Path) -> None:
    engine, chooser = judged(tmp_path, [0.5, 0.3, 0.4, 0.6])
    kept, why = chooser.choose(engine)
    assert kept is not None
    assert kept.step == 200
    assert float(kept.tensors["t2.weight"]) == 2, "the weights of that step, not of the end"
    assert (
        why
        == "The model is of step 200, not of the end (step 400): its score is 0.300, that of the end 0.600."
    )


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([0.5, 0.57, 0.55], "was not judged better by the margin of 10% (its score is 0.500, that of the end 0.550)"),
        ([0.5, 0.4, 0.3], "no earlier one was judged better"),
        ([0.5], "no earlier one was judged better"),
        ([math.nan, 0.5], "no earlier one was judged better"),
        ([math.nan], "no earlier one was judged better"),
    ],
)  # fmt: skip
def test_otherwise_it_is_the_end(scores: list[float], why: str, tmp_path: Path) -> None:
    engine, chooser = judged(tmp_path, scores)
    kept, said = chooser.choose(engine)
    assert kept is None
    assert f"of the end, step {100 * len(scores)}: " in said
    assert why in said


def test_what_cannot_be_judged_is_never_taken_and_hides_nothing(tmp_path: Path) -> None:
    engine, chooser = judged(tmp_path, [math.nan, 0.3, math.nan, 0.6])
    kept, _ = chooser.choose(engine)
    assert kept is not None
    assert kept.step == 200


@pytest.mark.parametrize(
    ("steps", "due"),
    [(3000, list(range(900, 3001, 150))), (1000, list(range(300, 1001, 100))), (50, [])],
)
def test_it_is_judged_at_steps_alone_after_the_warm_up_at_full_size(
    steps: int, due: list[int], tmp_path: Path
) -> None:
    chooser, found = Selection(tmp_path / "judgements.csv"), []
    schedule = SimpleNamespace(steps=steps, seconds=None, warmup=0.25)
    for step in range(1, steps + 1):
        engine: Any = SimpleNamespace(
            training=SimpleNamespace(step=step, elapsed=float(step)),
            schedule=schedule,
            progress=step / steps,
            scale=2 if step / steps < 0.27 else 1,
        )
        if chooser._is_due(engine):
            found.append(step)
    assert found == due


def test_under_the_clock_it_costs_at_most_a_hundredth(tmp_path: Path) -> None:
    chooser, judged_at = Selection(tmp_path / "judgements.csv"), []
    schedule = SimpleNamespace(steps=None, seconds=600.0, warmup=0.0)
    for second in range(1, 601):
        training = SimpleNamespace(step=second, elapsed=float(second))
        engine: Any = SimpleNamespace(training=training, schedule=schedule, progress=second / 600, scale=1)
        if chooser._is_due(engine):
            judged_at.append(second)
            chooser._last, chooser._cost = float(second), 0.5
    assert judged_at == list(range(60, 601, 50))


class PowerCutError(Exception):
    """The end of the process, as far as the training can tell."""


class Cut(Observer):
    """Cuts the power after a step, and remembers what was chosen."""

    def __init__(self, step: int = -1) -> None:
        self.step, self.chosen = step, ""

    def stepped(self, status: Any) -> None:
        if status.step == self.step:
            raise PowerCutError

    def chose(self, text: str) -> None:
        self.chosen = text


def outcome(run: Path) -> dict[str, Any]:
    files = sorted((run / "model").glob("*.safetensors"))
    assert len(files) == 2
    return {file.name: sha256(file) for file in files} | {
        "judgements": (run / "judgements.csv").read_text(),
        "run": json.loads((run / "run.json").read_text()),
    }


def test_a_training_that_was_cut_keeps_and_takes_the_same_step(
    tiny: Any, tiny_run: Path, head_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged after each step of full size; without a margin the best of them is taken."""
    monkeypatch.setattr(selection, "_LEAST_STEPS", 1)
    monkeypatch.setattr(selection, "MARGIN", 0.0)
    more = ("training.checkpoint_seconds=0", "training.steps_per_epoch=6", "optimiser.learning_rate=0.02")
    settings = [*tiny, *more]
    told: dict[str, Any] = {"changes": settings, "device": "cpu", "init": "none"}
    observer = Cut()
    train(head_folders.t1, head_folders.t2, out=tmp_path / "whole", **told, observer=observer)
    whole = outcome(tmp_path / "whole")
    assert whole["run"]["model"]["why"] == observer.chosen
    step = whole["run"]["model"]["step"]
    assert load_model(tmp_path / "whole").manifest.training.steps == step
    run = tmp_path / "cut"
    for number, cut in enumerate((5, 9, 12)):
        with pytest.raises(PowerCutError):
            train(head_folders.t1, head_folders.t2, out=run, **told, resume=number > 0, observer=Cut(cut))
    train(head_folders.t1, head_folders.t2, out=run, **told, resume=True)
    assert outcome(run) == whole
    train(head_folders.t1, head_folders.t2, out=run, device="cpu", resume=True)
    assert outcome(run) == whole, "a finished training is judged to the same end"
