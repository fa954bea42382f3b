"""The two signs of trouble: nothing where mirror image and way back agree, and in the right place where they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medgan.models.translator import Translator
from medgan.preparation import PreparationSettings, Prepared, prepare
from medgan.scans import read_nifti
from medgan.uncertainty.signs import Signs, find_signs


class Negative(nn.Module):
    """Made and led back, it is the same again, and it knows no left or right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


class LeftSided(nn.Module):
    """Makes the first rows of the frame brighter, wherever the head's left is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = -x
        made[:, :, : x.shape[2] // 4] += 0.5
        return made


class Forgetful(nn.Module):
    """Loses what is bright."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x.clamp(max=0.0)


def through(network: nn.Module, *, slab: int = 1) -> Translator:
    return Translator(
        network, spatial_dims=2, slab=slab, patch=None, device=torch.device("cpu"), precision=torch.float32
    )


@pytest.fixture
def prepared(head: Callable[..., Path], tmp_path: Path) -> Callable[..., Prepared]:
    def make(affine: np.ndarray | None = None) -> Prepared:
        scan = read_nifti(head(tmp_path / "sub-01_T1w.nii.gz", "t1", 1, affine=affine))
        return prepare(scan, PreparationSettings(divisor=8), spatial_dims=2)

    return make


def signs(prepared: Prepared, there: nn.Module, back: nn.Module, **more: object) -> Signs:
    first = through(there)
    made = first(prepared.image, slab_step=1)
    return find_signs(prepared, made, there=first, back=through(back), slab_step=1, **more)


def test_where_all_agrees_there_is_no_sign(prepared: Callable[..., Prepared]) -> None:
    found = signs(prepared(), Negative(), Negative())
    assert found.flip.max() == found.cycle.max() == 0
    assert found.flip.shape == prepared().frame.canonical


def test_what_is_not_the_same_on_the_mirror_image_shows_on_both_sides(
    prepared: Callable[..., Prepared],
) -> None:
    one = prepared()
    found = signs(one, LeftSided(), Negative())
    inside = found.flip * one.head
    width = inside.shape[0]
    assert inside[width // 2 - 2 : width // 2 + 2].max() < 0.01
    assert inside[: width // 4].max() > 0.1
    assert inside[-width // 4 :].max() > 0.1


def test_what_the_way_back_does_not_find_again_shows_where_it_was_lost(
    prepared: Callable[..., Prepared],
) -> None:
    one = prepared()
    found = signs(one, Forgetful(), Negative())
    bright = one.image[0].numpy() > 0.6
    dark = (one.image[0].numpy() < -0.2) & one.foreground[0].numpy()
    unpadded = tuple(
        slice(pad[0], pad[0] + n) for pad, n in zip(one.frame.padding, one.frame.resampled, strict=True)
    )
    assert found.cycle[bright[unpadded]].mean() > 2 * found.cycle[dark[unpadded]].mean()
    assert found.flip.max() == 0


def test_the_signs_are_on_canonical_axes_whatever_the_scan_has(prepared: Callable[..., Prepared]) -> None:
    upright = signs(prepared(), Forgetful(), Negative())
    turned = signs(prepared(np.diag([-5.0, -5, 5, 1])), Forgetful(), Negative())
    assert np.allclose(upright.cycle, turned.cycle, atol=1e-5)


def test_chosen_slices_are_as_if_all_had_been_asked_for(prepared: Callable[..., Prepared]) -> None:
    one, there, back = prepared(), through(LeftSided(), slab=3), through(Forgetful(), slab=3)
    depth, planes = one.image.shape[3], [0, 7, 9]
    everywhere = find_signs(one, there(one.image, slab_step=2), there=there, back=back, slab_step=2)
    seen = there.seen(planes, depth, 2)
    assert seen == [0, 2, 5, 7, 9, 11]
    made = there(one.image, slab_step=2, planes=seen)
    some = find_signs(one, made, there=there, back=back, slab_step=2, planes=planes)
    for name in ("flip", "cycle"):
        assert np.allclose(
            getattr(some, name)[:, :, planes], getattr(everywhere, name)[:, :, planes], atol=1e-6
        )


def test_an_output_beyond_the_range_counts_as_what_is_written(prepared: Callable[..., Prepared]) -> None:
    class Loud(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 0, 50.0 + x, -x)

    found = signs(prepared(), Loud(), Negative())
    assert found.flip.max() <= 1
    assert found.cycle.max() <= 1
