"""A training that is put back where it was goes on as if it had not stopped, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from medgan.recipe import load_recipe
from medgan.training.engine import CycleGANTrainer
from medgan.training.pace import Pace
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.state import TrainingState

CPU = torch.device("cpu")
CHANGES = (
    "generator.channels=[4, 8]",
    "generator.residual_units=1",
    "generator.dropout=0.2",
    "discriminator.channels=4",
    "discriminator.layers=1",
    "discriminator.augment=true",
    "preparation.divisor=8",
    "sampling.crop=16",
    "sampling.batch_size=2",
    "sampling.slab=1",
    "losses.history=5",
    "training.coarse=[]",
    "simulation.heads=0",
)


@pytest.fixture
def batches(make_case: Any, as_domains: Any) -> Batches:
    chance = np.random.default_rng(0)
    domains = as_domains(*([make_case(chance.uniform(-1, 1, (24, 32, 8)))] for _ in "12"))
    return Batches(domains, load_recipe("slices", CHANGES), slab=1, seed=0)


def trainer(batches: Batches, *changes: str, pace: Pace = Pace("float32")) -> CycleGANTrainer:  # noqa: B008
    recipe = load_recipe("slices", [*CHANGES, *changes])
    state = TrainingState(recipe, slab=1, seed=0, device=CPU)
    state.lay_out(pace)
    return CycleGANTrainer(
        state,
        batches,
        Schedule(recipe, steps=20, seconds=None),
        epoch_length=10,
        seed=0,
        pace=pace,
    )


def go(one: CycleGANTrainer, steps: int) -> None:
    for _ in range(steps):
        one.step(*one.images())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "changes", [(), ("optimiser.ema=0",), ("losses.history=0",), ("losses.adversarial=bce",)]
)
def test_a_restored_state_goes_on_bit_for_bit(changes: tuple[str, ...], batches: Batches) -> None:
    whole = trainer(batches, *changes)
    go(whole, 4)
    kept = whole.training.tensors()
    go(whole, 4)
    restored = trainer(batches, *changes)
    go(restored, 1)
    restored.training.restore(kept, step=4, elapsed=1.5)
    assert same(restored.training.tensors(), kept)
    assert restored.training.elapsed == 1.5
    go(restored, 4)
    assert same(restored.training.tensors(), whole.training.tensors())


def test_what_is_kept_does_not_change_with_the_training(batches: Batches) -> None:
    one = trainer(batches)
    go(one, 2)
    kept = one.training.tensors()
    copy = {name: tensor.clone() for name, tensor in kept.items()}
    go(one, 1)
    assert same(kept, copy)
    assert not same(kept, one.training.tensors())


def test_everything_is_kept_networks_averages_optimisers_and_history(batches: Batches) -> None:
    one = trainer(batches)
    go(one, 3)
    roots = {name.split(".")[0] for name in one.training.tensors()}
    assert roots == {"gan", "averaged", "generator_optimiser", "discriminator_optimiser", "history"}
    assert sum(name.startswith("history.t1.") for name in one.training.tensors()) == 5


def test_a_state_of_other_networks_is_not_taken(batches: Batches) -> None:
    one, other = trainer(batches), trainer(batches, "generator.channels=[4, 12]")
    with pytest.raises(RuntimeError):
        one.training.restore(other.training.tensors(), step=0, elapsed=0)


def test_the_seed_decides_the_first_weights() -> None:
    recipe = load_recipe("slices", CHANGES)
    first, again, other = (TrainingState(recipe, slab=1, seed=s, device=CPU).tensors() for s in (5, 5, 6))
    assert same(first, again)
    assert not same(first, other)


def test_a_step_is_the_same_whatever_chance_was_used_for_before(batches: Batches) -> None:
    results = []
    for draws in (0, 7):
        one = trainer(batches)
        go(one, 2)
        torch.rand(draws)
        go(one, 1)
        results.append(one.training.tensors())
    assert same(*results)


def test_the_average_follows_the_generators_and_is_what_synthesis_uses(batches: Batches) -> None:
    one = trainer(batches, "optimiser.ema=0.9")
    before = {name: tensor.clone() for name, tensor in one.training.averaged.state_dict().items()}
    go(one, 5)
    assert one.training.generators is one.training.averaged
    now = one.training.gan.generators.state_dict()
    for name, kept in one.training.averaged.named_parameters():
        assert not torch.equal(kept, before[name])
        assert not torch.equal(kept, now[name])
        assert not kept.requires_grad
    without = trainer(batches, "optimiser.ema=0")
    assert without.training.generators is without.training.gan.generators


def test_the_generators_step_gives_the_discriminators_no_gradient(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(batches)
    judged = one.training.gan.discriminator_losses
    seen = []

    def look(*arguments: Any) -> Any:
        seen.append([parameter.grad for parameter in one.training.gan.discriminators.parameters()])
        return judged(*arguments)

    monkeypatch.setattr(one.training.gan, "discriminator_losses", look)
    go(one, 2)
    assert len(seen) == 2
    assert all(gradient is None for gradients in seen for gradient in gradients)


def test_a_step_changes_every_network(batches: Batches) -> None:
    one = trainer(batches)
    before = one.training.tensors()
    go(one, 1)
    after = one.training.tensors()
    for part in ("gan.generators.t1", "gan.generators.t2", "gan.discriminators.t1", "gan.discriminators.t2"):
        names = [name for name in before if name.startswith(part)]
        assert any(not torch.equal(before[name], after[name]) for name in names)


def test_the_rate_of_the_schedule_reaches_both_optimisers(batches: Batches) -> None:
    one = trainer(batches, "optimiser.learning_rate=0.01", "optimiser.decay_from=0.5")
    one.training.step = 15
    losses = one.step(*one.images())
    assert losses["learning_rate"] == pytest.approx(0.005)
    for optimiser in (one.training.generator_optimiser, one.training.discriminator_optimiser):
        assert [group["lr"] for group in optimiser.param_groups] == [pytest.approx(0.005)]


def test_bfloat16_trains_too_and_keeps_weights_in_float32(batches: Batches) -> None:
    one = trainer(batches, pace=Pace("bfloat16"))
    go(one, 2)
    assert {p.dtype for p in one.training.gan.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in one.training.gan.parameters())


def test_channels_last_trains_as_the_usual_layout_does_and_goes_on_as_if_uninterrupted(
    batches: Batches,
) -> None:
    last = Pace("float32", channels_last=True)
    one, usual = trainer(batches, pace=last), trainer(batches)
    go(one, 2)
    go(usual, 2)
    assert any(not parameter.is_contiguous() for parameter in one.training.gan.parameters())
    for name, tensor in usual.training.tensors().items():
        torch.testing.assert_close(one.training.tensors()[name], tensor, rtol=0, atol=2e-3)
    kept = one.training.tensors()
    go(one, 3)
    other = trainer(batches, pace=last)
    other.training.restore(kept, step=2, elapsed=0.0)
    go(other, 3)
    assert same(one.training.tensors(), other.training.tensors())


def test_a_diverged_training_is_stopped_with_a_way_out(batches: Batches) -> None:
    from medgan.errors import ModelRefusedError

    one = trainer(batches)
    with torch.no_grad():
        next(one.training.gan.generators["t2"].parameters()).fill_(float("nan"))
    with pytest.raises(ModelRefusedError, match="diverged") as caught:
        go(one, 1)
    assert "learning_rate" in caught.value.remedy
