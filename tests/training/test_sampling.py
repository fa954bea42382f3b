"""What a step sees follows from the seed and its number alone, and comes from matching heights of the head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from medgan.recipe import Recipe, load_recipe
from medgan.training.sampling import Batches

PLAIN = ("augmentation.flip=0", "augmentation.probability=0", "sampling.slab=1", "preparation.divisor=8")
SMALL = ("generator.channels=[4, 8]", "discriminator.layers=1", "training.coarse=[]")


def recipe(*changes: str, name: str = "slices") -> Recipe:
    return load_recipe(name, [*PLAIN, *SMALL, *changes])


def heights(depth: int, *, side: int = 16) -> np.ndarray:
    """A volume whose every voxel says how far up it lies, -1 to 1."""
    return np.broadcast_to(np.linspace(-1, 1, depth), (side, side, depth))


def seen(batches: Batches, key: str, steps: int = 60) -> np.ndarray:
    """The heights that `heights` shows, 0 to 1, of all images of some steps."""
    return (
        np.concatenate([batches.batch(step)[key].amax(dim=(1, 2, 3)).numpy() for step in range(steps)]) / 2
        + 0.5
    )


def test_a_step_sees_the_same_again_and_another_step_or_seed_something_else(
    make_case: Any, as_domains: Any
) -> None:
    chance = np.random.default_rng(0)
    domains = as_domains(*([make_case(chance.uniform(-1, 1, (32, 40, 12)))] for _ in "12"))
    settings = recipe("augmentation.flip=0.5", "augmentation.probability=0.5", "crop=24")
    first, again = (Batches(domains, settings, slab=1, seed=3) for _ in "12")
    ahead = [again.batch(step) for step in (7, 2, 5)]
    for step, images in zip((7, 2, 5), ahead, strict=True):
        for key in ("t1", "t2"):
            assert torch.equal(first.batch(step)[key], images[key])
    assert not torch.equal(first.batch(2)["t1"], first.batch(3)["t1"])
    other = Batches(domains, settings, slab=1, seed=4)
    assert not torch.equal(first.batch(2)["t1"], other.batch(2)["t1"])


def test_global_chance_has_no_say(make_case: Any, as_domains: Any) -> None:
    domains = as_domains([make_case(heights(9))], [make_case(heights(9))])
    settings = recipe("augmentation.flip=0.5", "augmentation.probability=1", "augmentation.gamma=[0.5, 2]")
    batches = Batches(domains, settings, slab=1, seed=0)
    made = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        made.append(batches.batch(4)["t2"])
    assert torch.equal(*made)


def test_volumes_of_different_depth_are_matched_by_height(make_case: Any, as_domains: Any) -> None:
    domains = as_domains([make_case(heights(20))], [make_case(heights(50)), make_case(heights(33))])
    batches = Batches(domains, recipe("position_jitter=0"), slab=1, seed=0)
    assert batches.matched
    t1, t2 = seen(batches, "t1"), seen(batches, "t2")
    assert np.abs(t1 - t2).max() < 0.06
    assert t1.min() < 0.05
    assert t1.max() > 0.95


def test_jitter_spreads_the_match_and_without_matching_there_is_none(make_case: Any, as_domains: Any) -> None:
    domains = as_domains([make_case(heights(40))], [make_case(heights(40))])
    apart = {}
    for change in ("position_jitter=0.05", "position_jitter=0.2", "match_position=false"):
        batches = Batches(domains, recipe(change), slab=1, seed=0)
        t1, t2 = seen(batches, "t1"), seen(batches, "t2")
        apart[change] = float(np.abs(t1 - t2).mean())
    assert (
        0.02
        < apart["position_jitter=0.05"]
        < 0.12
        < apart["position_jitter=0.2"]
        < apart["match_position=false"]
    )
    assert not batches.matched


def test_heights_are_those_in_the_head_not_in_the_field_of_view(make_case: Any, as_domains: Any) -> None:
    """The same head, once in a tall field of view: its slices still match."""
    low = np.full((16, 16, 60), -1.0)
    low[:, :, 5:25] = heights(20)
    tall = make_case(low, head=((0, 15), (0, 15), (5, 24)), slices=tuple(range(5, 25)))
    batches = Batches(
        as_domains([tall], [make_case(heights(20))]), recipe("position_jitter=0"), slab=1, seed=0
    )
    assert np.abs(seen(batches, "t1") - seen(batches, "t2")).max() < 0.06


def picture(make_case: Any, height: float, rank: tuple[str, int] | None) -> Any:
    return make_case(np.full((16, 16, 1), height), kind="picture", bits=8, rank=rank)


def test_numbered_pictures_are_matched_by_their_number(make_case: Any, as_domains: Any) -> None:
    numbers = [12, 3, 10, 9, 4, 11, 5, 8, 7, 6]
    t1 = [picture(make_case, (number - 3) / 9 * 2 - 1, ("a", number)) for number in numbers]
    batches = Batches(as_domains(t1, [make_case(heights(30))]), recipe("position_jitter=0"), slab=1, seed=0)
    assert batches.matched
    assert np.abs(seen(batches, "t1") - seen(batches, "t2")).max() < 0.12


@pytest.mark.parametrize("ranks", [[None] * 6, [("a", 1), ("b", 1), ("c", 7), ("d", 2), ("e", 3), ("f", 4)]])
def test_unnumbered_pictures_claim_no_match_and_are_all_seen(
    ranks: list[Any], make_case: Any, as_domains: Any
) -> None:
    t1 = [picture(make_case, index / 5 * 2 - 1, rank) for index, rank in enumerate(ranks)]
    batches = Batches(as_domains(t1, [make_case(heights(30))]), recipe("position_jitter=0"), slab=1, seed=0)
    assert not batches.matched
    assert len(np.unique(seen(batches, "t1").round(2))) == 6


def test_each_head_is_seen_as_often_whatever_its_slices(make_case: Any, as_domains: Any) -> None:
    few, many = make_case(np.full((16, 16, 4), -0.5)), make_case(np.full((16, 16, 60), 0.5))
    batches = Batches(as_domains([few, many], [few]), recipe(), slab=1, seed=0)
    share = (seen(batches, "t1", 100) > 0.5).mean()
    assert 0.4 < share < 0.6


def test_a_slab_repeats_the_outermost_slice_at_the_ends(make_case: Any, as_domains: Any) -> None:
    case = make_case(np.broadcast_to(np.array([0.0, 0.25, 0.5]), (16, 16, 3)))
    batches = Batches(as_domains([case], [case]), recipe("slab=3", "position_jitter=0"), slab=3, seed=0)
    slabs = {tuple(image[:, 0, 0].tolist()) for step in range(30) for image in batches.batch(step)["t1"]}
    assert slabs == {(0.0, 0.0, 0.25), (0.0, 0.25, 0.5), (0.25, 0.5, 0.5)}


def test_the_slices_of_a_slab_lie_as_far_apart_as_asked_for(make_case: Any, as_domains: Any) -> None:
    case = make_case(np.broadcast_to(np.arange(9) / 16, (16, 16, 9)), spacing=(1.0, 1.0, 2.0))
    settings = recipe("slab=3", "slab_spacing=4", "position_jitter=0")
    batches = Batches(as_domains([case], [case]), settings, slab=3, seed=0)
    slabs = {
        tuple((image[:, 0, 0] * 16).tolist()) for step in range(60) for image in batches.batch(step)["t1"]
    }
    assert (2.0, 4.0, 6.0) in slabs
    assert (0.0, 0.0, 2.0) in slabs


def test_images_of_different_size_share_a_frame_with_background_around(
    make_case: Any, as_domains: Any
) -> None:
    small, large = make_case(np.full((10, 20, 5), 0.5)), make_case(np.full((30, 18, 5), 0.5))
    batches = Batches(as_domains([small], [large]), recipe("crop=null"), slab=1, seed=0)
    t1, t2 = batches.batch(0)["t1"], batches.batch(0)["t2"]
    assert t1.shape == t2.shape == (t1.shape[0], 1, 32, 24)
    assert (t1[:, :, 11:21, 2:22] == 0.5).all()
    assert (t1 == 0.5).sum() == t1.shape[0] * 200
    assert t1.min() == -1


def test_crops_have_the_size_asked_for_and_come_from_everywhere(make_case: Any, as_domains: Any) -> None:
    across = make_case(np.broadcast_to(np.linspace(-1, 1, 64)[:, None, None], (64, 40, 5)))
    batches = Batches(as_domains([across], [across]), recipe("crop=16"), slab=1, seed=0)
    images = torch.cat([batches.batch(step)["t1"] for step in range(40)])
    assert images.shape[1:] == (1, 16, 16)
    assert images.amin() == -1
    assert images.amax() == 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(33, 50), (64, 64), (181, 217), (200, 208)])
def test_a_coarse_stage_shows_whole_frames_that_the_networks_can_take(
    scale: int, size: tuple[int, int], make_case: Any, as_domains: Any
) -> None:
    """Networks of the default recipe: three halvings and a discriminator of three layers."""
    case = make_case(np.full((*size, 3), 0.5))
    settings = load_recipe("slices", [*PLAIN, "preparation.divisor=16", "slab=1", "crop=32", "batch_size=1"])
    image = Batches(as_domains([case], [case]), settings, slab=1, seed=0).batch(0, scale=scale)["t1"]
    for side, whole in zip(image.shape[2:], size, strict=True):
        assert side % settings.halvings == 0
        assert side >= settings.least_side
        assert side >= whole / scale
    assert float((image[0] + 1).sum() / 1.5) == pytest.approx(size[0] * size[1] / scale**2, rel=1e-3)


def test_3d_patches_lie_in_the_head(make_case: Any, as_domains: Any) -> None:
    shape, head = (40, 48, 36), ((8, 30), (4, 44), (10, 33))
    volumes = []
    for axis in range(3):
        ramp = np.linspace(-1, 1, shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
        volumes.append(make_case(np.broadcast_to(ramp, shape), head=head))
    settings = recipe("crop=16", "spatial_dims=3", "position_jitter=0.3")
    for axis, case in enumerate(volumes):
        batches = Batches(as_domains([case], [case]), settings, slab=1, seed=0)
        assert batches.matched
        patches = torch.cat([batches.batch(step)["t1"] for step in range(40)])
        assert patches.shape[1:] == (1, 16, 16, 16)
        centres = (patches.mean(dim=(1, 2, 3, 4)) / 2 + 0.5) * (shape[axis] - 1)
        low, high = head[axis]
        assert centres.min() >= low - 1
        assert centres.max() <= high + 1
        assert centres.max() - centres.min() > 0.6 * (min(high, shape[axis] - 8) - max(low, 8))


def test_3d_patches_of_both_contrasts_are_matched(make_case: Any, as_domains: Any) -> None:
    t1, t2 = make_case(heights(80)), make_case(heights(120))
    settings = recipe("crop=16", "spatial_dims=3", "position_jitter=0")
    batches = Batches(as_domains([t1], [t2]), settings, slab=1, seed=0)
    apart = [
        (
            batches.batch(step)["t1"].mean(dim=(1, 2, 3, 4))
            - batches.batch(step)["t2"].mean(dim=(1, 2, 3, 4))
        ).abs()
        for step in range(20)
    ]
    assert torch.cat(apart).max() < 0.2


def test_a_volume_smaller_than_a_patch_is_padded(make_case: Any, as_domains: Any) -> None:
    case = make_case(np.full((10, 24, 6), 0.5))
    batches = Batches(as_domains([case], [case]), recipe("crop=16", "spatial_dims=3"), slab=1, seed=0)
    patch = batches.batch(0)["t1"]
    assert patch.shape[1:] == (1, 16, 16, 16)
    assert patch.min() == -1
    assert patch.max() == 0.5


def test_previews_are_spread_over_one_head_and_are_not_varied(make_case: Any, as_domains: Any) -> None:
    domains = as_domains([make_case(heights(20))], [make_case(heights(20))])
    settings = recipe("augmentation.flip=1", "augmentation.probability=1", "augmentation.gamma=[0.2, 0.2]")
    batches = Batches(domains, settings, slab=1, seed=0)
    images = batches.evenly("t1", 4)
    shown = images.amax(dim=(1, 2, 3)).tolist()
    assert shown == sorted(shown)
    assert len(set(shown)) == 4
    assert torch.equal(images, batches.evenly("t1", 4))


def test_simulated_pairs_are_one_slice_of_one_head_varied_alike(make_case: Any, as_domains: Any) -> None:
    """Their L1 would teach nonsense if the two images of a pair were turned or cut differently."""
    chance = np.random.default_rng(0)
    heads = [chance.uniform(-1, 1, (32, 40, 12)) for _ in range(3)]
    domains = as_domains([make_case(head) for head in heads], [make_case(-head) for head in heads])
    settings = recipe(
        "augmentation.flip=0.5", "augmentation.probability=1", "augmentation.gamma=null", "crop=24"
    )
    paired = Batches(domains, settings, slab=3, seed=0, paired=True)
    apart = Batches(domains, settings, slab=3, seed=0)
    for step in range(10):
        images = paired.batch(step)
        assert torch.allclose(images["t1"], -images["t2"], atol=1e-3)
        images = apart.batch(step)
        assert not torch.allclose(images["t1"], -images["t2"], atol=0.1)
    assert not torch.equal(paired.batch(0)["t1"][0], paired.batch(0)["t1"][1])


def test_simulated_patches_are_paired_too(make_case: Any, as_domains: Any) -> None:
    head = np.random.default_rng(0).uniform(-1, 1, (32, 40, 24))
    settings = recipe("crop=16", "spatial_dims=3", "augmentation.flip=0.5", "augmentation.probability=1")
    paired = Batches(as_domains([make_case(head)], [make_case(-head)]), settings, slab=1, seed=0, paired=True)
    for step in range(5):
        assert torch.allclose(paired.batch(step)["t1"], -paired.batch(step)["t2"], atol=1e-3)
