"""A prepared volume through a generator: slice by slice, slab by slab, or in blended 3D patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from medgan.devices import autocast
from medgan.preparation.slabs import slab_planes

_PIXELS_AT_ONCE = 1 << 17
"""Of the images in one pass on a CPU: many more take twice as long, since their memory has to be had anew each time."""
_PIXELS_AT_ONCE_ON_GPU = 1 << 20


class Translator:
    """A generator on its device, ready for volumes of any size.

    Args:
        generator: in evaluation mode; None where there is a compiled one.
        spatial_dims: 2 or 3.
        slab: slices that it sees at once.
        patch: side of a 3D network's patches, as in training.
        device: where it runs.
        precision: what convolutions compute in.
        compiled: the same network on the CPU in another form, which takes its place.
        engine: what computes, for the record; torch where it is None.
    """

    def __init__(
        self,
        generator: nn.Module | None,
        *,
        spatial_dims: int,
        slab: int,
        patch: int | None,
        device: torch.device,
        precision: torch.dtype,
        compiled: Callable[[torch.Tensor], torch.Tensor] | None = None,
        engine: str | None = None,
    ) -> None:
        self.generator = None if generator is None else generator.to(device).eval()
        self.compiled = compiled
        self.spatial_dims, self.slab, self.patch = spatial_dims, slab, patch
        self.device, self.precision = device, precision
        self.engine = engine or f"torch {torch.__version__}"

    def seen(self, planes: Sequence[int], depth: int, slab_step: int) -> list[int]:
        """The slices that lie in the slabs around some slices, in order."""
        return sorted({near for one in planes for near in slab_planes(one, depth, self.slab, slab_step)})

    @torch.inference_mode()
    def __call__(
        self,
        image: torch.Tensor,
        *,
        slab_step: int,
        planes: Sequence[int] | None = None,
        advance: Callable[[int, int], None] = lambda done, total: None,
    ) -> torch.Tensor:
        """(1, X, Y, Z) in [-1, 1] on the CPU -> the same of the target contrast.

        Args:
            image: the prepared volume.
            slab_step: how many of its slices lie between two of a slab.
            planes: the slices that are wanted (2D); the others stay -1. All where it is None.
            advance: told how many of how many slices are done; in 3D, at each step, that the one volume is not.
        """
        if self.spatial_dims == 3:
            return self._patches(image, advance)
        _, width, height, depth = image.shape
        wanted = list(range(depth) if planes is None else planes)
        made = torch.full_like(image, -1.0)
        at_once = _PIXELS_AT_ONCE if self.device.type == "cpu" else _PIXELS_AT_ONCE_ON_GPU
        group = max(1, at_once // (width * height))
        for first in range(0, len(wanted), group):
            some = wanted[first : first + group]
            slabs = torch.stack(
                [image[0, :, :, slab_planes(plane, depth, self.slab, slab_step)] for plane in some]
            ).permute(0, 3, 1, 2)
            middle = self._run(slabs)[:, self.slab // 2]
            made[0, :, :, some] = middle.permute(1, 2, 0)
            advance(first + len(some), len(wanted))
        return made

    def _patches(self, image: torch.Tensor, advance: Callable[[int, int], None]) -> torch.Tensor:
        """Overlapping patches, blended by a gaussian so that no border shows."""
        from monai.inferers import SlidingWindowInferer

        patch = self.patch or 64
        padding = [size for axis in (3, 2, 1) for size in (0, max(0, patch - image.shape[axis]))]
        padded = functional.pad(image, padding, value=-1.0)
        inferer = SlidingWindowInferer(
            roi_size=(patch,) * 3,
            sw_batch_size=2,
            overlap=0.5,
            mode="gaussian",
            sw_device=self.device,
            device="cpu",
        )

        def step(patches: torch.Tensor) -> torch.Tensor:
            advance(0, 1)
            return self._run(patches)

        made: Any = inferer(padded[None], step)
        advance(1, 1)
        _, width, height, depth = image.shape
        volume: torch.Tensor = made[0, :, :width, :height, :depth]
        return volume

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        if self.compiled is not None:
            return self.compiled(images)
        assert self.generator is not None  # noqa: S101 - one of the two is there
        with autocast(self.device, self.precision):
            made: torch.Tensor = self.generator(images.to(self.device))
        return made.float().cpu()
