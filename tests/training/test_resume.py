"""A training that was killed, stopped or crashed ends with the very weights of one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors

from medgan.errors import ModelRefusedError, UsageError
from medgan.files import sha256
from medgan.training import Observer, Status, train

EPOCH, EPOCHS = 25, 2


@pytest.fixture(scope="module")
def settings(tiny: tuple[str, ...]) -> tuple[str, ...]:
    """Two epochs with a coarse stage, a warm-up on simulated pairs, random dropout, augmented discriminators
    and a history that fills."""
    return (
        *tiny,
        "preparation.size=72",
        "generator.dropout=0.1",
        "discriminator.augment=true",
        "training.coarse=[{scale: 2, share: 0.3}]",
        "simulation.heads=1",
        "simulation.warmup=0.2",
        f"training.steps_per_epoch={EPOCH}",
        f"training.epochs={EPOCHS}",
        "training.checkpoint_seconds=0.3",
        "training.preview_seconds=1000",
    )


def weights(run: Path) -> dict[str, str]:
    made = {path.name: sha256(path) for path in sorted((run / "model").glob("*.safetensors"))}
    assert len(made) == 2
    return made


@pytest.fixture(scope="module")
def uninterrupted(
    settings: tuple[str, ...], head_folders: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    run = tmp_path_factory.mktemp("whole") / "run"
    return weights(train(head_folders.t1, head_folders.t2, out=run, changes=settings, device="cpu"))


def reached(run: Path) -> int:
    """The step of the newest checkpoint."""
    steps = [0]
    for path in (run / "checkpoints").glob("[ab].safetensors"):
        with safetensors.safe_open(path, framework="pt") as content:
            steps.append(int(json.loads(content.metadata()["medgan"])["step"]))
    return max(steps)


def started(run: Path, settings: tuple[str, ...], folders: Any) -> subprocess.Popen[str]:
    changes = [part for change in settings for part in ("--set", change)]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "medgan",
            "train",
            *folders.arguments,
            "-o",
            str(run),
            "--device",
            "cpu",
            *changes,
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


def rows(run: Path) -> list[int]:
    with (run / "metrics.csv").open() as stream:
        return [int(row["step"]) for row in csv.DictReader(stream)]


@pytest.mark.robustness("crash-signals", "bad-20")
@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130), (signal.SIGINT, 130)]
)
def test_a_command_that_is_stopped_in_an_epoch_and_resumed_gives_the_same_weights(
    number: signal.Signals,
    code: int,
    settings: tuple[str, ...],
    uninterrupted: dict[str, str],
    head_folders: Any,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    process = started(run, settings, head_folders)
    deadline = time.monotonic() + 120
    try:
        while reached(run) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert "Traceback" not in said
    step = reached(run)
    assert 0 < step < EPOCH * EPOCHS
    if number != signal.SIGKILL:
        assert f"stopped by {number.name} after step {step}" in said
        assert "--resume" in said
        assert weights(run) != uninterrupted, "the model so far is kept"
    train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu")
    assert weights(run) == uninterrupted
    done = rows(run)
    assert done == sorted(set(done))
    assert done[-1] == EPOCH * EPOCHS
    assert not list(run.rglob(".medgan-*")), "what the killed process left half written is swept away"


class PowerCutError(Exception):
    """The end of the process, as far as the training can tell."""


class Cut(Observer):
    """Cuts the power after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, status: Status) -> None:
        if status.step == self.step:
            raise PowerCutError


@pytest.mark.robustness("crash-train")
def test_power_cuts_at_any_step_change_nothing(
    settings: tuple[str, ...], uninterrupted: dict[str, str], head_folders: Any, tmp_path: Path
) -> None:
    """Around the end of the warm-up, of the coarse stage and of an epoch, and right after the last step."""
    run = tmp_path / "run"
    changes = [*settings, "training.checkpoint_seconds=0"]
    told: dict[str, Any] = {"out": run, "changes": changes, "device": "cpu"}
    for number, step in enumerate((1, 9, 10, 15, 16, EPOCH, EPOCH + 1, EPOCH * EPOCHS)):
        with pytest.raises(PowerCutError):
            train(head_folders.t1, head_folders.t2, **told, resume=number > 0, observer=Cut(step))
    train(head_folders.t1, head_folders.t2, **told, resume=True)
    assert weights(run) == uninterrupted
    assert rows(run) == sorted(set(rows(run)))


@pytest.mark.robustness("crash-checkpoint")
def test_a_damaged_newest_checkpoint_costs_time_and_nothing_else(
    settings: tuple[str, ...], uninterrupted: dict[str, str], head_folders: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    changes = [*settings, "training.checkpoint_seconds=0"]
    with pytest.raises(PowerCutError):
        train(head_folders.t1, head_folders.t2, out=run, changes=changes, device="cpu", observer=Cut(10))
    newest = max((run / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[-5] ^= 1
    newest.write_bytes(content)

    class Listener(Observer):
        warnings: list[str] = []  # noqa: RUF012 - one test, one instance

        def warned(self, text: str) -> None:
            self.warnings.append(text)

    train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu", observer=Listener())
    assert any(newest.name in text and "damaged" in text for text in Listener.warnings)
    assert weights(run) == uninterrupted


def copy_of(run: Path, folder: Path) -> Path:
    import shutil

    shutil.copytree(run, folder)
    return folder


def test_more_epochs_can_be_added_to_a_finished_run(
    tiny: Any, tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    train(head_folders.t1, head_folders.t2, out=run, resume=True, epochs=3, device="cpu")
    assert rows(run) == [4, 8, 12]
    assert sorted(path.name for path in (run / "previews").glob("epoch*"))[-1] == "epoch_00003.png"


def test_a_finished_run_can_be_resumed_to_no_effect(
    tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu")
    assert weights(run) == weights(tiny_run)
    assert rows(run) == rows(tiny_run)


@pytest.mark.parametrize(
    "changes", [["losses.cycle=3"], ["generator.channels=[4, 12]"], ["batch_size=3"], ["precision=bfloat16"]]
)
def test_a_run_is_not_gone_on_with_under_other_settings(
    changes: list[str], tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    with pytest.raises(ModelRefusedError, match="other data, settings, seed or precision") as caught:
        train(head_folders.t1, head_folders.t2, out=run, resume=True, changes=changes, epochs=3, device="cpu")
    assert caught.value.exit_code == 4
    assert "--init" in caught.value.remedy
    assert weights(run) == weights(tiny_run)
    assert (run / "recipe.yaml").read_bytes() == (tiny_run / "recipe.yaml").read_bytes()


def test_a_run_is_not_gone_on_with_on_other_scans(
    tiny_run: Path, head: Any, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    head(tmp_path / "t2" / "other.nii.gz", "t2", 9)
    with pytest.raises(ModelRefusedError, match="other data"):
        train(head_folders.t1, tmp_path / "t2", out=run, resume=True, epochs=3, device="cpu")
    with pytest.raises(ModelRefusedError, match="other data"):
        train(head_folders.t2, head_folders.t1, out=run, resume=True, epochs=3, device="cpu")


def test_the_same_scans_in_another_place_are_the_same_data(
    tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    for key in ("t1", "t2"):
        copy_of(getattr(head_folders, key), tmp_path / "moved" / key)
    train(tmp_path / "moved" / "t1", tmp_path / "moved" / "t2", out=run, resume=True, device="cpu")
    assert weights(run) == weights(tiny_run)


def test_another_seed_is_refused(tiny_run: Path, head_folders: Any, tmp_path: Path) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    with pytest.raises(UsageError, match="has seed 0, not 5"):
        train(head_folders.t1, head_folders.t2, out=run, resume=True, seed=5)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"seed": null}', "{"])
def test_a_damaged_run_json_is_refused(
    content: str, tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    (run / "run.json").write_text(content)
    with pytest.raises(ModelRefusedError, match="damaged") as caught:
        train(head_folders.t1, head_folders.t2, out=run, resume=True)
    assert caught.value.file == run / "run.json"


@pytest.mark.robustness("crash-checkpoint")
def test_a_run_whose_checkpoints_are_all_damaged_is_refused_not_begun_anew(
    tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    run = copy_of(tiny_run, tmp_path / "run")
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelRefusedError, match="no checkpoint"):
        train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu")


class CutWhilePreparing(Observer):
    """Cuts the power before any step."""

    def preparing(self, contrast: str, done: int, total: int) -> None:
        if contrast == "t2":
            raise PowerCutError


def test_a_run_that_was_killed_while_it_prepared_is_simply_started_again(
    tiny: Any, tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    told: dict[str, Any] = {"out": tmp_path / "run", "changes": tiny, "device": "cpu"}
    with pytest.raises(PowerCutError):
        train(head_folders.t1, head_folders.t2, **told, observer=CutWhilePreparing())
    assert any((tmp_path / "run").iterdir())
    for place in (".", "cache"):
        (tmp_path / "run" / place / ".medgan-0123456789abcdef.npy").write_bytes(b"half")
    with pytest.raises(UsageError, match="nothing to resume") as caught:
        train(head_folders.t1, head_folders.t2, **told, resume=True)
    assert "Leave out --resume" in caught.value.remedy
    train(head_folders.t1, head_folders.t2, **told)
    assert weights(tmp_path / "run") == weights(tiny_run)
    assert not list((tmp_path / "run").rglob(".medgan-*"))


def test_a_run_without_a_checkpoint_yet_begins_again_from_its_init_model(
    tiny: Any, tiny_run: Path, head_folders: Any, tmp_path: Path
) -> None:
    """Killed before its first checkpoint, then the same command with --resume."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    told: dict[str, Any] = {"changes": tiny, "device": "cpu", "init": tiny_run, "seed": 3}
    train(head_folders.t1, head_folders.t2, out=whole, **told)
    with pytest.raises(PowerCutError):
        train(head_folders.t1, head_folders.t2, out=cut, **told, observer=Cut(2))
    train(head_folders.t1, head_folders.t2, out=cut, **told, resume=True)
    assert weights(cut) == weights(whole)
