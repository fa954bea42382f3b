"""On procedural heads, whose truth is known: what is nearer to it is judged better, and nothing better than it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medgan.simulation import procedural_head, simulate_pair
from medgan.training.judgement import PARTS, Judge, score

Images = dict[str, torch.Tensor]
Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_LEVELS = (8, 15, 22)


def images_of(people: list[int]) -> Images:
    """T1w and T2w slices in [-1, 1] of some people, level by level."""
    slices: dict[str, list[torch.Tensor]] = {"t1": [], "t2": []}
    for person in people:
        head = procedural_head(person, shape=(48, 56, 32), spacing_mm=4.0)
        inside = head.fraction("air") < 0.5
        for key, voxels in simulate_pair(head, person).items():
            low, high = np.percentile(voxels[inside], (0.5, 99.5))
            scaled = np.where(inside, np.clip((voxels - low) / (high - low) * 2 - 1, -0.9, 1), -1)
            slices[key].append(torch.tensor(scaled[:, :, _LEVELS], dtype=torch.float32).permute(2, 0, 1))
    return {key: torch.stack(found, dim=1).flatten(0, 1)[:, None] for key, found in slices.items()}


@pytest.fixture(scope="module")
def heads() -> tuple[Images, Images]:
    """Of the people whose T1w is translated, and of those whose T2w is known."""
    return images_of([1, 2, 3]), images_of([11, 12, 13])


class Oracle(torch.nn.Module):
    """A generator that knows the truth of its images, and spoils it."""

    def __init__(self, pairs: list[tuple[torch.Tensor, torch.Tensor]], spoil: Change) -> None:
        super().__init__()
        self.pairs, self.spoil = pairs, spoil

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for source, truth in self.pairs:
            if images.shape == source.shape and torch.equal(images, source):
                return self.spoil(source, truth)
        source, truth = min(self.pairs, key=lambda pair: float((images - pair[0]).abs().mean()))
        return self.spoil(images, truth + 0.2 * (images - source))  # the way back shows what was spoilt


def judged(heads: tuple[Images, Images], spoil: Change) -> tuple[dict[str, float], float]:
    """The figures of generators that spoil the truth, and how far off they are in truth."""
    real = {"t1": heads[0]["t1"], "t2": heads[1]["t2"]}
    truth = {"t1": heads[1]["t1"], "t2": heads[0]["t2"]}
    there = {"t2": (real["t1"], truth["t2"]), "t1": (real["t2"], truth["t1"])}
    generators = torch.nn.ModuleDict(
        {key: Oracle([pair, *(other[::-1] for k, other in there.items() if k != key)], spoil)
         for key, pair in there.items()}
    )  # fmt: skip
    training = SimpleNamespace(gan=SimpleNamespace(other={"t1": "t2", "t2": "t1"}), generators=generators)
    engine: Any = SimpleNamespace(
        training=training,
        batches=SimpleNamespace(spread=lambda key, heads, levels: real[key]),
        translate=lambda generator, images: generator(images),
    )
    off = [float((spoil(*pair) - pair[1]).abs()[pair[1] > -1].mean()) for pair in there.values()]
    return Judge(engine)(engine), float(np.mean(off))


def noisy(size: float) -> Change:
    def spoil(source: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
        return torch.where(truth > -1, truth + size * noise, truth).clamp(-1, 1)

    return spoil


def towards_copy(share: float) -> Change:
    return lambda source, truth: (1 - share) * truth + share * source


def darker(size: float) -> Change:
    return lambda source, truth: torch.where(truth > -1, (truth - size).clamp(min=-0.94), truth)


def inside(value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda source, truth: torch.where(source > -1, value(source).clamp(-0.94, 1), source)


SPOILT = {
    "truth": noisy(0),
    "noise 0.1": noisy(0.1),
    "noise 0.3": noisy(0.3),
    "noise 0.6": noisy(0.6),
    "quarter copy": towards_copy(0.25),
    "half copy": towards_copy(0.5),
    "copy": towards_copy(1),
    "darker": darker(0.3),
    "much darker": darker(0.7),
    "flat": inside(torch.zeros_like),
    "negative of the source": inside(lambda source: -source),
}


@pytest.fixture(scope="module")
def figures(heads: tuple[Images, Images]) -> dict[str, tuple[dict[str, float], float]]:
    return {name: judged(heads, spoil) for name, spoil in SPOILT.items()}


def test_nothing_is_judged_better_than_the_truth(figures: Any) -> None:
    scores = {name: found["score"] for name, (found, _) in figures.items()}
    assert min(scores, key=scores.__getitem__) == "truth", scores


@pytest.mark.parametrize(
    "worse_and_worse",
    [
        ("truth", "noise 0.1", "noise 0.3", "noise 0.6"),
        ("truth", "quarter copy", "half copy", "copy"),
        ("truth", "darker", "much darker"),
    ],
)
def test_what_is_further_from_the_truth_is_judged_worse(
    worse_and_worse: tuple[str, ...], figures: Any
) -> None:
    scores = [figures[name][0]["score"] for name in worse_and_worse]
    assert scores == sorted(scores)
    assert all(later > 1.03 * earlier for earlier, later in itertools.pairwise(scores)), scores


def test_a_copy_has_no_cycle_error_and_is_not_chosen_for_that(figures: Any) -> None:
    copy, half = figures["copy"][0], figures["noise 0.1"][0]
    for key in ("t1", "t2"):
        assert copy[f"cycle_{key}"] < 0.01 < half[f"cycle_{key}"]
        assert copy[f"distance_{key}"] == pytest.approx(1)
        assert copy[f"structure_{key}"] < 0.01
        assert copy[f"copy_{key}"] == 1
    assert copy["score"] > half["score"]


def test_a_flat_image_has_lost_the_structure(figures: Any) -> None:
    assert figures["flat"][0]["structure_t2"] > 0.5
    assert figures["truth"][0]["structure_t2"] < 0.5


def test_the_score_is_the_root_mean_square_of_the_three_errors_of_both_directions() -> None:
    errors = {f"{part}_{key}": 0.0 for part in PARTS for key in ("t1", "t2")}
    assert score(errors) == 0
    assert score({**errors, "distance_t2": 6**0.5, "copy_t2": 9.0, "like_target_t2": 9.0}) == pytest.approx(1)
    assert np.isnan(score({**errors, "cycle_t1": float("nan")}))
