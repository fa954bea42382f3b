"""What a network sees in scans of the contrast that it translates, as vectors, for comparing scans with scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from medgan.contrasts import other
from medgan.models.folder import Model
from medgan.models.loading import load_translator
from medgan.preparation import prepare
from medgan.preparation.slabs import slab_step
from medgan.scans import Scan

_PLANES = 8
_VECTORS = 256
_COVERED = 0.5  # of a place, by the head


def feature_reader(
    model: Model, key: str, device: torch.device
) -> Callable[[Scan], npt.NDArray[np.float64]] | None:
    """A call that gives the vectors of a scan: those at a coarse level of the network that takes `key`.

    They are of places in the head, evenly chosen over slices that are, not means over an image, of which
    instance normalisation leaves nothing.

    Args:
        model: of 2D networks; None is returned of one that sees patches in 3D.
        key: contrast that the network takes.
        device: where it runs.

    Raises:
        ModelRefusedError: the model lacks that direction, or is damaged.
    """
    recipe = model.manifest.recipe
    if recipe.spatial_dims == 3:
        return None
    translator = load_translator(model, other(key).key, device)
    network: Any = translator.generator
    seen: list[torch.Tensor] = []

    def keep(module: Any, given: Any, made: torch.Tensor) -> None:
        seen.append(made.detach().float().cpu())

    network.coarse.register_forward_hook(keep)

    def read(scan: Scan) -> npt.NDArray[np.float64]:
        prepared = prepare(scan, recipe.preparation, spatial_dims=recipe.spatial_dims)
        shown = np.flatnonzero(prepared.foreground[0].any(dim=0).any(dim=0).numpy())
        planes = _evenly(shown, _PLANES).tolist()
        step = slab_step(recipe.sampling.slab_spacing, prepared.spacing[2])
        seen.clear()
        translator(prepared.image, slab_step=step, planes=planes)
        maps = torch.cat(seen)
        heads = prepared.foreground[0, :, :, planes].permute(2, 0, 1)[:, None].float()
        inside = functional.adaptive_avg_pool2d(heads, (maps.shape[2], maps.shape[3]))[:, 0] >= _COVERED
        rows = maps.permute(0, 2, 3, 1)[inside].double().numpy()
        return np.asarray(rows[_evenly(np.arange(len(rows)), _VECTORS)])

    return read


def _evenly(values: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """At most so many of them, evenly chosen."""
    if len(values) <= count:
        return values
    return np.asarray(values[((np.arange(count) + 0.5) * len(values) / count).astype(int)])
