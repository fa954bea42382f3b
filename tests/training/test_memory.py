"""How much memory there is, how much a step takes, and how a training keeps to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from medgan.cyclegan import Weights
from medgan.errors import ResourceError, UsageError
from medgan.recipe import load_recipe
from medgan.training import memory
from medgan.training.division import Division, choose_division
from medgan.training.footprint import Shown, _Live, footprint
from medgan.training.memory import Limit, find_limit, parse_size
from medgan.training.shares import Part
from medgan.training.state import build_gan
from medgan.training.step import Aims, teach_discriminators, teach_generators

CPU = torch.device("cpu")
GIB = 2**30


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4_000_000_000),
        ("4 gb", 4_000_000_000),
        ("1.5GiB", 1_610_612_736),
        ("800MB", 800_000_000),
        ("512 MiB", 536_870_912),
        ("2048KiB", 2_097_152),
        ("3b", 3),
    ],
)
def test_a_size_is_a_number_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-4GB", "4 gigs", "4GB!", "1e3MB", "nan GB", "0GB", "0.1B"])
def test_what_is_no_size_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.exit_code == 2


def test_the_limit_is_what_was_asked_for_but_never_more_than_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10 * GIB)
    there = find_limit(CPU, asked=None)
    assert there is not None
    assert there.room == pytest.approx(9 * GIB, rel=1e-6), "a tenth is spared"
    asked = find_limit(CPU, asked=5 * GIB)
    assert asked is not None
    assert (asked.total, asked.asked) == (5 * GIB, True)
    assert "--max-memory" in str(asked)
    too_much = find_limit(CPU, asked=50 * GIB)
    assert too_much is not None
    assert not too_much.asked
    assert too_much.room == pytest.approx(9 * GIB, rel=0.01)
    shared = find_limit(CPU, asked=None, sharing=3)
    assert shared is not None
    assert shared.room == pytest.approx(3 * GIB, rel=1e-6)


def test_where_nothing_tells_only_what_was_asked_for_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert find_limit(CPU, asked=None) is None
    asked = find_limit(CPU, asked=GIB)
    assert asked is not None
    assert asked.total == GIB


SMALL = (
    "generator.channels=[4, 8]",
    "generator.residual_units=1",
    "discriminator.channels=4",
    "losses.history=5",
)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", ["slices", "volumes"])
def test_what_is_counted_without_content_is_what_a_step_holds(name: str, recompute: bool) -> None:
    recipe = load_recipe(name, SMALL)
    shape = (2, 1, *(32,) * recipe.spatial_dims)
    told = footprint(recipe, Shown(shape, shape, None), slab=1, precision=torch.float32, recompute=recompute)
    gan = build_gan(recipe, slab=1)
    gan.recompute = recompute
    weights = sum(parameter.nbytes for parameter in gan.parameters())
    losses = recipe.losses
    aims = Aims.of(
        recipe,
        Weights(adversarial=1, cycle=1, identity=losses.identity, structure=losses.structure),
        torch.float32,
    )
    with _Live() as live:
        real, pairs = ({key: torch.zeros(shape) for key in ("t1", "t2")} for _ in "12")
        gan.discriminators.requires_grad_(False)
        fakes, _ = teach_generators(gan, Part(real, pairs, {}, (1, 1, 1)), aims, {})
        gan.discriminators.requires_grad_(True)
        teach_discriminators(gan, real, fakes, 1.0, {}, torch.float32)
    assert told == pytest.approx(live.peak + weights, rel=0.1)


def test_twice_the_images_take_twice_the_memory_and_passes_done_twice_less_than_half() -> None:
    recipe = load_recipe("slices")

    def counted(images: int, recompute: bool = False) -> int:
        shown = Shown((images, 3, 64, 64), None, None)
        return footprint(recipe, shown, slab=3, precision=torch.float32, recompute=recompute)

    assert counted(16) - counted(8) == pytest.approx(8 * (counted(8) - counted(7)), rel=0.05)
    more, more_twice = (counted(16, recompute) - counted(8, recompute) for recompute in (False, True))
    assert more_twice < 0.5 * more


def chosen(room: int, batch: int = 8) -> Division:
    shape = (batch, 3, 192, 192)
    return choose_division(
        load_recipe("slices"),
        [Shown(shape, shape, None)],
        slab=3,
        precision=torch.float32,
        device=CPU,
        limit=Limit(room, 0, asked=True),
    )


def test_the_less_room_the_more_parts_and_passes_are_done_twice_last_of_all() -> None:
    found = [chosen(int(room * GIB)) for room in (4, 2, 1.2, 0.8, 0.65)]
    assert [(one.parts, one.recompute) for one in found] == [
        (1, False),
        (2, False),
        (4, False),
        (8, False),
        (8, True),
    ]
    assert found[0].text(8) == ""
    assert found[2].text(8) == "in 4 parts, to stay under 1.29 GB"
    assert found[3].text(8) == "image by image, to stay under 859 MB"
    assert "image by image and with each pass through a network done twice" in found[4].text(8)


def test_too_little_room_for_one_image_is_refused_with_what_is_needed() -> None:
    with pytest.raises(ResourceError, match=r"one image at a time needs about \d+ MB of memory") as caught:
        chosen(GIB // 4)
    assert caught.value.exit_code == 6
    assert "sampling.crop" in caught.value.remedy


def test_no_limit_is_the_whole_batch() -> None:
    recipe = load_recipe("slices")
    shape = (64, 3, 512, 512)
    told: dict[str, Any] = {"slab": 3, "precision": torch.float32, "device": CPU}
    assert choose_division(recipe, [Shown(shape, None, None)], limit=None, **told) == Division()


def test_too_small_a_limit_is_refused_before_the_first_step(
    medgan: Any, tiny: tuple[str, ...], head_folders: Any, tmp_path: Path
) -> None:
    changes = [part for change in tiny for part in ("--set", change)]
    done = medgan(
        "train",
        *head_folders.arguments,
        "-o",
        tmp_path / "run",
        *changes,
        "--device",
        "cpu",
        "--max-memory",
        "100MB",
    )
    assert done.code == 6
    assert "the limit is 100 MB (--max-memory)" in done.err
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


PEAK = (
    "import os, subprocess, sys; one = subprocess.Popen(sys.argv[1:]); _, status, used = os.wait4(one.pid, 0); "
    "one.returncode = os.waitstatus_to_exitcode(status); print(used.ru_maxrss, file=sys.stderr); "
    "sys.exit(one.returncode)"
)
"""Tells the peak of a command; a process of its own, since Linux lets a peak begin with that of who starts it."""
HEAVY = (
    "preparation.size=160",
    "sampling.crop=null",
    "sampling.batch_size=8",
    "generator.channels=[16, 32]",
    "discriminator.channels=8",
    "losses.structure=0",
    "training.coarse=[]",
    "training.steps_per_epoch=1",
    "training.epochs=2",
)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of a process")
def test_a_training_stays_under_what_it_was_given_and_would_not_have_otherwise(
    tiny: tuple[str, ...], head_folders: Any, tmp_path: Path
) -> None:
    limit = 1_000_000_000
    changes = [part for change in (*tiny, *HEAVY) for part in ("--set", change)]
    command = [sys.executable, "-m", "medgan", "train", *head_folders.arguments, "--device", "cpu", *changes]
    peaks = []
    for name, more in (("free", []), ("held", ["--max-memory", "1GB"])):
        run = tmp_path / name
        with (tmp_path / f"{name}.txt").open("w") as screen:
            done = subprocess.run(
                [sys.executable, "-c", PEAK, *command, "-o", str(run), *more],
                stdout=screen,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "MEDGAN_CACHE": str(tmp_path / f"{name} cache")},
            )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.splitlines()[-1]) * 1024)
    assert peaks[1] < limit < peaks[0]
    told = re.search(
        r"Images of each contrast in a step: (8, (?:in [24] parts|image by image), to stay under 1.00 GB)\.",
        (tmp_path / "held.txt").read_text(),
    )
    assert told is not None
    assert told[1] in (tmp_path / "held" / "report.html").read_text()
    assert told[1].removeprefix("8, ") in (tmp_path / "held" / "run.json").read_text()
    assert "Images of each contrast" not in (tmp_path / "free.txt").read_text()
