"""Variants of training images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from medgan.preparation import AugmentationSettings, augmentation

MakeHead = Callable[..., np.ndarray]

OFF = AugmentationSettings(flip=0, rotate=0, scale=0, gamma=None)
ALWAYS = AugmentationSettings(flip=0.5, rotate=15, scale=0.1, gamma=(0.7, 1.4), probability=1)


@pytest.fixture
def image(make_head: MakeHead) -> torch.Tensor:
    return torch.from_numpy(make_head((48, 56, 16)))[None] / 150 - 1


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_shape_and_range_are_kept_and_the_result_is_a_plain_tensor(
    spatial_dims: int, image: torch.Tensor
) -> None:
    given = image[..., 8] if spatial_dims == 2 else image
    vary = augmentation(ALWAYS, spatial_dims=spatial_dims)
    for seed in range(5):
        vary.set_random_state(seed=seed)
        varied = vary(given)
        assert type(varied) is torch.Tensor
        assert varied.shape == given.shape
        assert varied.dtype == torch.float32
        assert varied.min() >= -1
        assert varied.max() <= 1
        assert not torch.equal(varied, given)


def test_one_seed_gives_one_result(image: torch.Tensor) -> None:
    results = []
    for seed in (3, 3, 4):
        vary = augmentation(ALWAYS, spatial_dims=2)
        vary.set_random_state(seed=seed)
        results.append(vary(image[..., 8]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_one_transform_seeded_again_gives_the_same_again(image: torch.Tensor) -> None:
    vary = augmentation(ALWAYS, spatial_dims=3)
    vary.set_random_state(seed=11)
    first = vary(image)
    vary(image)
    vary.set_random_state(seed=11)
    assert torch.equal(vary(image), first)


@pytest.mark.parametrize("settings", [OFF, AugmentationSettings(flip=0, probability=0)], ids=str)
def test_turned_off_it_changes_nothing(settings: AugmentationSettings, image: torch.Tensor) -> None:
    assert settings.off
    assert torch.equal(augmentation(settings, spatial_dims=3)(image), image)
    assert not AugmentationSettings().off


def test_only_left_and_right_are_swapped(image: torch.Tensor) -> None:
    vary = augmentation(OFF.model_copy(update={"flip": 1.0}), spatial_dims=3)
    assert torch.equal(vary(image), image.flip(1))


def test_background_stays_background(image: torch.Tensor) -> None:
    vary = augmentation(ALWAYS, spatial_dims=2)
    for seed in range(10):
        vary.set_random_state(seed=seed)
        varied = vary(image[..., 8])
        corners = varied[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        torch.testing.assert_close(corners, torch.full_like(corners, -1), atol=1e-4, rtol=0)


def test_a_crop_out_of_the_middle_of_a_head_gets_no_black_corners(image: torch.Tensor) -> None:
    crop = image[:, 16:32, 20:36, 8].clamp(min=0)
    vary = augmentation(AugmentationSettings(rotate=45, gamma=None, probability=1), spatial_dims=2)
    for seed in range(10):
        vary.set_random_state(seed=seed)
        assert vary(crop).min() >= -1e-5


def test_the_channels_of_a_slab_are_varied_alike(image: torch.Tensor) -> None:
    slab = image[..., 8].repeat(3, 1, 1)
    vary = augmentation(ALWAYS, spatial_dims=2)
    vary.set_random_state(seed=1)
    varied = vary(slab)
    assert torch.equal(varied[0], varied[1])
    assert torch.equal(varied[0], varied[2])


def test_the_entries_of_a_dictionary_are_varied_alike(image: torch.Tensor) -> None:
    plane = image[..., 8]
    vary = augmentation(ALWAYS, spatial_dims=2, keys=["t1", "t2"])
    vary.set_random_state(seed=1)
    varied = vary({"t1": plane, "t2": plane, "name": "kept"})
    assert torch.equal(varied["t1"], varied["t2"])
    assert type(varied["t1"]) is torch.Tensor
    assert not torch.equal(varied["t1"], plane)
    assert varied["name"] == "kept"


def test_the_input_is_left_alone(image: torch.Tensor) -> None:
    before = image.clone()
    augmentation(ALWAYS, spatial_dims=3)(image)
    assert torch.equal(image, before)
