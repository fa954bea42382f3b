"""Which step of a training becomes the model: the end, or an earlier one that is judged better by a margin."""

from __future__ import annotations

import math
import time
from pathlib import Path

from ignite.engine import Events

from medgan.training.engine import CycleGANTrainer
from medgan.training.judgement import Judge
from medgan.training.state import Kept
from medgan.training.table import Table

MARGIN = 0.1
"""An earlier step is taken only where its score is lower than the end's by this share of it."""
_TIMES = 20  # that a training is judged, at most
_LEAST_STEPS = 100  # between two judgements, each of which costs about as much as two steps
_LEAST_TIME = 100  # times what a judgement took, between two of them where the clock ends the training
_FIRST = 0.1  # of the training, before which there is nothing to judge


class Selection:
    """Judges the generators now and then at full size after the warm-up, and keeps the best of them.

    When depends on the step alone, but where the clock ends the training: a resumed training judges and keeps what
    it would have.

    Args:
        file: the table of all judgements.
    """

    def __init__(self, file: Path) -> None:
        self.table = Table(file)
        self._judge: Judge | None = None
        self._judged = -1
        self._score = math.nan
        self._last, self._cost = -math.inf, 0.0

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine."""
        self.table.drop_after(engine.training.step)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: CycleGANTrainer) -> None:
        """After a step."""
        if self._is_due(engine):
            self.judge(engine)

    def judge(self, engine: CycleGANTrainer) -> None:
        """Judge the generators as they are, and keep them where there were none better."""
        training, started = engine.training, time.monotonic()
        if self._judge is None:
            self._judge = Judge(engine)
            self.table.drop_after(training.step - 1)  # a finished training that is resumed is judged again
        figures = self._judge(engine)
        self._judged, self._score = training.step, figures["score"]
        epoch = training.step / engine.state.epoch_length
        row = {name: f"{value:.6g}" for name, value in figures.items()}
        self.table.append({"epoch": f"{epoch:.6g}", "step": training.step, **row})
        if math.isfinite(self._score) and (training.best is None or self._score < training.best.score):
            tensors = {name: kept.detach().clone() for name, kept in training.generators.state_dict().items()}
            training.best = Kept(training.step, self._score, tensors)
        self._last, self._cost = training.elapsed, time.monotonic() - started

    def choose(self, engine: CycleGANTrainer) -> tuple[Kept | None, str]:
        """What to take as the model when the schedule is over, None for the end, and why, in a sentence."""
        training = engine.training
        if self._judged != training.step:
            self.judge(engine)
        best = training.best
        if best is None or best.step == training.step:
            return None, f"The model is of the end, step {training.step}: no earlier one was judged better."
        scores = f"its score is {best.score:.3f}, that of the end {self._score:.3f}"
        if best.score < (1 - MARGIN) * self._score:
            return best, f"The model is of step {best.step}, not of the end (step {training.step}): {scores}."
        return None, (
            f"The model is of the end, step {training.step}: step {best.step} was not judged better by the margin of "
            f"{MARGIN:.0%} ({scores})."
        )

    def _is_due(self, engine: CycleGANTrainer) -> bool:
        if engine.progress < max(_FIRST, engine.schedule.warmup) or engine.scale > 1:
            return False
        steps, training = engine.schedule.steps, engine.training
        if steps is not None:
            return training.step % max(_LEAST_STEPS, -(-steps // _TIMES)) == 0
        seconds = engine.schedule.seconds or 0.0
        return training.elapsed - self._last >= max(seconds / _TIMES, _LEAST_TIME * self._cost)
