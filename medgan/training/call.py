"""`train`: two folders in, a run folder with a model out."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.devices import DeviceChoice, choose_device, memory_errors
from medgan.errors import ModelRefusedError, UsageError
from medgan.files import is_leftover, locked, remove_leftovers
from medgan.models import load_model
from medgan.recipe import Recipe, load_recipe
from medgan.training.anatomies import Anatomies, prepare_anatomies
from medgan.training.cases import Cases, is_cached, prepare_folder
from medgan.training.handlers import check_loggers
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
    labels: str | Path | None = None,
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
        labels: folder of label maps to simulate pairs from, where the recipe does so on the fly; procedural heads
            where none is given.
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
    run, folders = Path(out), {"t1": Path(t1_dir), "t2": Path(t2_dir)}
    _check_folders(run, folders)
    request = _settle(run, recipe, changes, epochs, max_minutes, resume=resume, seed=seed)
    start = None if init is None or str(init) == "none" else load_model(init)
    check_loggers(request.recipe.training)
    if labels is not None and not request.recipe.simulation.on_the_fly:
        raise UsageError(
            "--labels is for recipes that simulate on the fly",
            remedy="Add --set simulation.on_the_fly=true, or leave --labels out.",
        )
    chosen = choose_device(device)
    with locked(run), memory_errors():
        for place in (run, *(run / name for name in ("checkpoints", "cache", "previews"))):
            remove_leftovers(place)
        job = _prepare(
            run, folders, request, None if labels is None else Path(labels), chosen, observer or Observer()
        )
        job.run(resume=resume, start=start)
    return run


@dataclass(frozen=True)
class _Request:
    """What is asked of a new run, or was of the one that is gone on with."""

    recipe: Recipe
    seed: int
    epochs: int | None
    max_minutes: float | None


def _prepare(
    run: Path,
    folders: Mapping[str, Path],
    request: _Request,
    labels: Path | None,
    device: DeviceChoice,
    observer: Observer,
) -> Job:
    """Read and prepare all scans, and simulate pairs."""
    settings = settle_spacing(request.recipe, folders.values())
    domains = {
        key: prepare_folder(
            folder,
            key,
            recipe=settings,
            cache=run / "cache",
            advance=functools.partial(observer.preparing, key),
        )
        for key, folder in folders.items()
    }
    simulating = functools.partial(observer.preparing, "simulated")
    pairs: dict[str, Cases] | Anatomies
    if settings.simulation.on_the_fly:
        heads = settings.simulation.heads
        pairs = prepare_anatomies(
            labels, heads=heads, seed=request.seed, cache=run / "cache", advance=simulating
        )
    else:
        pairs = simulate_pairs(settings, domains, cache=run / "cache", seed=request.seed, advance=simulating)
    schedule, length = _schedule(settings, domains, request.epochs, request.max_minutes)
    return Job(run, settings, domains, pairs, device, schedule, length, request.seed, observer)


def _check_folders(run: Path, folders: Mapping[str, Path]) -> None:
    """Refuse folders that lie in each other: images would be taken for what they are not."""
    t1, t2, out = (path.resolve() for path in (*folders.values(), run))
    if t1 == t2 or t1 in t2.parents or t2 in t1.parents:
        raise UsageError(
            "the folders of the two contrasts are one, or one lies in the other",
            file=t2,
            remedy="Give a folder of T1w scans and another of T2w scans.",
        )
    for folder in (t1, t2):
        if out == folder or folder in out.parents:
            raise UsageError(
                "the run would lie among the scans, and its pictures be taken for some",
                file=run,
                remedy="Give an --out outside of both folders.",
            )


def _settle(
    run: Path,
    recipe: str | Path | None,
    changes: Sequence[str],
    epochs: int | None,
    max_minutes: float | None,
    *,
    resume: bool,
    seed: int | None,
) -> _Request:
    """Settle recipe, seed and length, with what the run was started with where it is gone on with."""
    if max_minutes is not None and max_minutes <= 0:
        raise UsageError(f"--max-minutes must be positive; it is {max_minutes}")
    if epochs is not None:
        changes = [*changes, f"training.epochs={epochs}"]
    if not resume:
        if run.exists() and not _holds_no_training(run):
            raise UsageError(
                "exists already and is not empty",
                file=run,
                remedy="Give another folder with --out, or go on with it with --resume.",
            )
        if seed is not None and not 0 <= seed < _SEEDS:
            raise UsageError(f"seed {seed} must be from 0 to {_SEEDS - 1}")
        return _Request(load_recipe(recipe or "slices", changes), seed or 0, epochs, max_minutes)
    kept = run / "run.json"
    if not kept.is_file():
        raise UsageError(
            "is not a run, so there is nothing to resume", file=run, remedy="Leave out --resume."
        )
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        known_seed = int(known["seed"])
        if epochs is None and max_minutes is None and known.get("max_minutes") is not None:
            max_minutes = float(known["max_minutes"])
            epochs = known.get("epochs")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefusedError("is damaged", file=kept, remedy="Train again into another folder.") from error
    if seed is not None and seed != known_seed:
        raise UsageError(f"the run has seed {known_seed}, not {seed}", file=run, remedy="Leave out --seed.")
    return _Request(load_recipe(recipe or run / "recipe.yaml", changes), known_seed, epochs, max_minutes)


def _holds_no_training(run: Path) -> bool:
    """An empty folder, or one that a run left which was stopped while it prepared its scans."""
    if not run.is_dir():
        return False
    begun = ("cache", ".lock", "recipe.yaml")
    ours = all(file.name in begun or is_leftover(file) for file in run.iterdir())
    return ours and all(is_cached(file) or is_leftover(file) for file in (run / "cache").glob("*"))


def _schedule(
    recipe: Recipe, domains: dict[str, Cases], epochs: int | None, max_minutes: float | None
) -> tuple[Schedule, int]:
    """When the training ends, and how many steps an epoch has."""
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
