"""What happens beside the steps: metrics, previews, monitoring, checkpoints, the end."""

from __future__ import annotations

import importlib.util
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from ignite.engine import Events

from medgan.errors import UsageError
from medgan.recipe import TrainingSettings
from medgan.training.checkpoints import save_checkpoint
from medgan.training.engine import STOPPING, CycleGANTrainer
from medgan.training.observer import Observer, Status
from medgan.training.previews import draw_preview, translate_evenly
from medgan.training.table import Table

_AGAIN = 2.0
"""Seconds after which a Ctrl-C to several processes is a second one."""


class Progress:
    """Tells the observer of every step, and ends the training when its schedule does."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: CycleGANTrainer) -> None:
        """After a step."""
        training = engine.training
        self.observer.stepped(
            Status(training.step, engine.schedule.steps, engine.progress, training.elapsed, engine.scale)
        )
        end_when_due(engine)


def end_when_due(engine: CycleGANTrainer) -> None:
    """End the training when its schedule does."""
    if engine.progress >= 1:
        engine.terminate()


class Metrics:
    """Means of each epoch's losses, in a CSV file and in `engine.state.metrics`, whence loggers take them.

    Loggers hear of an epoch from here, since the engine does not count its last one as completed.
    """

    def __init__(self, file: Path, observer: Observer, loggers: Sequence[Any] = ()) -> None:
        self.table, self.observer, self.loggers = Table(file), observer, loggers
        self._values: dict[str, list[float]] = defaultdict(list)

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine; rows of steps that a resumed training repeats are taken out."""
        self.table.drop_after(engine.training.step)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED | Events.TERMINATE, self._close)
        for logger in self.loggers:
            logger.attach(engine)

    def _add(self, engine: CycleGANTrainer) -> None:
        for name, value in engine.state.output.items():
            self._values[name].append(value)

    def _close(self, engine: CycleGANTrainer) -> None:
        if not self._values:
            return
        means = {name: fmean(values) for name, values in self._values.items()}
        self._values.clear()
        engine.state.metrics = means
        training = engine.training
        row = {"epoch": engine.state.epoch, "step": training.step, "seconds": round(training.elapsed, 1)}
        self.table.append(
            {**row, "scale": engine.scale, **{name: f"{value:.6g}" for name, value in means.items()}}
        )
        for logger in self.loggers:
            logger.epoch_completed(engine)
        self.observer.epoch_done(engine.state.epoch, means)

    def close(self) -> None:
        """Let the loggers write out what they hold, and end."""
        for logger in self.loggers:
            logger.close()


class Previews:
    """A picture of both directions, with cycle and identity, after each epoch."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._last = -float("inf")
        self._drawn = -1

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine; before the first step the untrained generators are drawn."""
        if engine.training.step == 0:
            engine.add_event_handler(Events.STARTED, lambda engine: self._draw(engine, "untrained"))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._finish)

    def __call__(self, engine: CycleGANTrainer) -> None:
        """After an epoch."""
        if engine.training.elapsed - self._last >= self.seconds:
            self._draw(engine, f"epoch_{engine.state.epoch:05d}")
            self._last, self._drawn = engine.training.elapsed, engine.training.step

    def _finish(self, engine: CycleGANTrainer) -> None:
        """At the end of the schedule, which terminates the engine before its last epoch counts as completed."""
        if engine.progress >= 1 and engine.training.step != self._drawn:
            self._draw(engine, f"epoch_{engine.state.epoch:05d}")

    def _draw(self, engine: CycleGANTrainer, name: str) -> None:
        made = translate_evenly(engine)
        draw_preview(made, self.folder / f"{name}.png", heading=name.replace("_", " "))


class Checkpoints:
    """Writes the state at the end, and on the way so that little work is ever lost."""

    def __init__(self, folder: Path, *, identity: str, seconds: float, also: Callable[[], None]) -> None:
        self.folder, self.identity, self.seconds, self.also = folder, identity, seconds, also
        self._last = time.monotonic()

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: CycleGANTrainer) -> None:
        """After a step."""
        if time.monotonic() - self._last >= self.seconds:
            self.save(engine)

    def save(self, engine: CycleGANTrainer) -> None:
        """Write a checkpoint, and the model as it is now."""
        training = engine.training
        save_checkpoint(
            self.folder,
            training.tensors(),
            step=training.step,
            elapsed=training.elapsed,
            identity=self.identity,
        )
        self.also()
        self._last = time.monotonic()


@contextmanager
def stopped_by_signals(engine: CycleGANTrainer) -> Iterator[list[str]]:
    """Within, Ctrl-C and SIGTERM end the training after the step in hand; the list then names the signal.

    Of several processes all end after the same step, whichever of them is signalled. A second signal interrupts at
    once; to several processes only a later Ctrl-C does, since launchers pass on to each what all have got already.
    Python allows signal handlers in the main thread alone: elsewhere this does nothing.
    """
    received = engine.received
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    first: list[float] = []

    def stop(number: int, frame: Any) -> None:
        if received:
            again = time.monotonic() - first[0] > _AGAIN and number == signal.SIGINT
            if again or not engine.team.several:
                raise KeyboardInterrupt
            return
        first.append(time.monotonic())
        received.append(signal.Signals(number).name)
        if not engine.team.several:
            engine.terminate()

    def start(engine: CycleGANTrainer) -> None:
        if received and not engine.team.several:  # an engine that starts forgets what it was told before
            engine.terminate()

    engine.add_event_handler(Events.STARTED, start)
    kept = {number: signal.signal(number, stop) for number in (signal.Signals[name] for name in STOPPING)}
    try:
        yield received
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def check_loggers(settings: TrainingSettings) -> None:
    """Raise UsageError where MLflow is asked for and not installed."""
    if settings.mlflow and importlib.util.find_spec("mlflow") is None:
        raise UsageError(
            "training.mlflow needs MLflow", remedy="Install it with `pip install medgan[mlflow]`."
        )


def optional_loggers(run: Path, settings: TrainingSettings) -> list[Any]:
    """MONAI's handlers that write the epochs' metrics for TensorBoard (where it is installed) and MLflow.

    They are told of epochs by `Metrics`, and have to be closed.
    """
    handlers: list[Any] = []
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is not None:
        from monai.handlers import TensorBoardStatsHandler

        handlers.append(
            TensorBoardStatsHandler(
                log_dir=str(run / "tensorboard"),
                iteration_log=False,
                epoch_log=False,
                global_epoch_transform=lambda epoch: epoch,
            )
        )
    if settings.mlflow:
        from monai.handlers import MLFlowHandler

        place = (run / "mlflow").resolve()
        place.mkdir(exist_ok=True)
        tracking = f"sqlite:///{(place / 'mlflow.db').as_posix()}"  # MLflow writes no plain files any more
        handlers.append(
            MLFlowHandler(
                tracking_uri=tracking,
                iteration_log=False,
                epoch_log=False,
                output_transform=lambda output: None,
            )
        )
    return handlers
