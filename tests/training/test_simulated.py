"""Simulated pairs lie on each other voxel by voxel, on a grid like the scans'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medgan.recipe import Recipe, load_recipe
from medgan.training.cases import Cases, prepare_folder
from medgan.training.sampling import Batches
from medgan.training.simulated import simulate_pairs


def recipe(*changes: str, name: str = "slices") -> Recipe:
    plain = (
        "preparation.spacing=null",
        "augmentation.flip=0",
        "augmentation.probability=0",
        "simulation.heads=2",
    )
    return load_recipe(name, [*plain, *changes])


def simulated(settings: Recipe, folders: Any, cache: Path, *, seed: int = 0, **more: Any) -> dict[str, Cases]:
    real = {
        key: prepare_folder(getattr(folders, key), key, recipe=settings, cache=cache) for key in ("t1", "t2")
    }
    return simulate_pairs(settings, real, cache=cache, seed=seed, **more)


def test_there_are_as_many_heads_as_asked_for_on_a_grid_like_the_scans(
    head_folders: Any, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    pairs = simulated(
        recipe(), head_folders, tmp_path, advance=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]
    for cases in pairs.values():
        assert len(cases.cases) == 2
        for case in cases.cases:
            assert case.spacing == pytest.approx((5, 5, 5))
            assert case.voxels().min() == -1
            assert case.voxels().max() == 1
    assert simulated(recipe("simulation.heads=0"), head_folders, tmp_path) == {
        key: Cases(key, (), (), ()) for key in ("t1", "t2")
    }


def test_thick_slices_of_the_scans_are_thick_in_the_simulation(head: Any, tmp_path: Path) -> None:
    affine = np.diag([2.5, 2.5, 5.0, 1.0])
    for key in ("t1", "t2"):
        head(tmp_path / key / "scan.nii.gz", key, 1, affine=affine, shape=(40, 48, 16))
    folders = type("Folders", (), {"t1": tmp_path / "t1", "t2": tmp_path / "t2"})
    for cases in simulated(recipe("simulation.heads=1"), folders, tmp_path / "cache").values():
        assert cases.cases[0].spacing == pytest.approx((2.5, 2.5, 5.0))


def test_the_two_images_of_a_head_share_all_that_images_are_drawn_by(
    head_folders: Any, tmp_path: Path
) -> None:
    pairs = simulated(recipe(), head_folders, tmp_path)
    for t1, t2 in zip(pairs["t1"].cases, pairs["t2"].cases, strict=True):
        assert t1.shape == t2.shape
        assert t1.head == t2.head
        assert t1.slices == t2.slices
        assert t1.digest != t2.digest


@pytest.mark.parametrize("name", ["slices", "volumes"])
def test_drawn_pairs_show_the_same_place(name: str, head_folders: Any, tmp_path: Path) -> None:
    """The background of a pair is the same but for the scalp, where one drawn elsewhere in the head is not."""
    changes = ("sampling.crop=24", "generator.channels=[4, 8]", "discriminator.layers=1", "batch_size=4")
    settings = recipe(*changes, *(("sampling.slab=1",) if name == "slices" else ()), name=name)
    pairs = simulated(settings, head_folders, tmp_path)
    batches = Batches(pairs, settings, slab=1, seed=0, paired=True)
    for step in range(8):
        images = batches.batch(step)
        t1, t2 = (images[key] > -0.99 for key in ("t1", "t2"))
        agreed = ((t1 & t2).sum() / (t1 | t2).sum()).item()
        shifted = ((t1 & torch.roll(t2, 3, dims=2)).sum() / (t1 | torch.roll(t2, 3, dims=2)).sum()).item()
        assert agreed > 0.75
        assert agreed > shifted


def test_the_seed_decides_the_heads(head_folders: Any, tmp_path: Path) -> None:
    one, again, other = (
        [case.digest for case in simulated(recipe(), head_folders, tmp_path / name, seed=seed)["t1"].cases]
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    assert one == again
    assert not set(one) & set(other)
