"""Losses are what they say, at values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import SSIMLoss

from medgan.cyclegan.losses import AdversarialLoss, CycleLoss, SimilarityLoss, StructureLoss, as_single


def structured(*, seed: int = 0, size: tuple[int, ...] = (24, 32), count: int = 1) -> torch.Tensor:
    """Smooth random patches in [-1, 1]."""
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 1, *(side // 4 for side in size), generator=chance)
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return torch.tanh(torch.nn.functional.interpolate(coarse, scale_factor=4, mode=mode))


def test_least_squares_is_the_mean_squared_distance_of_raw_logits_from_1_and_0() -> None:
    loss = AdversarialLoss("least_squares")
    logits = [torch.tensor([[-3.0, 0.5]])]
    assert loss(logits, real=True, for_discriminator=True).item() == pytest.approx((16 + 0.25) / 2)
    assert loss(logits, real=False, for_discriminator=True).item() == pytest.approx((9 + 0.25) / 2)
    assert loss(logits, real=True, for_discriminator=False).item() == pytest.approx((16 + 0.25) / 2)


def test_several_views_count_alike_however_many_patches_each_has() -> None:
    loss = AdversarialLoss("least_squares")
    views = [torch.zeros(1, 1, 8, 8), torch.full((1, 1, 2, 2), 3.0)]
    assert loss(views, real=True, for_discriminator=True).item() == pytest.approx((1 + 4) / 2)


def test_cross_entropy_is_that_of_a_sigmoid_of_the_logits() -> None:
    loss = AdversarialLoss("bce")
    for logit in (-2.0, 0.0, 1.5):
        value = loss([torch.tensor([[logit]])], real=True, for_discriminator=True).item()
        assert value == pytest.approx(math.log1p(math.exp(-logit)), abs=1e-5)


def test_the_cycle_loss_is_zero_for_the_same_image_and_l1_for_another() -> None:
    image = structured()
    assert CycleLoss(2)(image, image).item() == 0
    assert CycleLoss(2)(image + 0.5, image).item() == pytest.approx(0.5, abs=1e-6)
    mixed = CycleLoss(2, ssim_share=0.5)
    assert mixed(image, image).item() == pytest.approx(0, abs=1e-5)
    assert mixed(-image, image).item() > mixed(image + 0.1, image).item() > 0.01


@pytest.mark.parametrize("shape", [(2, 3, 24, 33), (2, 1, 13, 20, 16)])
def test_the_dissimilarity_is_that_of_monai(shape: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    made, real = (torch.tanh(torch.randn(shape, generator=draw)) for _ in range(2))
    dims = len(shape) - 2
    expected = SSIMLoss(dims, data_range=2.0)(as_single(made), as_single(real))
    assert SimilarityLoss(dims)(made, real).item() == pytest.approx(expected.item(), abs=1e-5)
    assert SimilarityLoss(dims)(real, real).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [(24, 32), (16, 16, 16)])
def test_the_structure_loss_is_blind_to_the_sign_and_the_strength_of_contrast(size: tuple[int, ...]) -> None:
    loss, image = StructureLoss(len(size)), structured(size=size)
    same, inverted, faint = (loss(image, factor * image).item() for factor in (1.0, -1.0, 0.4))
    assert same == pytest.approx(inverted, abs=1e-4)
    assert same < 0.1
    assert faint < 0.2


def test_the_structure_loss_tells_another_image_and_a_shifted_one() -> None:
    loss, image = StructureLoss(2), structured(seed=1)
    same = loss(image, image).item()
    assert loss(image, structured(seed=2)).item() > same + 0.4
    assert loss(image, torch.roll(image, 4, dims=-1)).item() > same + 0.3


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("kind", ["flat both", "flat source", "flat fake", "head on flat", "nearly flat"])
def test_the_structure_loss_does_not_explode_over_flat_background(kind: str, autocast: bool) -> None:
    flat, image = torch.full((1, 1, 24, 32), -1.0), structured()
    head = flat.clone()
    head[..., 8:16, 10:20] = image[..., 8:16, 10:20]
    noise = flat + 1e-3 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(3))
    source, fake = {
        "flat both": (flat, flat),
        "flat source": (flat, image),
        "flat fake": (image, flat),
        "head on flat": (head, -head - 2 * (head == -1)),
        "nearly flat": (noise, -noise - 2),
    }[kind]
    fake = fake.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = StructureLoss(2)(source, fake)
    loss.backward()
    assert -1e-3 <= loss.item() <= 1 + 1e-3
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
    assert fake.grad.abs().max() < 1


def test_the_structure_loss_is_the_same_under_autocast_to_bfloat16() -> None:
    image, other = structured(seed=4), structured(seed=5)
    plain = StructureLoss(2)(image, other)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = StructureLoss(2)(image, other)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)


def test_the_slices_of_a_slab_are_compared_each_with_its_own() -> None:
    assert as_single(torch.zeros(2, 3, 8, 9)).shape == (6, 1, 8, 9)
    slab = structured(count=3).reshape(1, 3, 24, 32)
    loss = StructureLoss(2)
    assert loss(slab, slab).item() < 0.1
    assert loss(slab, slab.flip(1)).item() > 0.3
