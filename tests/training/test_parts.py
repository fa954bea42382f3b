"""A step in parts, or shared out, is that of the whole batch; a pass that is done twice gives the same gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from medgan.cyclegan import Weights
from medgan.errors import UsageError
from medgan.recipe import Recipe, load_recipe
from medgan.training.engine import CycleGANTrainer
from medgan.training.pace import Pace
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.shares import Part, share_of
from medgan.training.state import TrainingState, build_gan
from medgan.training.step import Aims, teach_discriminators, teach_generators
from medgan.training.together import check_processes, together

CPU = torch.device("cpu")
STEPS = 4
SMALL = (
    "preparation.divisor=8",
    "sampling.batch_size=5",
    "augmentation.tone=0.2",
    "generator.channels=[4, 8]",
    "generator.residual_units=1",
    "discriminator.channels=4",
    "discriminator.layers=2",
    "discriminator.augment=true",
    "losses.history=3",
    "losses.identity=0.2",
    "losses.cycle_ssim=0.2",
    "training.coarse=[]",
)
KINDS = {
    "slices": ("slices", (*SMALL, "sampling.crop=24")),
    "volumes": ("volumes", (*SMALL, "sampling.crop=16", "discriminator.layers=1")),
}
NEAR = 1e-4
"""Largest difference of a weight after four steps of Adam: sums in another order alone come to 4e-5 at most, weights
of the parts that are wrong to 1e-3."""


def smooth(chance: np.random.Generator) -> Any:
    """Voxels as of a head: of neighbours alike."""
    coarse = torch.from_numpy(chance.uniform(-1, 1, (1, 1, 6, 8, 6)))
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="trilinear")[0, 0].numpy()


@pytest.fixture(params=list(KINDS))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    name, changes = KINDS[request.param]
    return load_recipe(name, changes)


@pytest.fixture
def sources(recipe: Recipe, make_case: Any, as_domains: Any) -> Callable[..., list[Batches]]:
    """Real images, simulated pairs and acquired pairs, of a share of each batch."""
    chance = np.random.default_rng(0)
    held = [as_domains(*([make_case(smooth(chance))] for _ in "12")) for _ in range(3)]

    def make(share: Callable[[int], slice] = share_of) -> list[Batches]:
        return [
            Batches(cases, recipe, slab=1, seed=0, paired=number > 0, share=share)
            for number, cases in enumerate(held)
        ]

    return make


def trained(
    recipe: Recipe, sources: list[Batches], *, with_pairs: bool, **how: Any
) -> dict[str, torch.Tensor]:
    real, simulated, acquired = sources
    trainer = CycleGANTrainer(
        TrainingState(recipe, slab=1, seed=0, device=CPU),
        real,
        Schedule(recipe, steps=20, seconds=None),
        pairs=simulated if with_pairs else None,
        acquired=acquired if with_pairs else None,
        epoch_length=10,
        seed=0,
        pace=Pace("float32"),
        **how,
    )
    trainer.training.step = 6  # after the warm-up
    for _ in range(STEPS):
        trainer.step(*trainer.images())
    return trainer.training.tensors()


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of a weight."""
    assert one.keys() == other.keys()
    names = [name for name in one if name.startswith("gan.")]
    return max((one[name] - other[name]).abs().max().item() for name in names)


@pytest.mark.parametrize("with_pairs", [False, True])
def test_parts_one_after_another_give_the_weights_of_the_whole_batch(
    with_pairs: bool, recipe: Recipe, sources: Any
) -> None:
    whole = trained(recipe, sources(), with_pairs=with_pairs)
    for how in ({"parts": 2}, {"parts": 5}, {"parts": 3, "recompute": True}):
        assert apart(whole, trained(recipe, sources(), with_pairs=with_pairs, **how)) < NEAR


def test_parts_of_two_and_of_one_image_do_not_count_alike(
    recipe: Recipe, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the comparison above can tell."""
    whole = trained(recipe, sources(), with_pairs=True)
    monkeypatch.setattr("medgan.training.shares._weight", lambda images, of: 1 / 3)
    assert apart(whole, trained(recipe, sources(), with_pairs=True, parts=3)) > 4 * NEAR


@pytest.mark.parametrize("scale", [1, 2])
def test_the_shares_of_a_batch_are_the_batch(scale: int, recipe: Recipe, sources: Any) -> None:
    shared = [sources(functools.partial(share_of, index=index, parts=3)) for index in range(3)]
    for number, whole in enumerate(sources()):
        batch = whole.batch(4, scale=scale)
        shares = [share[number].batch(4, scale=scale) for share in shared]
        for key, images in batch.items():
            assert len(images) == 5 * scale == whole.count(scale)
            assert images.shape[2:] == whole.sizes(scale)
            together = torch.cat([share[key] for share in shares])
            torch.testing.assert_close(together, images, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", range(12))
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shares_follow_each_other_and_differ_by_one_at_most(count: int, parts: int) -> None:
    shares = [share_of(count, index=index, parts=parts) for index in range(parts)]
    assert [number for share in shares for number in range(count)[share]] == list(range(count))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_pass_that_is_done_twice_gives_the_same_gradients(
    dropout: float, precision: torch.dtype, recipe: Recipe
) -> None:
    settings = recipe.generator.model_copy(update={"dropout": dropout})
    recipe = recipe.model_copy(update={"generator": settings})
    side = (16,) * recipe.spatial_dims
    draw = torch.Generator().manual_seed(0)
    images = [{key: torch.rand(2, 1, *side, generator=draw) * 2 - 1 for key in ("t1", "t2")} for _ in "123"]
    part = Part(*images, weights=(1.0, 0.5, 1.0))
    aims = Aims.of(recipe, Weights(adversarial=1, cycle=10, identity=2, structure=1), precision)
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        gan = build_gan(recipe, slab=1)
        gan.recompute = recompute
        gan.discriminators.requires_grad_(False)
        looks = gan.draw_looks(torch.Generator().manual_seed(0))
        fakes, losses = teach_generators(gan, part, aims, looks)
        gan.discriminators.requires_grad_(True)
        losses |= teach_discriminators(gan, part.real, fakes, 1.0, looks, precision)
        found.append([*losses.values(), *(parameter.grad for parameter in gan.parameters())])
    for once, twice in zip(*found, strict=True):
        torch.testing.assert_close(once, twice, rtol=0, atol=0)


def test_a_run_holds_the_images_of_all_processes() -> None:
    recipe = load_recipe("slices", ["batch_size=3"])
    assert together(recipe, 1) == recipe
    run = together(recipe, 4)
    assert run.sampling.batch_size == 12
    streamed = load_recipe("slices", ["simulation.on_the_fly=true", "simulation.pairs=5"])
    assert together(streamed, 2).simulation.pairs == 10


def test_on_a_resume_only_what_is_given_again_is_of_one_process() -> None:
    run = together(load_recipe("slices", ["batch_size=3"]), 4)
    assert together(run, 4, known=run) == run
    again = run.model_copy(update={"sampling": load_recipe("slices", ["batch_size=3"]).sampling})
    assert together(again, 4, known=run) == run


def test_more_processes_than_images_are_refused() -> None:
    recipe = load_recipe("slices", ["batch_size=3"])
    check_processes(recipe, 3)
    with pytest.raises(UsageError, match="4 processes, but 3 images"):
        check_processes(recipe, 4)
    streamed = load_recipe("slices", ["batch_size=3", "simulation.on_the_fly=true", "simulation.pairs=2"])
    with pytest.raises(UsageError, match="3 processes, but 2 images"):
        check_processes(streamed, 3)
    with pytest.raises(UsageError, match="come to 6000 images"):
        together(load_recipe("slices", ["batch_size=3000"]), 2)
