"""A model's network, ready for volumes: as torch has it, or compiled for this machine."""

from __future__ import annotations

import torch

from medgan.devices import choose_precision
from medgan.models.compiled import compiled_generator, engine, may_be_compiled
from medgan.models.folder import Model
from medgan.models.translator import Translator


def load_translator(model: Model, target: str, device: torch.device, *, compiled_for: int = 0) -> Translator:
    """The network of a model that makes `target`, on a device.

    Args:
        model: whose network it is.
        target: contrast.
        device: where it runs.
        compiled_for: so many threads, where that can be done and measures faster; 0 for not at all.

    Raises:
        ModelRefusedError: the model has no such direction, or is damaged.
    """
    recipe = model.manifest.recipe
    precision = choose_precision(recipe.training.precision, device)
    quick = None
    if compiled_for and may_be_compiled(device):
        quick = compiled_generator(model, target, precision, threads=compiled_for)
    return Translator(
        model.generator(target) if quick is None else None,
        spatial_dims=recipe.spatial_dims,
        slab=model.manifest.slab,
        patch=recipe.sampling.crop,
        device=device,
        precision=precision,
        compiled=quick,
        engine=None if quick is None else engine(),
    )
