"""The CycleGAN's step: who makes what, what each loss is of, and who is changed by it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch import nn

from medgan.cyclegan import CycleGAN, Translation, Weights
from medgan.cyclegan.losses import as_single
from medgan.networks import MultiViewDiscriminator, UNetGenerator

NONE = Weights(adversarial=1.0, cycle=0, identity=0, structure=0)
USUAL = Weights(adversarial=1.0, cycle=10, identity=2.5, structure=1)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def small_gan(**more: Any) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(
        lambda: UNetGenerator(spatial_dims=2, channels=(4, 8), residual_units=1),
        lambda: MultiViewDiscriminator(spatial_dims=2, channels=4, layers=2),
        spatial_dims=2,
        contrasts=("t1", "t2"),
        **more,
    )


def batch(seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    coarse = {key: torch.randn(3, 1, 6, 8, generator=draw) for key in ("t1", "t2")}
    return {
        key: torch.tanh(nn.functional.interpolate(image, scale_factor=4, mode="bilinear"))
        for key, image in coarse.items()
    }


def of_generators(
    gan: CycleGAN, made: Translation, weights: Weights = USUAL
) -> tuple[torch.Tensor, dict[str, float]]:
    loss, parts = gan.generator_losses(made, weights, gan.draw_looks(chance()))
    return loss, {name: part.item() for name, part in parts.items()}


def of_discriminators(gan: CycleGAN, made: Translation) -> tuple[torch.Tensor, dict[str, float]]:
    fakes = {key: fake.detach() for key, fake in made.fake.items()}
    loss, record = gan.discriminator_losses(made.real, *gan.exchange(fakes, chance()))
    return loss, {name: value.item() for name, value in record.items()}


class Judge(nn.Module):
    """Says the same of every image."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = nn.Parameter(torch.tensor(says))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [self.says.expand(len(image), 1, 2, 2)]


class Negative(nn.Module):
    """A perfect generator, where the one contrast is the other's negative."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return -image


def gan_of(generator: type[nn.Module], says: float) -> CycleGAN:
    return CycleGAN(generator, lambda: Judge(says), spatial_dims=2, contrasts=("t1", "t2"), history=0)


def test_each_generator_makes_its_contrast_from_the_other_and_back() -> None:
    real = batch()
    made = small_gan().translate(real)
    for key in ("t1", "t2"):
        assert made.real[key] is real[key]
        assert made.fake[key].shape == made.back[key].shape == made.same[key].shape == real[key].shape


def test_a_translation_is_that_of_each_generator_on_its_own() -> None:
    gan, real = small_gan(), batch()
    made = gan.translate(real)
    fake_t2 = gan.generators["t2"](real["t1"])
    assert torch.allclose(made.fake["t2"], fake_t2, atol=1e-6)
    assert torch.allclose(made.same["t2"], gan.generators["t2"](real["t2"]), atol=1e-6)
    assert torch.allclose(made.back["t1"], gan.generators["t1"](fake_t2), atol=1e-6)


def test_without_identity_no_image_of_its_own_contrast_is_shown() -> None:
    made = small_gan().translate(batch(), identity=False)
    assert made.same == {}
    _, parts = of_generators(small_gan(), made, NONE)
    assert not any(name.startswith("identity") for name in parts)


def test_perfect_generators_have_no_cycle_and_structure_loss_but_an_identity_loss() -> None:
    gan, real = gan_of(Negative, says=1.0), batch()
    made = gan.translate(real)
    total, parts = of_generators(gan, made, USUAL)
    for key in ("t1", "t2"):
        assert parts[f"adversarial_{key}"] == 0
        assert parts[f"cycle_{key}"] == 0
        assert parts[f"structure_{key}"] < 0.1
        assert parts[f"identity_{key}"] == pytest.approx(2 * real[key].abs().mean().item(), rel=1e-5)
    assert total.item() == pytest.approx(
        sum(parts[f"structure_{key}"] + 2.5 * parts[f"identity_{key}"] for key in ("t1", "t2")), rel=1e-5
    )


def test_copying_generators_please_all_losses_but_the_adversarial_one() -> None:
    gan = gan_of(nn.Identity, says=0.0)
    _, parts = of_generators(gan, gan.translate(batch()), USUAL)
    for key in ("t1", "t2"):
        assert parts[f"adversarial_{key}"] == 1
        assert parts[f"cycle_{key}"] == parts[f"identity_{key}"] == 0


def test_the_structure_loss_compares_a_fake_with_its_source() -> None:
    gan = gan_of(Negative, says=1.0)
    made = gan.translate(batch())
    swapped = Translation(
        real=made.real, fake=dict(zip(("t2", "t1"), made.fake.values(), strict=True)), back=made.back, same={}
    )
    weights = Weights(adversarial=1.0, cycle=0, identity=0, structure=1)
    _, right = of_generators(gan, made, weights)
    _, wrong = of_generators(gan, swapped, weights)
    assert right["structure_t2"] < 0.1 < 0.4 < wrong["structure_t2"]


@pytest.mark.parametrize("augment", [False, True])
def test_the_discriminators_learn_1_for_real_and_0_for_fake(augment: bool) -> None:
    gan = small_gan(augment=augment, history=0)
    made = gan.translate(batch())
    optimiser = torch.optim.Adam(gan.discriminators.parameters(), lr=5e-3)
    for _ in range(60):
        loss, record = of_discriminators(gan, made)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for key in ("t1", "t2"):
        assert record[f"real_{key}"] > 0.8
        assert record[f"fake_{key}"] < 0.2
        assert record[f"discriminator_{key}"] < 0.1


def test_the_discriminators_loss_of_constant_judges_is_worked_out_by_hand() -> None:
    gan = gan_of(Negative, says=0.25)
    loss, record = of_discriminators(gan, gan.translate(batch()))
    of_one = 0.5 * (0.75**2 + 0.25**2)
    assert record["discriminator_t1"] == pytest.approx(of_one)
    assert loss.item() == pytest.approx(2 * of_one)
    assert record["real_t1"] == record["fake_t2"] == 0.25


def test_the_discriminators_step_leaves_the_generators_alone() -> None:
    gan = small_gan()
    loss, _ = of_discriminators(gan, gan.translate(batch()))
    loss.backward()
    assert all(parameter.grad is None for parameter in gan.generators.parameters())
    assert all(parameter.grad is not None for parameter in gan.discriminators.parameters())


def test_with_frozen_discriminators_the_generators_step_changes_generators_alone() -> None:
    gan = small_gan()
    gan.discriminators.requires_grad_(False)
    loss, _ = of_generators(gan, gan.translate(batch()), NONE)
    loss.backward()
    assert all(parameter.grad is None for parameter in gan.discriminators.parameters())
    assert all(parameter.grad is not None for parameter in gan.generators.parameters())


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("adversarial", ["least_squares", "bce"])
def test_a_step_of_the_generators_lowers_their_loss_on_the_same_batch(
    adversarial: Any, augment: bool
) -> None:
    gan, real = small_gan(augment=augment, adversarial=adversarial, cycle_ssim=0.2), batch()
    optimiser = torch.optim.SGD(gan.generators.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss, _ = of_generators(gan, gan.translate(real), USUAL)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[2] < losses[1] < losses[0]


def test_the_adversarial_loss_alone_draws_fakes_towards_what_the_judge_takes_for_real() -> None:
    """Would fail with its sign flipped."""
    gan, real = small_gan(history=0), batch()
    judge = gan.discriminators["t2"]
    optimiser = torch.optim.SGD(gan.generators["t2"].parameters(), lr=0.05)
    before = judge(gan.generators["t2"](real["t1"]))[0].mean().item()
    for _ in range(20):
        loss, _ = of_generators(gan, gan.translate(real, identity=False), NONE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = judge(gan.generators["t2"](real["t1"]))[0].mean().item()
    assert abs(1 - after) < abs(1 - before)


def test_the_history_is_of_fakes_without_their_gradients() -> None:
    gan = small_gan(history=4)
    of_discriminators(gan, gan.translate(batch()))
    assert [len(history.fakes) for history in gan.history.values()] == [3, 3]
    assert not any(fake.requires_grad for history in gan.history.values() for fake in history.fakes)


def known_loss(
    gan: CycleGAN, pairs: dict[str, torch.Tensor], **options: str
) -> tuple[torch.Tensor, dict[str, float]]:
    (made,) = gan.translate({}, pairs=[pairs]).known
    loss, record = gan.supervised_loss(pairs, made, **options)
    return loss, {name: value.item() for name, value in record.items()}


def test_pairs_shown_beside_real_images_change_nothing_for_either() -> None:
    gan, real, pairs = small_gan(), batch(), batch(seed=1)
    wider = {key: torch.cat([image, image], dim=-1) for key, image in pairs.items()}
    for beside in (pairs, wider):
        together, apart = gan.translate(real, pairs=[beside]), gan.translate(real)
        (alone,) = gan.translate({}, pairs=[beside]).known
        for expected, found in (
            (apart.fake, together.fake),
            (apart.back, together.back),
            (alone, together.known[0]),
        ):
            for key, image in expected.items():
                torch.testing.assert_close(found[key], image, rtol=1e-4, atol=1e-5)


def test_the_loss_of_simulated_pairs_is_l1_of_both_directions_and_changes_generators_alone() -> None:
    gan, pairs = small_gan(), batch()
    loss, record = known_loss(gan, pairs)
    for key, other in (("t1", "t2"), ("t2", "t1")):
        expected = (gan.generators[key](pairs[other]) - pairs[key]).abs().mean().item()
        assert record[f"simulated_{key}"] == pytest.approx(expected, rel=1e-5)
    assert loss.item() == pytest.approx(sum(record.values()), rel=1e-5)
    loss.backward()
    assert all(parameter.grad is not None for parameter in gan.generators.parameters())
    assert all(parameter.grad is None for parameter in gan.discriminators.parameters())


def test_the_squared_error_and_the_dissimilarity_count_beside_the_absolute_one_by_their_weights() -> None:
    gan, pairs = small_gan(squared=2.0, ssim=0.5), batch()
    loss, record = known_loss(gan, pairs, name="paired")
    assert set(record) == {"paired_t1", "paired_t2"}
    squared, dissimilar = 0.0, 0.0
    for key, other in (("t1", "t2"), ("t2", "t1")):
        made = gan.generators[key](pairs[other])
        squared += ((made - pairs[key]) ** 2).mean().item()
        ssim = compute_ssim_and_cs(
            as_single(made),
            as_single(pairs[key]),
            2,
            kernel_size=(11, 11),
            kernel_sigma=(1.5, 1.5),
            data_range=2.0,
        )[0]
        dissimilar += 1 - ssim.mean().item()
    assert loss.item() == pytest.approx(sum(record.values()) + 2.0 * squared + 0.5 * dissimilar, rel=1e-4)


def test_what_is_seen_in_the_place_of_an_image_is_translated_and_the_image_stays_the_aim() -> None:
    gan, pairs = small_gan(), batch()
    seen = {f"{key}_seen": image * 0.5 for key, image in pairs.items()}
    _, record = known_loss(gan, pairs | seen)
    expected = (gan.generators["t2"](pairs["t1"] * 0.5) - pairs["t2"]).abs().mean().item()
    assert record["simulated_t2"] == pytest.approx(expected, rel=1e-5)


def test_perfect_generators_have_no_loss_on_simulated_pairs() -> None:
    image = batch()["t1"]
    loss, _ = known_loss(gan_of(Negative, says=1.0), {"t1": image, "t2": -image})
    assert loss.item() == 0
