"""What changes as a training goes on: image size, weights and learning rate, by how far it is, 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

from medgan.cyclegan import Weights
from medgan.recipe import Recipe

_LEAST_WARMUP, _LARGEST_SHARE = 120, 0.5
"""Steps that a warm-up takes at least, and the share of a training beyond which it does not go for their sake."""


@dataclass(frozen=True)
class Schedule:
    """The plan of a training.

    Attributes:
        recipe: the settings.
        steps: how many steps make the whole, or None where the clock alone ends it.
        seconds: how many seconds do, or None.
    """

    recipe: Recipe
    steps: int | None
    seconds: float | None

    def progress(self, step: int, elapsed: float) -> float:
        """How far the training is, 0 to 1, by steps or by the clock, whichever is further.

        Without a time limit it depends on the step alone, so that a training can be repeated bit for bit.
        """
        by_steps = step / self.steps if self.steps else 0.0
        by_clock = elapsed / self.seconds if self.seconds else 0.0
        return min(max(by_steps, by_clock), 1.0)

    def scale(self, progress: float) -> int:
        """The factor by which images are smaller."""
        end = 0.0
        for stage in self.recipe.training.coarse:
            end += stage.share
            if progress < end:
                return stage.scale
        return 1

    def weights(self, progress: float) -> Weights:
        """The weights of the losses on real images, which grow from 0 once the warm-up is over."""
        losses, warmup = self.recipe.losses, self.warmup
        share = min(1.0, max(0.0, progress - warmup) / losses.ramp) if losses.ramp else 1.0
        return Weights(
            adversarial=losses.adversarial_weight,
            cycle=share * losses.cycle,
            identity=share * losses.identity * losses.cycle,
            structure=share * losses.structure,
        )

    @property
    def warmup(self) -> float:
        """The share in which the generators see simulated pairs alone."""
        return warmup_share(self.recipe, self.steps)

    def rate(self, progress: float) -> float:
        """The learning rate: constant, then linear to 0 (Zhu et al. 2017)."""
        optimiser = self.recipe.optimiser
        falling = 1 - optimiser.decay_from
        share = min(1.0, (1 - progress) / falling) if falling else 1.0
        return optimiser.learning_rate * share


def warmup_share(recipe: Recipe, steps: int | None) -> float:
    """The share of a training of so many steps in which the generators see simulated pairs alone.

    In a short training it is longer than the recipe's: a polarity that is not settled by then is not kept.
    """
    share = recipe.simulation.warmup if recipe.simulation.heads else 0.0
    if not share or not steps:
        return share
    return max(share, min(_LARGEST_SHARE, _LEAST_WARMUP / steps))
