"""The history hands back old fakes about half of the time, and the same ones for the same chance."""

from __future__ import annotations

import torch

from medgan.cyclegan.history import FakeHistory


def numbered(first: int, count: int, size: int = 1) -> torch.Tensor:
    return torch.arange(first, first + count).float().reshape(-1, 1, 1).expand(-1, size, size).contiguous()


def exchange(steps: int, *, size: int = 20, seed: int = 0, batch: int = 4) -> list[torch.Tensor]:
    history, chance = FakeHistory(size), torch.Generator().manual_seed(seed)
    return [history.exchange(numbered(batch * step, batch), chance) for step in range(steps)]


def test_until_it_is_full_it_hands_out_what_it_gets() -> None:
    assert torch.equal(torch.cat(exchange(5)), numbered(0, 20))


def test_then_about_half_of_what_it_hands_out_is_old() -> None:
    handed = torch.cat(exchange(500))[20:, 0, 0]
    old = (handed != torch.arange(20, 2000)).float().mean().item()
    assert 0.44 < old < 0.56


def test_no_fake_is_handed_out_as_old_twice_and_none_is_from_the_future() -> None:
    handed = torch.cat(exchange(500))[:, 0, 0]
    old = handed[handed != torch.arange(2000)]
    assert len(old.unique()) == len(old)
    assert (old < torch.arange(2000)[handed != torch.arange(2000)]).all()


def test_the_same_chance_gives_the_same_fakes_and_another_gives_others() -> None:
    first, again, other = (torch.cat(exchange(50, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_history_of_none_hands_back_what_it_is_given() -> None:
    fakes = numbered(0, 4)
    assert FakeHistory(0).exchange(fakes, torch.Generator()) is fakes


def test_it_keeps_copies_so_that_a_fake_that_changes_later_is_remembered_as_it_was() -> None:
    history, chance = FakeHistory(4), torch.Generator().manual_seed(0)
    fakes = numbered(0, 4)
    history.exchange(fakes, chance)
    fakes.fill_(-1)
    assert [fake.item() for fake in history.fakes] == [0, 1, 2, 3]


def test_after_the_images_grow_the_history_fills_with_the_new_size() -> None:
    """A training that starts coarse must not be left with a history of coarse fakes that never fit again."""
    history, chance = FakeHistory(8), torch.Generator().manual_seed(0)
    for step in range(8):
        history.exchange(numbered(step * 4, 4, size=2), chance)
    old = 0
    for step in range(40):
        fakes = numbered(1000 + step * 4, 4, size=4)
        handed = history.exchange(fakes, chance)
        assert handed.shape == fakes.shape
        old += int((handed != fakes).any(dim=(1, 2)).sum())
    assert all(fake.shape == (4, 4) for fake in history.fakes)
    assert old > 40
