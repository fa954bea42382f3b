"""`train`: two folders in, a run folder with a model out."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medgan import __version__
from medgan.devices import DeviceChoice, choose_device, choose_precision
from medgan.errors import InterruptedByUserError, ModelRefusedError, UsageError
from medgan.files import remove_leftovers, write_json
from medgan.models import History, load_model, save_model
from medgan.recipe import Recipe, load_recipe, save_recipe
from medgan.training.cases import Cases, prepare_folder
from medgan.training.checkpoints import load_newest
from medgan.training.engine import CycleGANTrainer
from medgan.training.handlers import (
    Checkpoints,
    Metrics,
    Previews,
    Progress,
    optional_loggers,
    stopped_by_signals,
)
from medgan.training.observer import Observer
from medgan.training.plan import Plan, estimate
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.simulated import simulate_pairs
from medgan.training.spacing import settle_spacing
from medgan.training.state import TrainingState
from medgan.training.summary import draw_summary

_SEEDS = 2**31


def train(
    t1_dir: str | Path,
    t2_dir: str | Path,
    *,
    out: str | Path = "medgan-run",
    recipe: str | Path | None = None,
    changes: Sequence[str] = (),
    epochs: int | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
    init: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    observer: Observer | None = None,
) -> Path:
    """Train a CycleGAN on unpaired scans of two contrasts.

    Args:
        t1_dir: folder of T1w scans: NIfTI, DICOM series, PNG or JPEG slices, nested or not.
        t2_dir: folder of T2w scans.
        out: the run folder, made by this call (or gone on with, with `resume`).
        recipe: a recipe's name or YAML file; `slices` where none is given.
        changes: settings to change, such as `losses.cycle=15`.
        epochs: passes; the recipe's own where neither this nor `max_minutes` is given.
        max_minutes: time limit, preparation not counted. The schedule then follows the clock, so that the
            learning rate has fallen when the time is up; two such runs are not equal bit for bit.
        resume: go on from the run's newest checkpoint.
        init: a run or model folder whose weights to start from; `none` for fresh ones.
        seed: of weights, sampling and augmentation; 0 where none is given.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        observer: told of all that happens.

    Returns:
        The run folder; its `model` folder is all that synthesis needs.

    Raises:
        UsageError: arguments that make no sense together, an unknown recipe or setting.
        InputRefusedError: a folder holds nothing usable.
        ModelRefusedError: what to resume from or to start from does not fit.
        OutputNotWrittenError: the run folder cannot be written.
        ResourceError: no such device.
        InterruptedByUserError: Ctrl-C or SIGTERM; the run can be resumed.
    """
    observer = observer or Observer()
    run = Path(out)
    settings, seed = _settings(run, recipe, changes, epochs, resume=resume, seed=seed)
    settings = settle_spacing(settings, (Path(t1_dir), Path(t2_dir)))
    chosen = choose_device(device)
    domains = {
        key: prepare_folder(
            Path(folder),
            key,
            recipe=settings,
            cache=run / "cache",
            advance=functools.partial(observer.preparing, key),
        )
        for key, folder in (("t1", t1_dir), ("t2", t2_dir))
    }
    pairs = simulate_pairs(
        settings,
        domains,
        cache=run / "cache",
        seed=seed,
        advance=lambda done, total: observer.preparing("simulated", done, total),
    )
    schedule, epoch_length = _schedule(settings, domains, epochs, max_minutes)
    job = _Job(run, settings, domains, pairs, chosen, schedule, epoch_length, seed)
    trainer = job.trainer()
    warnings = [text for cases in domains.values() for text in cases.warnings]
    if resume:
        for place in (run, run / "checkpoints", run / "cache", run / "previews"):
            remove_leftovers(place)
        warnings += job.resume(trainer)
    if trainer.training.step == 0 and init is not None and str(init) != "none":
        _start_from(trainer.training, load_model(init))
    for text in warnings:
        observer.warned(text)
    if not resume:
        save_recipe(settings, run / "recipe.yaml")
        write_json(run / "run.json", job.facts())
    observer.planned(job.plan(trainer))
    job.run_with_handlers(trainer, observer)
    return run


@dataclass
class _Job:
    """One call of `train`, after its arguments are settled."""

    run: Path
    recipe: Recipe
    domains: dict[str, Cases]
    simulated: dict[str, Cases]
    device: DeviceChoice
    schedule: Schedule
    epoch_length: int
    seed: int

    def __post_init__(self) -> None:
        self.precision = choose_precision(self.recipe.training.precision, self.device.device)
        self.slab = _slab(self.recipe, self.domains)
        self.batches = Batches(self.domains, self.recipe, slab=self.slab, seed=self.seed)
        self.pairs = None
        if self.recipe.simulation.heads:
            self.pairs = Batches(self.simulated, self.recipe, slab=self.slab, seed=self.seed, paired=True)
        self.known = {key: cases.domain() for key, cases in self.domains.items()}

    def facts(self) -> dict[str, Any]:
        """What a resumed training must find again."""
        return {
            "format": "medgan-run-1",
            "medgan_version": __version__,
            "seed": self.seed,
            "slab": self.slab,
            "precision": _name(self.precision),
            "data": {key: domain.fingerprint for key, domain in self.known.items()},
        }

    @property
    def identity(self) -> str:
        """Digest of everything that must be the same for a training to go on as if it had not stopped."""
        settings = self.recipe.model_dump(mode="json")
        settings["training"] = {"coarse": settings["training"]["coarse"]}
        settings.pop("optimiser")
        facts = {key: value for key, value in self.facts().items() if key != "medgan_version"}
        return hashlib.sha256(json.dumps([settings, facts], sort_keys=True).encode()).hexdigest()

    def trainer(self) -> CycleGANTrainer:
        """A trainer with fresh weights."""
        return CycleGANTrainer(
            TrainingState(self.recipe, slab=self.slab, seed=self.seed, device=self.device.device),
            self.batches,
            self.schedule,
            pairs=self.pairs,
            epoch_length=self.epoch_length,
            seed=self.seed,
            precision=self.precision,
        )

    def resume(self, trainer: CycleGANTrainer) -> list[str]:
        """Bring a fresh trainer to the newest checkpoint; returns warnings."""
        loaded = load_newest(self.run / "checkpoints")
        if loaded is None:
            return ["there is no checkpoint yet, so the training starts from its beginning"]
        checkpoint, tensors, warnings = loaded
        if checkpoint.identity != self.identity:
            raise ModelRefusedError(
                "was trained with other data, settings, seed or precision, so it cannot be gone on with",
                file=self.run,
                remedy="Give the same folders and no other recipe, or train into another folder with --init "
                f"{self.run}.",
            )
        try:
            trainer.training.restore(tensors, step=checkpoint.step, elapsed=checkpoint.elapsed)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelRefusedError(f"does not fit the run: {error}", file=checkpoint.file) from error
        trainer.state.iteration = checkpoint.step
        trainer.state.epoch = checkpoint.step // self.epoch_length
        return warnings

    def plan(self, trainer: CycleGANTrainer) -> Plan:
        """What will be done, with an estimate measured on a throw-away copy."""
        done = trainer.training.step
        networks = trainer.training.gan.generators["t2"], trainer.training.gan.discriminators["t2"]
        counts = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
        return Plan(
            run=self.run,
            recipe=self.recipe,
            domains=self.domains,
            device=self.device,
            precision=_name(self.precision),
            slab=self.slab,
            matched=self.batches.matched,
            frame=self.batches.frame.cut,
            epoch_length=self.epoch_length,
            steps=self.schedule.steps,
            minutes=self.schedule.seconds / 60 if self.schedule.seconds else None,
            done=done,
            parameters=(counts[0], counts[1]),
            estimate=estimate(self.trainer(), first_step=done),
        )

    def save_model(self, trainer: CycleGANTrainer) -> None:
        """Write the model as it is now."""
        training = trainer.training
        save_model(
            self.run / "model",
            generators=dict(training.generators.items()),
            recipe=self.recipe,
            slab=self.slab,
            domains=self.known,
            history=History(
                steps=training.step,
                epochs=training.step // self.epoch_length,
                minutes=round(training.elapsed / 60, 2),
                seed=self.seed,
                device=str(self.device.device),
                precision=_name(self.precision),
            ),
        )

    def run_with_handlers(self, trainer: CycleGANTrainer, observer: Observer) -> None:
        """Train to the end, or to a signal; what was reached is kept either way."""
        checkpoints = Checkpoints(
            self.run / "checkpoints",
            identity=self.identity,
            seconds=self.recipe.training.checkpoint_seconds,
            also=lambda: self.save_model(trainer),
        )
        handlers = [
            Progress(observer),
            Metrics(self.run / "metrics.csv", observer),
            *optional_loggers(
                self.run, tensorboard=self.recipe.training.tensorboard, mlflow=self.recipe.training.mlflow
            ),
            Previews(self.run / "previews", observer, seconds=self.recipe.training.preview_seconds),
            checkpoints,
        ]
        for handler in handlers:
            handler.attach(trainer)
        with stopped_by_signals(trainer) as received:
            trainer.run()
            checkpoints.save(trainer)
        draw_summary(self.run)
        if received:
            raise InterruptedByUserError(
                f"stopped by {received[0]} after step {trainer.training.step}; everything up to it is kept",
                file=self.run,
                remedy="Go on with the same command and --resume.",
            )
        shutil.rmtree(self.run / "cache", ignore_errors=True)


def _settings(
    run: Path,
    recipe: str | Path | None,
    changes: Sequence[str],
    epochs: int | None,
    *,
    resume: bool,
    seed: int | None,
) -> tuple[Recipe, int]:
    """The recipe and seed of a new run, or of the one that is gone on with."""
    if epochs is not None:
        changes = [*changes, f"training.epochs={epochs}"]
    kept = run / "run.json"
    if not resume:
        if run.exists() and not _holds_no_training(run):
            raise UsageError(
                "exists already and is not empty",
                file=run,
                remedy="Give another folder with --out, or go on with it with --resume.",
            )
        if seed is not None and not 0 <= seed < _SEEDS:
            raise UsageError(f"seed {seed} must be from 0 to {_SEEDS - 1}")
        return load_recipe(recipe or "slices", changes), seed or 0
    if not kept.is_file():
        raise UsageError(
            "is not a run, so there is nothing to resume", file=run, remedy="Leave out --resume."
        )
    try:
        known = int(json.loads(kept.read_text(encoding="utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefusedError("is damaged", file=kept, remedy="Train again into another folder.") from error
    if seed is not None and seed != known:
        raise UsageError(f"the run has seed {known}, not {seed}", file=run, remedy="Leave out --seed.")
    return load_recipe(recipe or run / "recipe.yaml", changes), known


def _holds_no_training(run: Path) -> bool:
    """An empty folder, or one that a run left which was stopped while it prepared its scans."""
    return run.is_dir() and all(
        file.name in ("cache", "recipe.yaml") or file.name.startswith(".medgan-") for file in run.iterdir()
    )


def _schedule(
    recipe: Recipe, domains: dict[str, Cases], epochs: int | None, max_minutes: float | None
) -> tuple[Schedule, int]:
    """When the training ends, and how many steps an epoch has."""
    if max_minutes is not None and max_minutes <= 0:
        raise UsageError(f"--max-minutes must be positive; it is {max_minutes}")
    images = max(
        cases.slices if recipe.spatial_dims == 2 else len(cases.cases) * 16 for cases in domains.values()
    )
    length = recipe.training.steps_per_epoch or -(-images // recipe.sampling.batch_size)
    clock_alone = max_minutes is not None and epochs is None
    return (
        Schedule(
            recipe=recipe,
            steps=None if clock_alone else recipe.training.epochs * length,
            seconds=max_minutes * 60 if max_minutes is not None else None,
        ),
        length,
    )


def _slab(recipe: Recipe, domains: dict[str, Cases]) -> int:
    """Three neighbouring slices where volumes are given, one where pictures are."""
    if recipe.sampling.slab != "auto":
        return recipe.sampling.slab
    flat = any(case.shape[2] == 1 for cases in domains.values() for case in cases.cases)
    return 1 if flat else 3


def _start_from(training: TrainingState, model: Any) -> None:
    """Give the generators the weights of another model."""
    for target in training.gan.generators:
        weights = model.generator(target).state_dict()
        try:
            for generators in (training.gan.generators, training.averaged):
                generators[target].load_state_dict(weights)
        except RuntimeError as error:
            raise ModelRefusedError(
                "has another architecture than the recipe, so its weights cannot be started from",
                file=model.folder,
                remedy="Use the recipe in its model.json, or leave out --init.",
            ) from error


def _name(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")
