"""Discriminators judge patches at each view, with raw logits."""

from __future__ import annotations

import pytest
import torch

from medgan.networks import MultiViewDiscriminator


@pytest.mark.parametrize(("spatial_dims", "size"), [(2, (48, 64)), (3, (24, 32, 40))])
@pytest.mark.parametrize("slab", [1, 3])
def test_each_view_gives_a_map_of_logits(spatial_dims: int, size: tuple[int, ...], slab: int) -> None:
    judge = MultiViewDiscriminator(spatial_dims=spatial_dims, slab=slab, channels=4, layers=2, views=(1, 2))
    logits = judge(torch.randn(2, slab, *size))
    assert len(logits) == 2
    for view in logits:
        assert view.shape[:2] == (2, 1)
        assert view.ndim == 2 + spatial_dims
        assert view.dtype == torch.float32
    assert logits[0].numel() > logits[1].numel()


def test_a_gradient_reaches_every_parameter_of_every_view() -> None:
    judge = MultiViewDiscriminator(spatial_dims=2, channels=4, layers=3, views=(1, 2))
    sum((view * torch.randn_like(view)).sum() for view in judge(torch.randn(2, 1, 48, 64))).backward()
    for name, parameter in judge.named_parameters():
        # A bias before an instance norm is taken out by it again: its gradient is rounding, not zero or None.
        assert parameter.grad is not None, name


def test_logits_are_raw_so_they_leave_the_range_of_a_sigmoid() -> None:
    judge = MultiViewDiscriminator(spatial_dims=2, channels=4, layers=2)
    judge.patches[0].final_conv.conv.bias.data.fill_(-7.0)
    assert (judge(torch.zeros(1, 1, 32, 32))[0] < -1).all()


def test_the_images_of_a_batch_are_judged_each_for_itself() -> None:
    """Batch norm would mix real and fake, which go through in one batch."""
    torch.manual_seed(0)
    judge = MultiViewDiscriminator(spatial_dims=2, channels=4, layers=2)
    images = torch.randn(3, 1, 32, 32)
    together = judge(images)[0]
    alone = torch.cat([judge(image[None])[0] for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "views"), [(1, (1,)), (2, (1,)), (3, (1,)), (4, (1,)), (3, (1, 2)), (3, (2, 4))]
)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_least_side_that_a_recipe_states_can_be_judged(
    layers: int, views: tuple[int, ...], spatial_dims: int
) -> None:
    from medgan.recipe import recipe_from

    if spatial_dims == 3 and layers == 4:
        pytest.skip("the same rule, at eight times the cost")
    recipe = recipe_from(
        {
            "discriminator": {"layers": layers, "views": list(views)},
            "generator": {"channels": [4, 8]},
            "preparation": {"divisor": 16},
        }
    )
    judge = MultiViewDiscriminator(spatial_dims=spatial_dims, channels=2, layers=layers, views=views)
    for view in judge(torch.randn(1, 1, *(recipe.least_side,) * spatial_dims)):
        assert view.numel() >= 1
