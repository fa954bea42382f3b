"""One part of a training step: what the networks are told of some images. The sum over all parts is the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from medgan.cyclegan import CycleGAN, Weights
from medgan.cyclegan.augmentation import Look
from medgan.cyclegan.cyclegan import Images, Losses
from medgan.devices import autocast
from medgan.recipe import Recipe
from medgan.training.shares import Part

Looks = Mapping[str, Look]


@dataclass(frozen=True)
class Aims:
    """What the generators are to learn in a step.

    Attributes:
        weights: of the losses on real images.
        simulated, paired: weights of the errors on simulated and on acquired pairs.
        precision: what convolutions compute in.
    """

    weights: Weights
    simulated: float
    paired: float
    precision: torch.dtype

    @classmethod
    def of(cls, recipe: Recipe, weights: Weights, precision: torch.dtype) -> Aims:
        """Those of a recipe."""
        losses = recipe.losses
        return cls(weights, recipe.simulation.weight * losses.cycle, losses.paired * losses.cycle, precision)


def teach_generators(gan: CycleGAN, part: Part, aims: Aims, looks: Looks) -> tuple[Images, Losses]:
    """Add a part's gradients to those of the generators; returns the fakes, and the part's share of the record."""
    device = next(gan.parameters()).device
    loss = torch.zeros((), device=device)
    record: Losses = {}
    known = [
        (name, share, weight, images)
        for name, share, weight, images in (
            ("simulated", part.weights[1], aims.simulated, part.simulated),
            ("paired", part.weights[2], aims.paired, part.paired),
        )
        if images
    ]
    with autocast(device, aims.precision):
        identity = aims.weights.identity > 0
        made = gan.translate(part.real, identity=identity, pairs=[images for *_, images in known])
        if part.real:
            of_real, losses = gan.generator_losses(made, aims.weights, looks)
            loss = part.weights[0] * of_real
            record |= _weighted(losses, part.weights[0])
        for (name, share, weight, images), of_them in zip(known, made.known, strict=True):
            supervised, losses = gan.supervised_loss(images, of_them, name=name)
            loss = loss + share * weight * supervised
            record |= _weighted(losses, share)
    loss.backward()  # type: ignore[no-untyped-call]
    return {key: fake.detach() for key, fake in made.fake.items()}, record


def teach_discriminators(
    gan: CycleGAN, real: Images, fakes: Images, share: float, looks: Looks, precision: torch.dtype
) -> Losses:
    """Add a part's gradients to those of the discriminators; returns the part's share of the record."""
    with autocast(next(gan.parameters()).device, precision):
        loss, losses = gan.discriminator_losses(real, fakes, looks)
        loss = share * loss
    loss.backward()  # type: ignore[no-untyped-call]
    return _weighted(losses, share)


def _weighted(losses: Losses, share: float) -> Losses:
    return {name: value * share for name, value in losses.items()}
