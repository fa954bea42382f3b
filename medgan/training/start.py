"""What a training begins with: fresh weights, or those of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medgan.contrasts import CONTRASTS
from medgan.errors import ModelRefusedError
from medgan.files import sha256
from medgan.models import Model, Origin, default_model, load_model
from medgan.models.adaptation import adapt_slab
from medgan.models.architecture import generators_fit
from medgan.models.catalogue import DEFAULT, has_default, name_of
from medgan.models.content import MANIFEST
from medgan.recipe import Recipe
from medgan.training.state import TrainingState

WITH_LEARNT_WEIGHTS = ("simulation.warmup=0",)
"""Changes to the recipe of a training that begins with learnt weights: a warm-up has nothing to teach them.
Those of the user come after them, and so win."""
NONE = "none"
"""Asks for fresh weights."""


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Attributes:
        text: what it is, in a sentence for the user.
        origin: the model whose weights they are; None for fresh ones.
        model: that model, where it is at hand; a training that is gone on with can do without.
    """

    text: str
    origin: Origin | None = None
    model: Model | None = None


def choose_start(init: str | Path | None, recipe: Recipe) -> Start:
    """What a new training begins with.

    Args:
        init: a model to begin with, `none` for fresh weights; None for the default model where it fits.
        recipe: the settings.

    Raises:
        ModelRefusedError: the model that was asked for is missing, damaged or of another architecture.
    """
    if init is not None and str(init) == NONE:
        return Start("It begins with fresh weights, as asked for.")
    if init is None and not has_default():
        return Start("It begins with fresh weights.")
    model = load_model(init)
    name = name_of(model.folder) or model.manifest.name
    if not generators_fit(recipe, model.manifest.recipe):
        if init is None:
            return Start(
                f"It begins with fresh weights: the recipe's generator is another than that of {name}."
            )
        raise ModelRefusedError(
            "has another architecture than the recipe, so its weights cannot be started from",
            file=model.folder,
            remedy="Use the recipe in its model.json, or leave out --init.",
        )
    for target in CONTRASTS:
        model.check(target)
    whence = ", which comes with medgan (--init none for fresh ones)" if init is None else ""
    text = f"It begins with the weights of the model {name}{whence}."
    return Start(text, Origin(name=name, sha256=model.digest), model)


def known_start(run: Path, origin: Origin | None, init: str | Path | None) -> Start:
    """What a training that is gone on with began with.

    Args:
        run: the run folder.
        origin: what the run remembers.
        init: what was asked for now, if anything: it must be the same.

    Raises:
        ModelRefusedError: it is another model than then.
    """
    began = f"the weights of the model {origin.name}" if origin else "fresh weights"
    text = f"It began with {began}."
    if init is None:
        return Start(text, origin, _default_if_it_is(origin))
    model = None if str(init) == NONE else load_model(init)
    if (model.digest if model else None) != (origin.sha256 if origin else None):
        raise ModelRefusedError(
            f"began with {began}, and not with what --init says now", file=run, remedy="Leave out --init."
        )
    return Start(text, origin, model)


def begin(training: TrainingState, start: Start, *, run: Path, slab: int) -> None:
    """Give the generators of a training that has done no step yet the weights that it is to begin with.

    Raises:
        ModelRefusedError: they are damaged, or not at hand.
    """
    if start.origin is None:
        return
    if start.model is None:
        raise ModelRefusedError(
            f"has no checkpoint yet, and the model {start.origin.name} that it began with has to be given again",
            file=run,
            remedy="Add --init with that model, or train into another folder.",
        )
    for target in training.gan.generators:
        weights = adapt_slab(start.model.generator(target).state_dict(), slab=slab)
        for generators in (training.gan.generators, training.averaged):
            generators[target].load_state_dict(weights)


def _default_if_it_is(origin: Origin | None) -> Model | None:
    """The default model, where it is the one that is asked for: it may be another than then."""
    if origin is None or origin.name != DEFAULT or not has_default():
        return None
    return load_model() if sha256(default_model() / MANIFEST) == origin.sha256 else None
