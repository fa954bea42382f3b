"""What is asked of a training: settled for a new run, or from what the run was started with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from medgan.errors import ModelRefusedError, UsageError
from medgan.files import is_leftover
from medgan.models import Origin
from medgan.recipe import Recipe, load_recipe
from medgan.training.cases import is_cached
from medgan.training.pace import Pace
from medgan.training.start import WITH_LEARNT_WEIGHTS, Start, choose_start, known_start
from medgan.training.together import together

_SEEDS = 2**31


@dataclass(frozen=True)
class Asked:
    """What the caller says of recipe, length, seed, first weights and pairs."""

    recipe: str | Path | None
    changes: tuple[str, ...]
    epochs: int | None
    max_minutes: float | None
    seed: int | None
    init: str | Path | None
    labels: str | Path | None
    paired_dir: str | Path | None

    def load_recipe(self, name: str | Path, *, learnt: bool) -> Recipe:
        """The recipe with all changes; those that learnt weights call for come before the caller's own."""
        first = WITH_LEARNT_WEIGHTS if learnt else ()
        length = () if self.epochs is None else (f"training.epochs={self.epochs}",)
        return load_recipe(name, [*first, *self.changes, *length])


@dataclass(frozen=True)
class Request:
    """What is asked of a new run, or was of the one that is gone on with."""

    recipe: Recipe
    seed: int
    epochs: int | None
    max_minutes: float | None
    start: Start
    processes: int
    pace: Pace | None = None


def new_request(run: Path, asked: Asked, *, processes: int) -> Request:
    """Settle recipe, seed, length and first weights of a new run; each process gets the recipe's batch."""
    _check_length(asked.max_minutes)
    if run.exists() and not _holds_no_training(run):
        raise UsageError(
            "exists already and is not empty",
            file=run,
            remedy="Give another folder with --out, or go on with it with --resume.",
        )
    if asked.seed is not None and not 0 <= asked.seed < _SEEDS:
        raise UsageError(f"seed {asked.seed} must be from 0 to {_SEEDS - 1}")
    name = asked.recipe or "slices"
    recipe = asked.load_recipe(name, learnt=False)
    start = choose_start(asked.init, recipe)
    if start.origin is not None:
        recipe = asked.load_recipe(name, learnt=True)
    recipe = together(recipe, processes)
    return Request(recipe, asked.seed or 0, asked.epochs, asked.max_minutes, start, processes)


def resumed_request(run: Path, asked: Asked) -> Request:
    """Settle the same with what the run was started with."""
    _check_length(asked.max_minutes)
    kept, epochs, max_minutes = run / "run.json", asked.epochs, asked.max_minutes
    if not kept.is_file():
        raise UsageError(
            "is not a run, so there is nothing to resume", file=run, remedy="Leave out --resume."
        )
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        seed, processes = int(known["seed"]), int(known.get("processes", 1))
        pace = Pace(str(known["precision"]), bool(known.get("channels_last")), str(known.get("pace", "")))
        origin = None if known.get("origin") is None else Origin.model_validate(known["origin"])
        if epochs is None and max_minutes is None and known.get("max_minutes") is not None:
            max_minutes = float(known["max_minutes"])
            epochs = known.get("epochs")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefusedError("is damaged", file=kept, remedy="Train again into another folder.") from error
    if asked.seed is not None and asked.seed != seed:
        raise UsageError(f"the run has seed {seed}, not {asked.seed}", file=run, remedy="Leave out --seed.")
    start = known_start(run, origin, asked.init)
    learnt = asked.recipe is not None and origin is not None  # the run's own recipe holds it already
    recipe = asked.load_recipe(asked.recipe or run / "recipe.yaml", learnt=learnt)
    own = load_recipe(run / "recipe.yaml") if asked.recipe is None else None
    recipe = together(recipe, processes, known=own)
    kept_pace = pace if recipe.training.precision in ("auto", pace.precision) else None
    return Request(recipe, seed, epochs, max_minutes, start, processes, kept_pace)


def _check_length(max_minutes: float | None) -> None:
    if max_minutes is not None and max_minutes <= 0:
        raise UsageError(f"--max-minutes must be positive; it is {max_minutes}")


def _holds_no_training(run: Path) -> bool:
    """An empty folder, or one that a run left which was stopped while it prepared its scans."""
    if not run.is_dir():
        return False
    begun = ("cache", ".lock", "recipe.yaml")
    ours = all(file.name in begun or is_leftover(file) for file in run.iterdir())
    return ours and all(is_cached(file) or is_leftover(file) for file in (run / "cache").glob("*"))
