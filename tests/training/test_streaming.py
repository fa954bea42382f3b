"""Pairs drawn on the fly: the same again on a resume, prepared as scans are, from anatomies made once."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import medgan
from medgan.errors import InputRefusedError, ModelRefusedError, UsageError
from medgan.recipe import Recipe, load_recipe
from medgan.simulation import Anatomy, procedural_head
from medgan.training.anatomies import prepare_anatomies
from medgan.training.shares import share_of
from medgan.training.streaming import PairStream

_SMALL = (
    "simulation.pairs=3",
    "simulation.side=32",
    "simulation.side_steps=0",
    "augmentation.tone=0",
    "simulation.heads=1",
)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("pretraining", _SMALL)


@pytest.fixture(scope="module")
def anatomies() -> list[Anatomy]:
    return [Anatomy.of(procedural_head(seed, shape=(45, 54, 44), spacing_mm=4.0)) for seed in (1, 2)]


@pytest.fixture
def stream(anatomies: list[Anatomy], recipe: Recipe) -> Iterator[PairStream]:
    made = PairStream(anatomies, recipe, slab=3, seed=0)
    yield made
    made.close()


def test_a_batch_follows_from_its_step_alone(
    stream: PairStream, anatomies: list[Anatomy], recipe: Recipe
) -> None:
    first, second, third = (stream.batch(step) for step in (0, 1, 2))
    assert not torch.equal(first["t1"], second["t1"])
    resumed = PairStream(anatomies, recipe, slab=3, seed=0)
    assert all(torch.equal(resumed.batch(2)[key], third[key]) for key in third)
    assert all(torch.equal(stream.batch(1)[key], second[key]) for key in second)  # back again
    resumed.close()


def test_the_shares_of_a_batch_are_the_batch(anatomies: list[Anatomy]) -> None:
    toned = load_recipe("pretraining", [change.replace("tone=0", "tone=0.3") for change in _SMALL])
    found = []
    for index, parts in ((0, 1), (0, 2), (1, 2)):
        share = functools.partial(share_of, index=index, parts=parts)
        stream = PairStream(anatomies, toned, slab=1, seed=0, share=share)
        found.append(stream.batch(5))
        assert stream.count() == 3
        stream.close()
    whole, first, second = found
    assert [len(one["t1"]) for one in found] == [3, 1, 2]
    for key, images in whole.items():
        torch.testing.assert_close(torch.cat([first[key], second[key]]), images, rtol=0, atol=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_signals_to_all_processes_leave_it_to_the_training_to_end(stream: PairStream, number: int) -> None:
    """A terminal and a scheduler signal the process that draws ahead too."""
    stream.batch(0)
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    os.kill(worker.pid, number)
    for step in range(1, 8):  # more than were drawn ahead
        stream.batch(step)
    stream.close()
    worker.join(10)
    assert not worker.is_alive()


def test_sides_differ_from_step_to_step_where_asked_for(anatomies: list[Anatomy]) -> None:
    changes = [
        "simulation.pairs=1",
        "simulation.side=64",
        "simulation.side_steps=1",
        "discriminator.layers=1",
    ]
    stream = PairStream(anatomies, load_recipe("pretraining", changes), slab=3, seed=0)
    assert {stream.batch(step)["t1"].shape[-1] for step in range(12)} == {32, 64, 96}
    stream.close()


def test_tones_vary_what_is_translated_and_leave_what_it_should_become(anatomies: list[Anatomy]) -> None:
    plain, varied = (
        PairStream(
            anatomies, load_recipe("pretraining", [*_SMALL, f"augmentation.tone={tone}"]), slab=3, seed=0
        )
        for tone in (0, 0.3)
    )
    before, after = plain.batch(3), varied.batch(3)
    for key in ("t1", "t2"):
        assert torch.equal(before[key], after[key])
        seen = after[f"{key}_seen"]
        head = before[key] > -1
        assert torch.equal(seen[~head], before[key][~head])
        apart = (seen - before[key])[head].abs()
        assert 0.01 < apart.mean() < 0.4
        assert seen.min() >= -1
        assert seen.max() <= 1
        for one, other in zip(seen, before[key], strict=True):  # a tone keeps what is brighter brighter
            inside = (other > -0.9) & (one > -1) & (one < 1)
            order = other[inside].argsort()
            assert (one[inside][order].diff() >= -1e-5).all()
    plain.close()
    varied.close()


def test_images_are_as_a_network_sees_scans(stream: PairStream) -> None:
    for step in range(4):
        for images in stream.batch(step).values():
            assert images.shape == (3, 3, 32, 32)
            assert images.dtype == torch.float32
            assert images.min() >= -1
            assert images.max() <= 1
            assert images.isfinite().all()
            assert images.std() > 0.05


def test_the_two_images_show_one_anatomy_and_opposite_contrasts(stream: PairStream) -> None:
    """Fluid is dark in T1w and bright in T2w, so within the brain the two anticorrelate."""
    products = []
    for step in range(8):
        pairs = stream.batch(step)
        for t1, t2 in zip(pairs["t1"], pairs["t2"], strict=True):
            head = (t1 > -0.95) & (t2 > -0.95)
            assert ((t1 > -1) == (t2 > -1)).float().mean() > 0.9
            if head.sum() > 100:
                products.append(torch.corrcoef(torch.stack([t1[head], t2[head]]))[0, 1].item())
    assert sorted(products)[len(products) // 2] < 0


def test_smaller_images_are_averages(stream: PairStream) -> None:
    whole, half = stream.batch(0), stream.batch(0, scale=2)
    assert min(half["t2"].shape[2:]) >= 16
    average = torch.nn.functional.avg_pool2d(whole["t2"], 2)
    edge = (half["t2"].shape[-1] - 16) // 2  # padded, where the networks could not take less
    assert torch.allclose(half["t2"][..., edge : edge + 16, edge : edge + 16], average)


def test_anatomies_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def small(seed: int, **_: Any) -> Any:
        made.append(seed)
        return procedural_head(seed, shape=(45, 54, 44), spacing_mm=4.0)

    monkeypatch.setattr("medgan.training.anatomies.procedural_head", small)
    first = prepare_anatomies(None, heads=2, seed=0, cache=tmp_path)
    again = prepare_anatomies(None, heads=2, seed=0, cache=tmp_path)
    assert len(made) == 2
    assert first.fingerprint == again.fingerprint
    for one, other in zip(first.items, again.items, strict=True):
        assert torch.equal(one.codes, other.codes)
        assert (one.palette == other.palette).all()
        assert (one.low, one.tissue_names, one.spacing) == (other.low, other.tissue_names, other.spacing)
    next(tmp_path.iterdir()).write_bytes(b"damaged")
    assert len(prepare_anatomies(None, heads=2, seed=0, cache=tmp_path).items) == 2
    assert len(made) == 3


def test_a_folder_without_label_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError):
        prepare_anatomies(tmp_path, heads=0, seed=0, cache=tmp_path / "cache")


def test_labels_are_for_recipes_that_simulate_on_the_fly(
    head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="on the fly"):
        medgan.train(
            head_folders.t1,
            head_folders.t2,
            out=tmp_path / "run",
            changes=tiny,
            labels=tmp_path,
            device="cpu",
        )


def test_a_training_on_pairs_drawn_on_the_fly_leaves_a_model_and_no_cache(
    head_folders: Any, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medgan.training.anatomies.procedural_head",
        lambda seed, **_: procedural_head(seed, shape=(45, 54, 44), spacing_mm=4.0),
    )
    changes = [
        *(change for change in tiny if "simulation" not in change and "coarse" not in change),
        "simulation.heads=1",
        "simulation.on_the_fly=true",
        "simulation.pairs=2",
        "simulation.side=24",
        "simulation.side_steps=0",
        "simulation.warmup=0.5",
    ]

    run = medgan.train(
        head_folders.t1,
        head_folders.t2,
        out=tmp_path / "run",
        recipe="pretraining",
        changes=changes,
        epochs=2,
        device="cpu",
    )
    assert not (run / "cache").exists()
    assert (run / "model" / "t1_to_t2.safetensors").is_file()
    assert "simulated_t2" in (run / "metrics.csv").read_text()
    heads = json.loads((run / "run.json").read_text())["data"]["simulated"]
    with pytest.raises(ModelRefusedError, match="other data"):
        monkeypatch.setattr("medgan.training.anatomies._VERSION", 0)
        medgan.train(head_folders.t1, head_folders.t2, out=run, resume=True, epochs=3, device="cpu")
    assert len(heads) == 64
