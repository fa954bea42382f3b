"""`train`: two folders in, a run folder with a model out."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from medgan.devices import DeviceChoice, memory_errors
from medgan.errors import UsageError
from medgan.files import locked, remove_leftovers
from medgan.recipe import Recipe
from medgan.training.anatomies import Anatomies, prepare_anatomies
from medgan.training.cases import Cases, prepare_folder
from medgan.training.handlers import check_loggers
from medgan.training.job import Job
from medgan.training.memory import parse_size
from medgan.training.observer import Observer
from medgan.training.paired import prepare_pairs
from medgan.training.request import Asked, Request, new_request, resumed_request
from medgan.training.schedule import Schedule
from medgan.training.simulated import simulate_pairs
from medgan.training.spacing import settle_spacing
from medgan.training.team import Team, joined
from medgan.training.together import check_processes


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
    paired_dir: str | Path | None = None,
    device: str = "auto",
    max_memory: str | None = None,
    observer: Observer | None = None,
) -> Path:
    """Train a CycleGAN on unpaired scans of two contrasts.

    Where this process is one of several that torchrun has started, they train together: see
    docs/how-to/train-on-several-gpus.md.

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
        init: a model whose weights to start from, as for `load_model`; `none` for fresh ones. Where none is given,
            those of the model that comes with medgan, if the recipe's generator is like its own.
        seed: of weights, sampling and augmentation; 0 where none is given.
        labels: folder of label maps to simulate pairs from, where the recipe does so on the fly; procedural heads
            where none is given.
        paired_dir: folder of acquired pairs, for a supervised term beside the unpaired ones: T1w and T2w scans of the
            same heads, each pair on one grid and of one name but for the contrast.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        max_memory: what a process may hold, such as `4GB`: of a CUDA device's memory, or resident on a CPU; what is
            there where none is given. Where a step does not fit, its images go through the networks in parts, and each
            pass is done twice if need be; the result is the same, but for rounding.
        observer: told of all that happens.

    Returns:
        The run folder; its `model` folder is all that synthesis needs.

    Raises:
        UsageError: arguments that make no sense together, an unknown recipe or setting.
        InputRefusedError: a folder holds nothing usable.
        ModelRefusedError: what to resume from or to start from does not fit.
        OutputNotWrittenError: the run folder cannot be written.
        ResourceError: no such device, or too little memory even for one image at a time.
        InterruptedByUserError: Ctrl-C or SIGTERM; the run can be resumed.
    """
    run, folders = Path(out), {"t1": Path(t1_dir), "t2": Path(t2_dir)}
    asked = Asked(recipe, tuple(changes), epochs, max_minutes, seed, init, labels, paired_dir)
    with joined() as team:
        limit = None if max_memory is None else parse_size(max_memory)
        _check_folders(run, folders)
        request = (
            resumed_request(run, asked) if resume else new_request(run, asked, processes=team.launch.size)
        )
        _check_settings(request.recipe, labels)
        check_processes(request.recipe, team.launch.size)
        chosen = team.device(device)
        with _held(run, team), memory_errors():
            job = _prepare(run, folders, request, asked, chosen, observer or Observer(), team, limit)
            job.run(resume=resume)
    return run


@contextlib.contextmanager
def _held(run: Path, team: Team) -> Iterator[None]:
    """Hold the run folder, free of what a killed process left; the first of several processes does so for all."""
    if not team.first:
        yield
        return
    with locked(run):
        for place in (run, *(run / name for name in ("checkpoints", "cache", "previews"))):
            remove_leftovers(place)
        yield


def _prepare(
    run: Path,
    folders: Mapping[str, Path],
    request: Request,
    asked: Asked,
    device: DeviceChoice,
    observer: Observer,
    team: Team,
    max_memory: int | None,
) -> Job:
    """Read and prepare all scans and pairs, and simulate pairs; all processes but the first find that done."""
    if not team.first:
        team.wait()
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
            None if asked.labels is None else Path(asked.labels),
            heads=heads,
            seed=request.seed,
            cache=run / "cache",
            advance=simulating,
        )
    else:
        pairs = simulate_pairs(settings, domains, cache=run / "cache", seed=request.seed, advance=simulating)
    schedule, length = _schedule(settings, domains, request.epochs, request.max_minutes)
    acquired = _acquired(asked, settings, run / "cache", observer)
    if team.first:
        team.wait()
    return Job(
        run,
        settings,
        domains,
        pairs,
        acquired,
        device,
        schedule,
        length,
        request.seed,
        request.start,
        observer,
        team,
        request.processes,
        max_memory,
        known_pace=request.pace,
    )


def _acquired(asked: Asked, recipe: Recipe, cache: Path, observer: Observer) -> dict[str, Cases] | None:
    """The acquired pairs, if there are any."""
    if asked.paired_dir is None:
        return None
    preparing = functools.partial(observer.preparing, "paired")
    return prepare_pairs(Path(asked.paired_dir), recipe=recipe, cache=cache, advance=preparing)


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


def _check_settings(recipe: Recipe, labels: str | Path | None) -> None:
    """Refuse what the recipe cannot do here."""
    check_loggers(recipe.training)
    if labels is not None and not recipe.simulation.on_the_fly:
        raise UsageError(
            "--labels is for recipes that simulate on the fly",
            remedy="Add --set simulation.on_the_fly=true, or leave --labels out.",
        )


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
