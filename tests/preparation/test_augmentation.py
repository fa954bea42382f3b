"""Variants of training images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from medgan.preparation import AugmentationSettings, vary

MakeHead = Callable[..., np.ndarray]

OFF = AugmentationSettings(flip=0, rotate=0, scale=0, gamma=None)
ALWAYS = AugmentationSettings(flip=0.5, rotate=15, scale=0.1, gamma=(0.7, 1.4), probability=1)


@pytest.fixture
def image(make_head: MakeHead) -> torch.Tensor:
    """(1, 1, 48, 56, 16)"""
    return torch.from_numpy(make_head((48, 56, 16)))[None, None] / 150 - 1


def with_seed(images: torch.Tensor, settings: AugmentationSettings, seed: int) -> torch.Tensor:
    return vary(images, settings, np.random.default_rng(seed))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_shape_and_range_are_kept(spatial_dims: int, image: torch.Tensor) -> None:
    given = image[..., 8] if spatial_dims == 2 else image
    for seed in range(5):
        varied = with_seed(given, ALWAYS, seed)
        assert varied.shape == given.shape
        assert varied.dtype == torch.float32
        assert varied.min() >= -1 - 1e-5
        assert varied.max() <= 1 + 1e-5
        assert not torch.equal(varied, given)


def test_one_seed_gives_one_result(image: torch.Tensor) -> None:
    first, again, other = (with_seed(image, ALWAYS, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("settings", [OFF, AugmentationSettings(flip=0, probability=0)], ids=str)
def test_turned_off_it_changes_nothing(settings: AugmentationSettings, image: torch.Tensor) -> None:
    assert settings.off
    assert torch.equal(with_seed(image, settings, 0), image)
    assert not AugmentationSettings().off


def test_only_left_and_right_are_swapped(image: torch.Tensor) -> None:
    varied = with_seed(image, OFF.model_copy(update={"flip": 1.0}), 0)
    torch.testing.assert_close(varied, image.flip(2), atol=1e-4, rtol=0)


def test_a_turn_keeps_the_shape_of_a_disc_in_a_frame_that_is_not_square() -> None:
    x, y = np.mgrid[-24:24, -40:40] + 0.5
    disc = torch.from_numpy(np.where(x**2 + y**2 < 15**2, 1.0, -1.0).astype(np.float32))[None, None]
    turned = with_seed(disc, AugmentationSettings(flip=0, rotate=90, scale=0, gamma=None, probability=1), 2)
    assert (turned - disc).abs().mean() < 0.03


def test_scaling_alone_makes_a_disc_larger_or_smaller() -> None:
    x, y = np.mgrid[-24:24, -24:24] + 0.5
    disc = torch.from_numpy(np.where(x**2 + y**2 < 12**2, 1.0, -1.0).astype(np.float32))[None, None]
    settings = AugmentationSettings(flip=0, rotate=0, scale=0.2, gamma=None, probability=1)
    areas = [float((with_seed(disc, settings, seed) > 0).sum()) for seed in range(20)]
    assert min(areas) < 0.9 * float((disc > 0).sum()) < 1.1 * float((disc > 0).sum()) < max(areas)


def test_the_images_of_a_batch_are_varied_each_in_its_own_way(image: torch.Tensor) -> None:
    varied = with_seed(image[..., 8].repeat(4, 1, 1, 1), ALWAYS, 1)
    assert not torch.equal(varied[0], varied[1])


def test_background_stays_background(image: torch.Tensor) -> None:
    for seed in range(10):
        corners = with_seed(image[..., 8], ALWAYS, seed)[..., [0, 0, -1, -1], [0, -1, 0, -1]]
        torch.testing.assert_close(corners, torch.full_like(corners, -1), atol=1e-4, rtol=0)


def test_a_crop_out_of_the_middle_of_a_head_gets_no_black_corners(image: torch.Tensor) -> None:
    crop = image[:, :, 16:32, 20:36, 8].clamp(min=0)
    settings = AugmentationSettings(rotate=45, gamma=None, probability=1)
    for seed in range(10):
        assert with_seed(crop, settings, seed).min() >= -1e-5


def test_the_channels_of_a_slab_are_varied_alike(image: torch.Tensor) -> None:
    varied = with_seed(image[..., 8].repeat(1, 3, 1, 1), ALWAYS, 1)
    assert torch.equal(varied[:, 0], varied[:, 1])
    assert torch.equal(varied[:, 0], varied[:, 2])


def test_a_bent_contrast_keeps_black_and_white(image: torch.Tensor) -> None:
    settings = AugmentationSettings(flip=0, rotate=0, scale=0, gamma=(2.0, 2.0), probability=1)
    given = torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 3, 1).repeat(1, 1, 1, 4)
    torch.testing.assert_close(
        with_seed(given, settings, 0)[0, 0, :, 0], torch.tensor([-1.0, -0.5, 1.0]), atol=1e-5, rtol=0
    )


def test_the_input_is_left_alone(image: torch.Tensor) -> None:
    before = image.clone()
    with_seed(image, ALWAYS, 0)
    assert torch.equal(image, before)
