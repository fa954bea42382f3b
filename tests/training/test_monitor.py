"""Each thing that goes wrong is told from a made-up history, with its epoch; a sound history is passed in silence."""

from __future__ import annotations

from typing import Any

import pytest

from medgan.training.monitor import look

SOUND = {
    "adversarial_t1": 0.5,
    "adversarial_t2": 0.5,
    "discriminator_t1": 0.2,
    "discriminator_t2": 0.2,
    "real_t1": 0.6,
    "real_t2": 0.6,
    "fake_t1": 0.4,
    "fake_t2": 0.4,
    "structure_t1": 0.4,
    "structure_t2": 0.4,
}
WON = {"discriminator_t1": 0.004, "real_t1": 0.99, "fake_t1": 0.02}


def history(epochs: int = 40, warmup: int = 0, scale: int = 1, **changes: Any) -> list[dict[str, float]]:
    """A sound history, in which losses are functions of the epoch where `changes` says so."""
    rows = []
    for epoch in range(1, epochs + 1):
        row: dict[str, float] = {"epoch": epoch, "step": 10 * epoch, "scale": scale}
        if warmup:
            row |= {f"simulated_{key}": 0.1 + 0.4 / epoch for key in ("t1", "t2")}
        if epoch > warmup:
            row |= SOUND | {f"cycle_{key}": 0.05 + 0.3 / epoch for key in ("t1", "t2")}
        row |= {name: value(epoch) for name, value in changes.items() if name in row}
        rows.append(row)
    return rows


def judged(epochs: int = 10, **changes: Any) -> list[dict[str, float]]:
    sound = {f"{name}_{key}": value for key in ("t1", "t2") for name, value in
             (("copy", 0.0), ("like_target", 0.8), ("like_source", -0.3))}  # fmt: skip
    return [
        {"epoch": epoch, "step": epoch, **sound, **{name: value(epoch) for name, value in changes.items()}}
        for epoch in range(1, epochs + 1)
    ]


def said(losses: list[dict[str, float]], figures: list[dict[str, float]] | None = None) -> list[str]:
    return [finding.text for finding in look(losses, judged() if figures is None else figures)]


@pytest.mark.parametrize("warmup", [0, 8])
def test_a_sound_history_is_passed_in_silence(warmup: int) -> None:
    for epochs in (1, 2, 11, 12, 40, 300):
        assert said(history(epochs, warmup=warmup)) == []
    assert said([], []) == []


def test_a_discriminator_that_has_won_for_long_is_told_with_the_epoch() -> None:
    rows = history()
    for row in rows[30:]:
        row |= WON
    (text,) = said(rows)
    assert text.startswith("The T1w discriminator has won since epoch 31")
    assert "optimiser.learning_rate" in text


def test_a_discriminator_that_won_for_two_epochs_or_loses_again_is_not() -> None:
    rows = history()
    for row in rows[38:]:
        row |= WON
    assert said(rows) == []
    for row in rows[20:39]:
        row |= WON
    rows[39] |= SOUND
    assert said(rows) == []


def test_a_discriminator_that_is_sure_of_some_alone_has_not_won() -> None:
    rows = history()
    for row in rows[30:]:
        row |= {**WON, "discriminator_t1": 0.1}
    assert said(rows) == []


def test_a_generator_that_copies_is_told_and_only_while_it_does() -> None:
    (text,) = said(history(), judged(copy_t2=lambda epoch: float(epoch >= 4)))
    assert text.startswith("Since epoch 4 the synthetic T2w equals its source")
    assert said(history(), judged(copy_t2=lambda epoch: float(epoch < 10))) == []


def test_reversed_polarity_is_told() -> None:
    figures = judged(like_target_t1=lambda epoch: -0.5, like_source_t1=lambda epoch: 0.9 if epoch > 2 else -1)
    (text,) = said(history(), figures)
    assert text.startswith("Since epoch 3 the contrast of the synthetic T1w is inverted")
    assert said(history(), judged(like_source_t1=lambda epoch: 0.9)) == [], "within the margin"
    nothing = {name: lambda epoch: float("nan") for name in ("like_target_t1", "like_source_t1")}
    assert said(history(), judged(**nothing)) == [], "images without a head tell nothing"


@pytest.mark.parametrize("name", ["cycle_t1", "structure_t2", "simulated_t2"])
def test_a_loss_that_goes_up_is_told_since_its_lowest_epoch(name: str) -> None:
    rows = history(
        warmup=4, **{name: lambda epoch: 0.14 - 0.005 * epoch if epoch <= 20 else 0.02 * epoch - 0.36}
    )
    texts = said(rows)
    assert len(texts) == 1, texts
    assert "has risen by" in texts[0]
    since = int(texts[0].split("since epoch ")[1].split(".")[0])
    assert 17 <= since <= 22
    assert {"t1": "T1w", "t2": "T2w"}[name[-2:]] in texts[0]


def test_a_loss_that_trembles_or_rises_a_little_is_not() -> None:
    assert said(history(cycle_t1=lambda epoch: 0.1 + 0.4 / epoch + 0.02 * (epoch % 2))) == []
    assert said(history(structure_t1=lambda epoch: 0.2 + 0.001 * epoch)) == []


def test_a_cycle_error_that_does_not_fall_is_told() -> None:
    (text,) = said(history(cycle_t2=lambda epoch: 0.3))
    assert "cycle error of T2w has not fallen since epoch 1" in text
    assert said(history(cycle_t2=lambda epoch: 0.02)) == [], "low from the start, as with learnt weights"
    assert said(history(epochs=8, cycle_t2=lambda epoch: 0.3)) == [], "too early"


def test_losses_of_another_image_size_are_not_compared() -> None:
    rows = history(20, cycle_t1=lambda epoch: 0.02) + history(20, cycle_t1=lambda epoch: 0.1 + 0.1 / epoch)
    for number, row in enumerate(rows):
        row |= {"epoch": number + 1, "scale": 2 if number < 20 else 1}
    assert said(rows) == []


def test_a_warm_up_that_taught_nothing_is_told_once_it_is_over() -> None:
    flat = history(warmup=8, simulated_t2=lambda epoch: 0.5)
    (text,) = said(flat)
    assert text.startswith("Nothing was learnt of T2w in the warm-up")
    assert "in epoch 8" in text
    assert said(flat[:8]) == [], "it is not over"
    assert said(history(warmup=8, simulated_t2=lambda epoch: 0.08)) == [], "learnt before"
