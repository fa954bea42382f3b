"""`train`: two folders in, a run folder with a model out."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

from medgan.devices import choose_device
from medgan.errors import ModelRefusedError, UsageError
from medgan.files import remove_leftovers, write_json
from medgan.models import load_model
from medgan.recipe import Recipe, load_recipe, save_recipe
from medgan.training.cases import Cases, prepare_folder
from medgan.training.job import Job
from medgan.training.observer import Observer
from medgan.training.schedule import Schedule
from medgan.training.simulated import simulate_pairs
from medgan.training.spacing import settle_spacing

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
    job = Job(run, settings, domains, pairs, chosen, schedule, epoch_length, seed)
    trainer = job.trainer()
    warnings = [text for cases in domains.values() for text in cases.warnings]
    if resume:
        for place in (run, run / "checkpoints", run / "cache", run / "previews"):
            remove_leftovers(place)
        warnings += job.resume(trainer)
    if trainer.training.step == 0 and init is not None and str(init) != "none":
        job.start_from(trainer.training, load_model(init))
    for text in warnings:
        observer.warned(text)
    if not resume:
        save_recipe(settings, run / "recipe.yaml")
        write_json(run / "run.json", job.facts())
    observer.planned(job.plan(trainer))
    job.run_with_handlers(trainer, observer)
    return run


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
