"""The way that measures fastest is taken where it is clearly faster, and found again the next time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from medgan.recipe import Recipe, load_recipe
from medgan.training import pace as module
from medgan.training.pace import Pace, choose_pace

CPU, SHAPE = torch.device("cpu"), (2, 1, 16, 16)
SMALL = ("generator.channels=[4, 8]", "generator.residual_units=1", "preparation.divisor=8")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGAN_CACHE", str(tmp_path))


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that each way seems to take; `calls` counts the timings."""
    seconds = {"bfloat16": 1.0, "bfloat16, channels last": 1.0, "float32": 1.0, "float32, channels last": 1.0}
    seconds["calls"] = 0

    def time(way: Pace, network: nn.Module, images: torch.Tensor) -> float:
        seconds["calls"] += 1
        return seconds[way.text]

    monkeypatch.setattr(module, "_time", time)
    monkeypatch.setattr(module, "choose_precision", lambda wanted, device: torch.bfloat16)
    return seconds


def recipe(*changes: str) -> Recipe:
    return load_recipe("slices", (*SMALL, *changes))


@pytest.mark.parametrize(
    ("fast", "chosen"),
    [
        ("float32", ("float32", False)),
        ("float32, channels last", ("float32", True)),
        ("bfloat16, channels last", ("bfloat16", True)),
        ("bfloat16", ("bfloat16", False)),
    ],
)
def test_the_fastest_way_is_taken(fast: str, chosen: tuple[str, bool], timed: dict[str, float]) -> None:
    timed[fast] = 0.5
    way = choose_pace(recipe(), SHAPE, CPU)
    assert (way.precision, way.channels_last) == chosen
    assert "0.500 s" in way.why


def test_a_gain_within_the_noise_changes_nothing(timed: dict[str, float]) -> None:
    timed["float32, channels last"] = 0.95
    way = choose_pace(recipe(), SHAPE, CPU)
    assert (way.precision, way.channels_last) == ("bfloat16", False)


def test_it_is_measured_once_for_each_machine_network_and_size(timed: dict[str, float]) -> None:
    timed["float32"] = 0.5
    first = choose_pace(recipe(), SHAPE, CPU)
    calls = timed["calls"]
    assert choose_pace(recipe(), SHAPE, CPU) == first and timed["calls"] == calls
    choose_pace(recipe(), (2, 1, 32, 32), CPU)
    choose_pace(recipe("generator.channels=[4, 12]"), SHAPE, CPU)
    assert timed["calls"] == 3 * calls


def test_a_precision_that_is_asked_for_is_kept(
    timed: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "choose_precision", lambda wanted, device: getattr(torch, wanted))
    timed["bfloat16"] = 0.1
    assert choose_pace(recipe("training.precision=float32"), SHAPE, CPU).precision == "float32"


@pytest.mark.parametrize(("dims", "shape"), [(2, SHAPE), (3, (1, 1, 8, 8, 8))])
def test_either_layout_gives_the_same_numbers(dims: int, shape: tuple[int, ...]) -> None:
    from medgan.models.architecture import build_generator

    settings = recipe() if dims == 2 else load_recipe("volumes", SMALL)
    torch.manual_seed(0)
    network, images = build_generator(settings, slab=1), torch.rand(shape)
    plain = network(images)
    way = Pace("float32", channels_last=True)
    laid = way.laid_out(network, dims)
    assert any(not parameter.is_contiguous() for parameter in laid.parameters())
    torch.testing.assert_close(laid(way.arranged(images)), plain, rtol=1e-4, atol=1e-5)


def test_a_real_measurement_ends_soon_and_names_its_figures() -> None:
    way = choose_pace(recipe(), SHAPE, CPU)
    assert way.precision in ("float32", "bfloat16") and " s" in way.why
