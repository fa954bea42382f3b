"""How a training runs to its end, and what is kept of it: checkpoints, the model, its calibration, the run's page."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from ignite.engine import Events

from medgan.errors import InterruptedByUserError, MedganError, ModelRefusedError, OutputNotWrittenError
from medgan.files import write_json
from medgan.models import History, load_model, save_model
from medgan.training.cases import is_cached
from medgan.training.engine import CycleGANTrainer
from medgan.training.handlers import (
    Checkpoints,
    Metrics,
    Previews,
    Progress,
    end_when_due,
    optional_loggers,
    stopped_by_signals,
)
from medgan.training.plan import Plan
from medgan.training.report import Report
from medgan.training.selection import Selection
from medgan.training.simulated import held_out_heads, held_out_pairs
from medgan.training.state import Kept
from medgan.training.streaming import PairStream
from medgan.training.summary import draw_summary
from medgan.uncertainty import calibrate, keep_calibration

if TYPE_CHECKING:
    from medgan.training.job import Job


def lead(job: Job, trainer: CycleGANTrainer, plan: Plan) -> None:
    """Train to the end or to a signal, and keep what was reached: the first process, which alone writes."""
    checkpoints = Checkpoints(
        job.folder / "checkpoints",
        identity=job.identity,
        seconds=job.recipe.training.checkpoint_seconds,
        also=lambda: _save(job, trainer),
    )
    selection, report = Selection(job.folder / "judgements.csv"), Report(plan, job.observer)
    loggers = optional_loggers(job.folder, job.recipe.training)
    metrics = Metrics(job.folder / "metrics.csv", job.observer, loggers)
    handlers: list[Any] = [
        Progress(job.observer),
        metrics,
        Previews(job.folder / "previews", seconds=job.recipe.training.preview_seconds),
        selection,
        checkpoints,
        report,
    ]
    for handler in handlers:
        handler.attach(trainer)
    with stopped_by_signals(trainer) as received:
        try:
            job.team.wait()  # until the others have read what is written from here on
            trainer.run()
            kept, chosen = (None, "") if received else selection.choose(trainer)
            checkpoints.save(trainer)
        except ModelRefusedError as error:
            report.finish(trainer, ended=f"Ended, since {error.cause}")
            job.team.wait()
            raise
        finally:
            metrics.close()
            if isinstance(job.pairs, PairStream):
                job.pairs.close()
    draw_summary(job.folder)
    if received:
        report.finish(trainer, ended=f"Stopped by {received[0]}, to be gone on with --resume")
        job.team.wait()
        raise _interrupted(job, trainer)
    _finish(job, trainer, report, kept, chosen)


def follow(job: Job, trainer: CycleGANTrainer, plan: Plan) -> None:
    """What the processes beside the first do: the steps, and nothing that is seen of them."""
    trainer.add_event_handler(Events.ITERATION_COMPLETED, end_when_due)
    with stopped_by_signals(trainer) as received:
        try:
            job.team.wait()
            trainer.run()
        except ModelRefusedError:
            job.team.wait()
            raise
        finally:
            if isinstance(job.pairs, PairStream):
                job.pairs.close()
        job.team.wait()  # while the first one finishes what is written
    if received:
        raise _interrupted(job, trainer)


def _finish(job: Job, trainer: CycleGANTrainer, report: Report, kept: Kept | None, chosen: str) -> None:
    """Keep the model that was chosen, calibrate it, and clear away what only the training needed."""
    if kept is not None:
        _save(job, trainer, kept)
    _calibrate(job)
    step = trainer.training.step if kept is None else kept.step
    write_json(job.folder / "run.json", {**job.facts(), "model": {"step": step, "why": chosen}})
    job.observer.chose(chosen)
    report.finish(trainer, ended="Finished", chosen=chosen)
    job.team.wait()
    for file in (job.folder / "cache").glob("*"):
        if is_cached(file):
            file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # what is not ours stays
        (job.folder / "cache").rmdir()


def _save(job: Job, trainer: CycleGANTrainer, kept: Kept | None = None) -> None:
    """Write the model as it is now, or as it was kept earlier."""
    training = trainer.training
    generators, step = training.generators, training.step
    if kept is not None:
        generators, step = copy.deepcopy(generators), kept.step
        generators.load_state_dict(kept.tensors)
    save_model(
        job.folder / "model",
        generators=dict(generators.items()),
        recipe=job.recipe,
        slab=job.slab,
        domains=job.known,
        history=History(
            steps=step,
            epochs=step // job.epoch_length,
            minutes=round(training.elapsed / 60, 2),
            seed=job.seed,
            device=str(job.device.device),
            precision=job.pace.text,
            origin=job.start.origin,
        ),
    )


def _calibrate(job: Job) -> None:
    """Let the finished model know how far off it is, by heads that it was not trained on."""
    heads = held_out_heads(job.recipe, job.domains)
    if not heads:
        return
    try:
        model = load_model(job.folder / "model")
        found = calibrate(
            model,
            held_out_pairs(job.recipe, job.domains, seed=job.seed),
            made_from="simulated",
            device=str(job.device.device),
            advance=lambda done: job.observer.preparing("calibration", done, heads),
        )
        keep_calibration(model, found)
    except OutputNotWrittenError:
        raise
    except MedganError as error:
        job.observer.warned(f"the model does not know how far off it is: {error.cause}")


def _interrupted(job: Job, trainer: CycleGANTrainer) -> InterruptedByUserError:
    return InterruptedByUserError(
        f"stopped by {trainer.received[0]} after step {trainer.training.step}; everything up to it is kept",
        file=job.folder,
        remedy="Go on with the same command and --resume.",
    )
