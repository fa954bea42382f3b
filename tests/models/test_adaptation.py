"""A network for slabs of one thickness gives its weights to one of another, and both make the same of equal slices."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medgan.models.adaptation import adapt_slab
from medgan.models.architecture import build_generator, generators_fit
from medgan.recipe import load_recipe

SMALL = ("generator.channels=[4, 8]", "generator.residual_units=1", "preparation.divisor=8")


def network(slab: int, *changes: str) -> torch.nn.Module:
    torch.manual_seed(slab)
    made = build_generator(load_recipe("slices", [*SMALL, *changes]), slab=slab).double()
    for parameter in made.parameters():  # norms and biases, too, are then of some consequence
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.mark.parametrize("kind", ["unet", "resnet"])
@pytest.mark.parametrize(("given", "wanted"), [(3, 1), (1, 3), (3, 5), (5, 3)])
@torch.no_grad()
def test_of_equal_slices_the_new_network_makes_what_the_given_one_makes_in_its_middle(
    given: int, wanted: int, kind: str
) -> None:
    old, new = network(given, f"generator.kind={kind}"), network(wanted, f"generator.kind={kind}")
    slices = torch.rand(2, 1, 24, 32, dtype=torch.float64) * 2 - 1
    expected = old(slices.repeat(1, given, 1, 1))[:, given // 2]
    assert not torch.allclose(new(slices.repeat(1, wanted, 1, 1))[:, wanted // 2], expected, atol=1e-3)
    new.load_state_dict(adapt_slab(old.state_dict(), slab=wanted))
    made = new(slices.repeat(1, wanted, 1, 1))
    for plane in range(wanted):
        torch.testing.assert_close(made[:, plane], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("given", "wanted"), [(3, 1), (1, 3), (3, 3)])
def test_only_the_layers_that_depend_on_the_slab_are_changed(given: int, wanted: int) -> None:
    old = network(given).state_dict()
    kept = {name: tensor.clone() for name, tensor in old.items()}
    new = adapt_slab(old, slab=wanted)
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    dependent = {"stem.conv.weight", "head.convolution.conv.weight", "head.convolution.conv.bias"}
    assert changed == (set() if given == wanted else dependent)
    assert all(torch.equal(old[name], kept[name]) for name in old), "the given weights stay as they were"


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ("generator.channels=[4, 12]", False),
        ("generator.residual_units=2", False),
        ("generator.kind=resnet", False),
        ("generator.upsampling=transposed", False),
        ("generator.finest_skip=1", False),
        ("generator.dropout=0.5", True),
        ("generator.initial_gain=0.1", True),
        ("sampling.slab=3", True),
        ("sampling.slab=1", True),
        ("preparation.spacing=2.0", True),
        ("losses.cycle=3", True),
    ],
)
def test_recipes_fit_if_the_weights_of_one_generator_can_be_loaded_into_the_other(
    change: str, fits: bool
) -> None:
    one, other = load_recipe("slices", SMALL), load_recipe("slices", [*SMALL, change])
    assert generators_fit(one, other) is generators_fit(other, one) is fits
    weights = build_generator(one, slab=3).state_dict()

    def load() -> Any:
        return build_generator(other, slab=1).load_state_dict(adapt_slab(weights, slab=1))

    if fits:
        load()
    else:
        with pytest.raises(RuntimeError):
            load()


def test_a_network_for_volumes_does_not_fit_one_for_slices() -> None:
    assert not generators_fit(load_recipe("slices", SMALL), load_recipe("volumes", SMALL))
