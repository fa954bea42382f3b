"""`medgan train`: says what it found and will do, where the result is, and why it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def arguments(head_folders: Any, tiny: tuple[str, ...]) -> list[str]:
    """A training of a second."""
    changes = [part for change in tiny for part in ("--set", change)]
    return ["train", *head_folders.arguments, "--device", "cpu", *changes]


def test_it_says_what_it_found_what_it_will_do_and_where_the_model_is(
    medgan: Any, arguments: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = medgan(*arguments, "-o", run)
    assert done.code == 0, done.err
    assert "Device: cpu (as asked for), float32" in done.out
    assert "T1w: 2 scans" in done.out
    assert "T2w: 2 scans" in done.out
    assert "2.5D (3 slices)" in done.out
    assert "Training: 8 steps (4 an epoch)" in done.out
    assert "It begins with fresh weights" in done.out
    assert "Estimate:" in done.out
    assert str(run / "model") in done.out
    assert f"medgan synthesize SCAN --target t2 --model {run}" in done.out
    assert "not a medical device" in done.out
    assert (run / "model" / "model.json").is_file()


def test_quiet_says_nothing(medgan: Any, arguments: list[str], tmp_path: Path) -> None:
    done = medgan(*arguments, "-o", tmp_path / "run", "-q")
    assert (done.code, done.out) == (0, "")


def test_verbose_gives_the_losses_of_every_epoch(medgan: Any, arguments: list[str], tmp_path: Path) -> None:
    done = medgan(*arguments, "-o", tmp_path / "run", "-v", "--epochs", "1")
    assert done.code == 0
    assert "Epoch 1: adversarial_t1" in done.out


def test_a_refused_scan_is_named_and_the_rest_is_trained_on(
    medgan: Any, arguments: list[str], head_folders: Any, tmp_path: Path
) -> None:
    shutil.copytree(head_folders.t1, tmp_path / "t1")
    (tmp_path / "t1" / "cut.nii.gz").write_bytes(b"cut")
    arguments[arguments.index("--t1-dir") + 1] = str(tmp_path / "t1")
    done = medgan(*arguments, "-o", tmp_path / "run", "-q")
    assert done.code == 0
    assert "not used:" in done.err
    assert "cut.nii.gz" in done.err


def test_a_second_training_into_the_same_folder_is_wrong_usage(
    medgan: Any, arguments: list[str], tiny_run: Path
) -> None:
    done = medgan(*arguments, "-o", tiny_run)
    assert done.code == 2
    assert "not empty" in done.err
    assert "--resume" in done.err


def test_a_run_that_does_not_fit_is_refused_on_resuming(
    medgan: Any, arguments: list[str], tiny_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    done = medgan(*arguments, "-o", tmp_path / "run", "--resume", "--set", "losses.cycle=3")
    assert done.code == 4
    assert "--init" in done.err
    assert medgan(*arguments, "-o", tmp_path / "run", "--resume").code == 0


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--set", "batch_sise=2"], 2, "batch_size"),
        (["--set", "batch_size=none"], 2, "sampling.batch_size"),
        (["--recipe", "slides"], 2, "slices"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--max-minutes", "0"], 2, "--max-minutes"),
        (["--seed", "-1"], 2, "--seed"),
        (["--device", "gpu"], 2, "auto, cpu, cuda"),
        (["--device", "cuda:99"], 6, "no device 'cuda:99'"),
        (["--resume"], 2, "nothing to resume"),
        (["--init", "nowhere"], 4, "no such model"),
        (["--t1-dir", "nowhere"], 3, "nowhere"),
    ],
)
def test_each_refusal_has_its_exit_code_and_names_what_is_wrong(
    more: list[str], code: int, said: str, medgan: Any, arguments: list[str], tmp_path: Path
) -> None:
    done = medgan(*arguments, "-o", tmp_path / "run", *more)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run" / "model").exists()


def test_a_run_folder_that_cannot_be_made_is_an_output_error(
    medgan: Any, arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    done = medgan(*arguments, "-o", tmp_path / "file" / "run")
    assert done.code == 5
    assert (tmp_path / "file").read_text() == "mine"


def test_a_recipe_file_of_ones_own_is_taken(medgan: Any, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("description: mine\noptimiser: {learning_rate: 1.0e-4}\n")
    done = medgan(*arguments, "-o", tmp_path / "run", "--recipe", tmp_path / "mine.yaml", "--epochs", "1")
    assert done.code == 0, done.err
    assert "Recipe mine" in done.out
