"""The CycleGAN: two generators and two discriminators, and their losses in one step (Zhu et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from medgan.cyclegan.augmentation import Look, draw_look, shift_and_cut
from medgan.cyclegan.history import FakeHistory
from medgan.cyclegan.losses import Adversarial, AdversarialLoss, CycleLoss, StructureLoss, SupervisedLoss

Images = dict[str, torch.Tensor]
Losses = dict[str, torch.Tensor]
"""For the record, by name: scalars without gradients."""

SEEN = "_seen"
"""Ends the name of an image that is shown in the place of another."""


@dataclass(frozen=True)
class Weights:
    """How much each loss counts.

    Attributes:
        adversarial: the discriminator takes the fake for real.
        cycle: there and back again.
        identity: an image of the target contrast comes back as it is.
        structure: the fake has the source's edges, of whatever sign.
    """

    adversarial: float
    cycle: float
    identity: float
    structure: float


@dataclass
class Translation:
    """What the generators made in one step, by the contrast of the images, (N, C, ...) in [-1, 1].

    `known` is what was made of each of the pairs that were shown beside the real images.
    """

    real: Images
    fake: Images
    back: Images
    same: Images
    known: tuple[Images, ...] = ()


class CycleGAN(nn.Module):
    """Two generators, keyed by the contrast that they make, and two discriminators, keyed by what they judge.

    Args:
        generator: makes one generator.
        discriminator: makes one discriminator, which returns a list of logits.
        spatial_dims: 2 or 3.
        contrasts: the two keys, such as ("t1", "t2").
        adversarial: "least_squares" or "bce".
        cycle_ssim: share of 1 - SSIM in the cycle loss.
        squared: weight of the squared error beside the absolute one, on pairs.
        ssim: weight of 1 - SSIM beside the absolute error, on pairs.
        history: fakes kept for each discriminator.
        augment: whether discriminators see shifted and cut images (for few images).

    Attributes:
        recompute: whether a pass through a network keeps its input alone, and is done once more for its gradients:
            a third to a half of the memory, for a pass more in each step.
    """

    def __init__(
        self,
        generator: Callable[[], nn.Module],
        discriminator: Callable[[], nn.Module],
        *,
        spatial_dims: int,
        contrasts: tuple[str, str],
        adversarial: Adversarial = "least_squares",
        cycle_ssim: float = 0.0,
        squared: float = 0.0,
        ssim: float = 0.0,
        history: int = 50,
        augment: bool = False,
    ) -> None:
        super().__init__()
        first, second = contrasts
        self.other = {first: second, second: first}
        self.generators = nn.ModuleDict({key: generator() for key in contrasts})
        self.discriminators = nn.ModuleDict({key: discriminator() for key in contrasts})
        self.history = {key: FakeHistory(history) for key in contrasts}
        self.augment, self.spatial_dims = augment, spatial_dims
        self.recompute = False
        self.adversarial = AdversarialLoss(adversarial)
        self.cycle = CycleLoss(spatial_dims, ssim_share=cycle_ssim)
        self.structure = StructureLoss(spatial_dims)
        self.supervised = SupervisedLoss(spatial_dims, squared=squared, ssim=ssim)

    def translate(
        self,
        real: Mapping[str, torch.Tensor],
        *,
        identity: bool = True,
        pairs: Sequence[Mapping[str, torch.Tensor]] = (),
    ) -> Translation:
        """Both ways there and back; each generator sees all that it is shown at first in one pass.

        Args:
            real: (N, C, ...) images by contrast; none while there are pairs alone.
            identity: whether the generators are also shown the contrast that they make.
            pairs: images whose partner is known, as for `supervised_loss`.
        """
        fake: Images = {}
        same: Images = {}
        known: tuple[Images, ...] = tuple({} for _ in pairs)
        for target, source in self.other.items():
            shown = [one.get(f"{source}{SEEN}", one[source]) for one in pairs]
            if real:
                shown += [real[source], real[target]] if identity else [real[source]]
            made = iter(self._in_one_pass(self.generators[target], shown))
            for images in known:
                images[target] = next(made)
            if real:
                fake[target] = next(made)
            if real and identity:
                same[target] = next(made)
        back = {
            key: self._through(self.generators[key], fake[other]) for key, other in self.other.items() if real
        }
        return Translation(real=dict(real), fake=fake, back=back, same=same, known=known)

    def draw_looks(self, chance: torch.Generator) -> dict[str, Look]:
        """How the discriminators look at the fakes of one step while the generators learn, by contrast."""
        return {key: draw_look(self.spatial_dims, chance) for key in self.other if self.augment}

    def generator_losses(
        self, made: Translation, weights: Weights, looks: Mapping[str, Look]
    ) -> tuple[torch.Tensor, Losses]:
        """The generators' loss of a translation, and its unweighted parts for the record.

        Each is a mean over the images, so that the loss of a batch is the weighted mean of those of its parts.

        Args:
            made: what they made.
            weights: how much each part counts.
            looks: of `draw_looks`, one for the whole batch.
        """
        total = torch.zeros((), device=next(iter(made.real.values())).device)
        parts: dict[str, torch.Tensor] = {}
        for key, other in self.other.items():
            logits = self._judged(key, made.fake[key], looks)
            fooled = self.adversarial(logits, real=True, for_discriminator=False)
            cycle = self.cycle(made.back[key], made.real[key])
            total = total + weights.adversarial * fooled + weights.cycle * cycle
            parts |= {f"adversarial_{key}": fooled, f"cycle_{key}": cycle}
            if weights.structure:
                structure = self.structure(made.real[other], made.fake[key])
                total = total + weights.structure * structure
                parts[f"structure_{key}"] = structure
            if key in made.same:
                identity = functional.l1_loss(made.same[key], made.real[key])
                total = total + weights.identity * identity
                parts[f"identity_{key}"] = identity
        return total, {name: value.detach() for name, value in parts.items()}

    def supervised_loss(
        self, pairs: Mapping[str, torch.Tensor], made: Images, *, name: str = "simulated"
    ) -> tuple[torch.Tensor, Losses]:
        """The error of both generators on images whose partner is known, and its absolute parts.

        Args:
            pairs: (N, C, ...) images by contrast; where there is one, `t1_seen` is translated in the place of `t1`.
            made: what `translate` made of them.
            name: of the parts in the record, such as `simulated_t2`.
        """
        total = torch.zeros((), device=next(iter(pairs.values())).device)
        record: Losses = {}
        for key in self.other:
            loss, absolute = self.supervised(made[key], pairs[key])
            total = total + loss
            record[f"{name}_{key}"] = absolute.detach()
        return total, record

    def exchange(
        self, fakes: Mapping[str, torch.Tensor], chance: torch.Generator
    ) -> tuple[Images, dict[str, Look]]:
        """The fakes of one step's whole batch -> those that the discriminators learn from, and how they look at them.

        Args:
            fakes: by contrast, without gradients.
            chance: on the CPU.
        """
        handed: Images = {}
        looks: dict[str, Look] = {}
        for key in self.other:
            handed[key] = self.history[key].exchange(fakes[key], chance)
            if self.augment:
                looks[key] = draw_look(self.spatial_dims, chance)
        return handed, looks

    def discriminator_losses(
        self, real: Mapping[str, torch.Tensor], fakes: Mapping[str, torch.Tensor], looks: Mapping[str, Look]
    ) -> tuple[torch.Tensor, Losses]:
        """The discriminators' loss of as many real images as fakes, both in one pass, and the record of it.

        In the record, `real_t2` and `fake_t2` are the mean logits of real and of fake T2 images.

        Args:
            real: by contrast.
            fakes: of `exchange`.
            looks: of `exchange`.
        """
        total = torch.zeros((), device=next(iter(real.values())).device)
        record: Losses = {}
        for key in self.other:
            count = len(real[key])
            logits = self._judged(key, torch.cat([real[key], fakes[key]]), looks)
            of_real = [view[:count] for view in logits]
            of_fake = [view[count:] for view in logits]
            loss = 0.5 * (
                self.adversarial(of_real, real=True, for_discriminator=True)
                + self.adversarial(of_fake, real=False, for_discriminator=True)
            )
            total = total + loss
            record[f"discriminator_{key}"] = loss.detach()
            record[f"real_{key}"] = of_real[0].detach().mean()
            record[f"fake_{key}"] = of_fake[0].detach().mean()
        return total, record

    def _judged(self, key: str, images: torch.Tensor, looks: Mapping[str, Look]) -> list[torch.Tensor]:
        """The logits of each view."""
        if self.augment:
            images = shift_and_cut(images, looks[key])
        logits: list[torch.Tensor] = self._through(self.discriminators[key], images)
        return logits

    def _in_one_pass(self, network: nn.Module, batches: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """What a network makes of each batch; together where they are of one size, since few large passes cost less.

        The networks scale every image by itself (instance norm), so that neighbours in a batch change nothing.
        """
        if len({batch.shape[1:] for batch in batches}) > 1:
            return [self._through(network, batch) for batch in batches]
        together: torch.Tensor = self._through(network, torch.cat(list(batches)))
        return torch.split(together, [len(batch) for batch in batches])

    def _through(self, network: nn.Module, images: torch.Tensor) -> Any:
        """A pass through a network; dropout and autocast are the same when it is done once more."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(network, images, use_reentrant=False)
        return network(images)
