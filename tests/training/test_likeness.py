"""Copies and negatives are told from right translations, without a truth to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from medgan.training.likeness import copies_source, polarity
from medgan.training.monitor import look

Images = dict[str, torch.Tensor]


def network_range(voxels: np.ndarray, head: np.ndarray) -> torch.Tensor:
    """Voxels to [-1, 1] as preparation does, background -1, as axial slices (N, 1, X, Y)."""
    low, high = np.percentile(voxels[head], (0.5, 99.5))
    scaled = np.where(head, np.clip((voxels - low) / (high - low) * 2 - 1, -1, 1), -1)
    planes = np.linspace(0.15, 0.85, 4) * (voxels.shape[2] - 1)
    return torch.tensor(scaled[:, :, planes.round().astype(int)], dtype=torch.float32).permute(2, 0, 1)[
        :, None
    ]


@pytest.fixture(scope="module")
def heads() -> Callable[[int], Images]:
    """A person's T1w and T2w images, as previews show them."""
    from medgan.simulation import procedural_head, simulate_pair

    known: dict[int, Images] = {}

    def make(person: int) -> Images:
        if person not in known:
            head = procedural_head(person, shape=(40, 48, 32), spacing_mm=4.0)
            inside = head.fraction("air") < 0.5
            known[person] = {key: network_range(v, inside) for key, v in simulate_pair(head, person).items()}
        return known[person]

    return make


PAIRS = [(person, person + 20, target) for person in range(1, 7) for target in ("t1", "t2")]


def judge(source: torch.Tensor, fake: torch.Tensor, target: torch.Tensor) -> str:
    """What the monitor says of these images."""
    like_target, like_source = polarity(source, fake, target)
    row = {"epoch": 1.0, "step": 1.0, "copy_t2": float(copies_source(source, fake))}
    row |= {"like_target_t2": like_target, "like_source_t2": like_source}
    return "; ".join(finding.text for finding in look([], [row]))


@pytest.mark.parametrize(("person", "other", "target"), PAIRS)
def test_a_right_translation_is_passed_in_silence(
    person: int, other: int, target: str, heads: Callable[[int], Images]
) -> None:
    source = "t1" if target == "t2" else "t2"
    assert judge(heads(person)[source], heads(person)[target], heads(other)[target]) == ""


def test_negatives_of_right_images_are_called_inverted(heads: Callable[[int], Images]) -> None:
    """Nearly all of them: other people's heads are what they are compared with, and heads differ."""
    found = []
    for person, other, target in PAIRS:
        source, right = heads(person)["t1" if target == "t2" else "t2"], heads(person)[target]
        negative = torch.where(source > -1, -right, right)
        found.append("inverted" in judge(source, negative, heads(other)[target]))
    assert np.mean(found) >= 0.75


@pytest.mark.parametrize(("person", "other", "target"), PAIRS)
def test_a_copy_is_called_a_copy_even_with_a_little_noise(
    person: int, other: int, target: str, heads: Callable[[int], Images]
) -> None:
    source = heads(person)["t1" if target == "t2" else "t2"]
    noise = 0.02 * torch.randn(source.shape, generator=torch.Generator().manual_seed(0))
    assert "equals its source" in judge(source, source + noise, heads(other)[target])


def test_a_negative_and_a_flat_image_are_no_copies() -> None:
    source = torch.rand(2, 1, 16, 16) * 1.9 - 0.9
    assert copies_source(source, source.clone())
    assert not copies_source(source, -source)
    assert not copies_source(source, torch.zeros_like(source))
    assert not copies_source(source, source * 0.2)


def test_images_without_a_head_say_nothing() -> None:
    flat = torch.full((4, 1, 24, 24), -1.0)
    assert judge(flat, flat, flat) == ""
    assert all(np.isnan(value) for value in polarity(flat, flat, flat))


def test_3d_images_are_judged_too() -> None:
    chance = torch.Generator().manual_seed(0)
    source = torch.rand(2, 1, 24, 24, 24, generator=chance).round() * 1.6 - 0.8
    target = -source
    assert polarity(source, target, target)[0] == pytest.approx(1)
    assert polarity(source, source, target)[0] == pytest.approx(-1)
