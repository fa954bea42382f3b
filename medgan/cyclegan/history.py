"""A history of fakes, so that a discriminator does not forget (Shrivastava et al., CVPR 2017)."""

from __future__ import annotations

import torch


class FakeHistory:
    """Keeps up to `size` fakes; half of those it hands out are old ones, which newer ones replace.

    Args:
        size: fakes kept; 0 hands back what it is given.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.fakes: list[torch.Tensor] = []

    def exchange(self, fakes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(N, ...) fakes -> (N, ...), of which about half come from earlier steps.

        Args:
            fakes: this step's fakes, without gradients.
            generator: source of chance on the CPU; the same state gives the same choice.
        """
        if self.size == 0:
            return fakes
        handed = []
        for fake in fakes:
            if len(self.fakes) < self.size:
                self.fakes.append(fake.clone())
                handed.append(fake)
                continue
            draw = torch.randint(2 * self.size, (), generator=generator).item()
            if draw >= self.size:
                handed.append(fake)
                continue
            old, self.fakes[int(draw)] = self.fakes[int(draw)], fake.clone()
            handed.append(old if old.shape == fake.shape else fake)  # of a coarser stage: only replaced
        return torch.stack(handed)
