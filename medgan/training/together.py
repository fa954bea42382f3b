"""The batch of a training on several processes: each shows what the recipe says, and the run holds the sum."""

from __future__ import annotations

from medgan.errors import UsageError
from medgan.recipe import Recipe

_LARGEST = {"sampling": 4096, "simulation": 10_000}


def together(recipe: Recipe, processes: int, *, known: Recipe | None = None) -> Recipe:
    """A recipe with the images that all processes show in a step.

    Args:
        recipe: with those of one of them.
        processes: that the run was first started on.
        known: the run's own recipe, where it is that one with changes: what was not changed is of all of them already.

    Raises:
        UsageError: that is more than a recipe may have.
    """
    sampling, simulation = recipe.sampling, recipe.simulation
    batch = sampling.batch_size
    if known is None or known.sampling.batch_size != batch:
        batch *= processes
    pairs = simulation.pairs
    if pairs is not None and (known is None or known.simulation.pairs != pairs):
        pairs *= processes
    if batch > _LARGEST["sampling"] or (pairs or 0) > _LARGEST["simulation"]:
        raise UsageError(
            f"{processes} processes with a batch of {sampling.batch_size} each come to {batch} images in a step",
            remedy=f"Give a smaller --set batch_size; at most {_LARGEST['sampling']} images make a step.",
        )
    return recipe.model_copy(
        update={
            "sampling": sampling.model_copy(update={"batch_size": batch}),
            "simulation": simulation.model_copy(update={"pairs": pairs}),
        }
    )


def check_processes(recipe: Recipe, processes: int) -> None:
    """Refuse processes that would have no image.

    Raises:
        UsageError: there are more of them than images in a step.
    """
    pairs = recipe.simulation.pairs if recipe.simulation.on_the_fly else None
    fewest = min(recipe.sampling.batch_size, pairs or recipe.sampling.batch_size)
    if processes > fewest:
        raise UsageError(
            f"there are {processes} processes, but {fewest} images in a step of this run",
            remedy=f"Start at most {fewest} processes.",
        )
