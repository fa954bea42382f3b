"""What discriminators see is varied alike for real and fake, and lets the gradient through."""

from __future__ import annotations

import pytest
import torch

from medgan.cyclegan.augmentation import Look, draw_look, shift_and_cut


def look(seed: int, spatial_dims: int = 2) -> Look:
    return draw_look(spatial_dims, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(24, 36), (12, 18, 24)])
def test_real_and_fake_of_one_batch_get_the_same(size: tuple[int, ...]) -> None:
    image = torch.rand(1, 1, *size)
    for seed in range(5):
        varied = shift_and_cut(torch.cat([image, -image]), look(seed, len(size)))
        kept = varied[0] != -1
        assert torch.equal(varied[0][kept], -varied[1][kept])
        assert (varied[1][~kept] == -1).all()


def test_intensities_are_only_moved_or_blanked() -> None:
    image = torch.rand(1, 1, 24, 36)
    varied = shift_and_cut(image, look(0))
    assert varied.shape == image.shape
    kept = varied[varied != -1]
    assert set(kept.tolist()) <= set(image.flatten().tolist())
    assert len(kept.unique()) == len(kept)


def test_nothing_that_leaves_on_one_side_comes_in_on_the_other() -> None:
    ramp = torch.arange(24.0).reshape(1, 1, 24, 1).expand(1, 1, 24, 36)
    for seed in range(20):
        varied = shift_and_cut(ramp, look(seed))[0, 0]
        seen = varied.max(dim=1).values
        rows = torch.nonzero(seen >= 0).flatten()
        steps = seen[rows] - rows
        assert (steps == steps[0]).all()


def test_a_third_of_each_side_is_blanked_and_shifts_stay_within_an_eighth() -> None:
    image = torch.zeros(1, 1, 48, 48)
    for seed in range(20):
        blank = (shift_and_cut(image, look(seed)) == -1).float().mean().item()
        assert 1 / 9 - 0.01 <= blank <= 1 / 9 + 1 / 4


def test_it_varies_and_is_repeatable() -> None:
    image = torch.rand(1, 1, 24, 36)
    assert torch.equal(shift_and_cut(image, look(1)), shift_and_cut(image, look(1)))
    assert not torch.equal(shift_and_cut(image, look(1)), shift_and_cut(image, look(2)))


def test_the_gradient_goes_through_what_is_kept_and_nowhere_else() -> None:
    image = torch.rand(1, 1, 24, 36, requires_grad=True)
    varied = shift_and_cut(image, look(4))
    varied.sum().backward()
    assert image.grad is not None
    assert set(image.grad.unique().tolist()) == {0.0, 1.0}
    assert image.grad.sum() == (varied != -1).sum()
