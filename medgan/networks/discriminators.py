"""Discriminators: MONAI's PatchGAN, at one or several views of the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn
from torch.nn import functional


class MultiViewDiscriminator(nn.Module):
    """One PatchGAN (Isola et al., CVPR 2017) per view; a view of n sees the image averaged over n pixels.

    The fine view judges texture. A coarse one sees most of the head at once, so it knows that a ventricle is
    bright in T2w wherever the fine one sees only an edge of either polarity.

    Args:
        spatial_dims: 2 or 3.
        slab: channels of the image, as in the generators.
        channels: feature channels of the first layer.
        layers: convolutions after it; all but the last halve the size.
        views: averaging factors, 1 for the image itself.
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        slab: int = 1,
        channels: int = 32,
        layers: int = 3,
        views: Sequence[int] = (1,),
    ) -> None:
        super().__init__()
        self.views = tuple(views)
        self.pool = functional.avg_pool2d if spatial_dims == 2 else functional.avg_pool3d
        self.patches = nn.ModuleList(
            PatchDiscriminator(
                spatial_dims=spatial_dims,
                channels=channels,
                in_channels=slab,
                num_layers_d=layers if view == 1 else min(layers, 2),
                norm="INSTANCE",
            )
            for view in self.views
        )

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(N, slab, ...) -> raw logits (N, 1, ...) of each view, above 0.5 (LSGAN) or 0 (BCE) for real."""
        return [
            patch(image if view == 1 else self.pool(image, view))[-1].float()
            for view, patch in zip(self.views, self.patches, strict=True)
        ]
