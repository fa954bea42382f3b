"""From settings to networks: what training builds, synthesis builds again."""

from __future__ import annotations

from typing import Any

from torch import nn

from medgan.networks import MultiViewDiscriminator, Pix2PixGenerator, ResNetGenerator, UNetGenerator
from medgan.recipe import Recipe


def generator_of(recipe: Recipe, *, slab: int) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class of a recipe's generator, and what it is called with.

    Args:
        recipe: the settings.
        slab: slices that it sees at once; 1 for plain 2D and for 3D.
    """
    settings = recipe.generator
    common: dict[str, Any] = {
        "spatial_dims": recipe.spatial_dims,
        "slab": slab,
        "channels": settings.channels,
        "initial_gain": settings.initial_gain,
        "dropout": settings.dropout,
    }
    if settings.kind == "pix2pix":
        return Pix2PixGenerator, common
    common |= {"residual_units": settings.residual_units, "upsampling": settings.upsampling}
    if settings.kind == "resnet":
        return ResNetGenerator, common
    return UNetGenerator, common | {"finest_skip": settings.finest_skip}


def build_generator(recipe: Recipe, *, slab: int) -> nn.Module:
    """A generator with fresh weights; arguments as for `generator_of`."""
    kind, settings = generator_of(recipe, slab=slab)
    return kind(**settings)


def build_discriminator(recipe: Recipe, *, slab: int) -> nn.Module:
    """A discriminator with fresh weights."""
    settings = recipe.discriminator
    return MultiViewDiscriminator(
        spatial_dims=recipe.spatial_dims,
        slab=slab,
        channels=settings.channels,
        layers=settings.layers,
        views=settings.views,
    )


_STRUCTURE = ("kind", "channels", "residual_units", "upsampling", "finest_skip")


def generators_fit(one: Recipe, other: Recipe) -> bool:
    """Whether the generators of two recipes have the same layers, whatever the number of slices in a slab."""
    same = all(getattr(one.generator, name) == getattr(other.generator, name) for name in _STRUCTURE)
    return same and one.spatial_dims == other.spatial_dims
