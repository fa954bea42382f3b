"""Generators keep size and range in 2D and 3D, learn in every part, and start where they are told to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from medgan.networks import Pix2PixGenerator, ResNetGenerator, UNetGenerator

CHANNELS = (3, 5, 7)
KINDS: dict[str, dict[str, Any]] = {
    "unet": {"class": UNetGenerator},
    "unet, transposed": {"class": UNetGenerator, "upsampling": "transposed"},
    "unet, no skip at full size": {"class": UNetGenerator, "finest_skip": 1},
    "unet, no skips at all": {"class": UNetGenerator, "finest_skip": 9},
    "unet, no residual units": {"class": UNetGenerator, "residual_units": 0},
    "unet, dropout": {"class": UNetGenerator, "dropout": 0.5},
    "pix2pix": {"class": Pix2PixGenerator, "channels": (3, 5), "residual_units": None},
    "pix2pix, dropout": {
        "class": Pix2PixGenerator,
        "channels": (3, 5),
        "residual_units": None,
        "dropout": 0.5,
    },
    "resnet": {"class": ResNetGenerator},
    "resnet, transposed": {"class": ResNetGenerator, "upsampling": "transposed"},
    "resnet, dropout": {"class": ResNetGenerator, "dropout": 0.5},
}


def build(kind: str, **more: Any) -> nn.Module:
    torch.manual_seed(0)
    settings = {"channels": CHANNELS, "residual_units": 2, "spatial_dims": 2, **KINDS[kind], **more}
    if settings["residual_units"] is None:  # it has none
        del settings["residual_units"]
    network: nn.Module = settings.pop("class")(**settings)
    return network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spatial_dims", "slab", "size"), [(2, 1, (16, 24)), (2, 3, (20, 12)), (3, 1, (8, 12, 16))]
)
def test_an_image_comes_out_in_its_size_and_within_range(
    kind: str, spatial_dims: int, slab: int, size: tuple[int, ...]
) -> None:
    network = build(kind, spatial_dims=spatial_dims, slab=slab)
    image = torch.randn(2, slab, *size) * 5
    made = network(image)
    assert made.shape == image.shape
    assert made.dtype == torch.float32
    assert made.abs().max() <= 1
    assert made.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_reaches_every_parameter(kind: str) -> None:
    network = build(kind, slab=3)
    (network(torch.randn(2, 3, 16, 16)) * torch.randn(2, 3, 16, 16)).sum().backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert idle == []


@pytest.mark.parametrize("kind", ["unet", "resnet", "pix2pix"])
def test_a_small_initial_gain_starts_near_a_flat_image(kind: str) -> None:
    image = torch.randn(1, 1, 16, 16)
    flat, usual = (build(kind, initial_gain=gain)(image) for gain in (0.01, 1.0))
    assert flat.abs().max() < 0.05
    assert flat.std() < 0.1 * usual.std()


def test_without_its_finest_skip_the_unet_sees_the_image_only_coarsely() -> None:
    """Zero what comes from below: only a skip at full size can then carry the image to the output."""
    image = torch.randn(1, 1, 16, 16)
    for finest_skip, carries in ((0, True), (1, False)):
        network = build("unet", finest_skip=finest_skip)
        network.ups[-1].enlarge = nn.Sequential(network.ups[-1].enlarge, Zero())
        spread = (network(image) - network(-image)).abs().max()
        assert bool(spread > 1e-4) is carries


class Zero(nn.Module):
    """Nothing goes through."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0


def test_nearest_resizing_leaves_no_checkerboard_but_transposed_convolution_does() -> None:
    """On a flat image inside, neighbouring pixels of one generator differ, those of the other do not."""
    image = torch.full((1, 1, 64, 64), 0.3)
    for upsampling, even in (("resize", True), ("transposed", False)):
        made = build("unet", upsampling=upsampling)(image)[0, 0, 24:40, 24:40]
        assert bool((made[1:] - made[:-1]).abs().max() < 1e-4) is even


def test_pix2pix_goes_down_to_a_single_pixel() -> None:
    network = build("pix2pix", channels=(3, 5, 7, 9))
    assert network(torch.randn(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_small_layers_of_pix2pix_give_the_numbers_of_plain_convolutions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, image = build("pix2pix", channels=(3, 5, 7, 9)), torch.randn(2, 1, 32, 48)
    made = {}
    for few in (16, 0):
        monkeypatch.setattr("medgan.networks.pix2pix._FEW_PIXELS", few)
        network.zero_grad()
        image_made = network(image)
        image_made.square().sum().backward()
        made[few] = [image_made.detach(), *(parameter.grad.clone() for parameter in network.parameters())]
    for one, other in zip(made[16], made[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["unet, dropout", "pix2pix, dropout"])
def test_dropout_is_off_when_a_model_is_used(kind: str) -> None:
    network = build(kind).eval()
    image = torch.randn(1, 1, 16, 16)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))


def test_under_autocast_the_image_is_still_float32() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = build("unet")(torch.randn(1, 1, 16, 16))
    assert made.dtype == torch.float32
