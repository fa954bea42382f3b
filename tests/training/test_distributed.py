"""Two processes under torchrun train as one does on twice the batch, and go on with each other's runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from medgan.devices import DeviceChoice
from medgan.errors import UsageError
from medgan.launch import Launch, launched, tells
from medgan.training import Observer, Status, train
from medgan.training.team import Team

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="signals processes")]

CPU = torch.device("cpu")
STEPS = 20
NEAR = 1e-4
"""Largest difference of a weight after 20 steps of Adam, which move it by 2e-3: sums in another order alone come to
6e-7 here, but a step that meets a kink of a loss otherwise can make 1e-4 of that in ten more."""
SIGNALLED = Path(__file__).with_name("signalled.py")


@pytest.fixture(scope="module")
def settings(tiny: tuple[str, ...]) -> tuple[str, ...]:
    """A warm-up on simulated pairs, a coarse stage, augmented discriminators and a history that fills."""
    return (
        *tiny,
        "preparation.size=72",
        "discriminator.augment=true",
        'training.coarse=[{"scale": 2, "share": 0.3}]',
        "simulation.heads=1",
        "simulation.warmup=0.2",
        "losses.identity=0.2",
        f"training.steps_per_epoch={STEPS // 2}",
        "training.epochs=2",
        "training.checkpoint_seconds=0",
        "training.preview_seconds=1000",
    )


@pytest.fixture(scope="module")
def alone(
    settings: tuple[str, ...], head_folders: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, torch.Tensor]:
    """What one process comes to with a batch of two."""
    run = tmp_path_factory.mktemp("alone") / "run"
    return reached(train(head_folders.t1, head_folders.t2, out=run, changes=settings, device="cpu"))


def reached(run: Path) -> dict[str, torch.Tensor]:
    """The newest checkpoint."""
    newest = max((run / "checkpoints").glob("*.safetensors"), key=lambda file: file.stat().st_mtime_ns)
    return safetensors.torch.load_file(newest)


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of a weight or an average."""
    assert one.keys() == other.keys()
    names = [name for name in one if name.startswith(("gan.", "averaged."))]
    return max((one[name] - other[name]).abs().max().item() for name in names)


def together(*command: object, expect: int) -> subprocess.CompletedProcess[str]:
    """Two processes; torchrun itself ends with 1 where one of them fails."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [sys.executable, *launcher, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == expect, ended.stderr
    return ended


def arguments(folders: Any, run: Path, settings: tuple[str, ...]) -> list[str]:
    """A batch of one for each process is one of two in all."""
    changes = [part for change in (*settings, "sampling.batch_size=1") for part in ("--set", change)]
    return ["train", *folders.arguments, "-o", str(run), "--device", "cpu", *changes]


def test_two_processes_train_as_one_with_twice_the_batch(
    settings: tuple[str, ...], alone: dict[str, torch.Tensor], head_folders: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    said = together("-m", "medgan", *arguments(head_folders, run, settings), expect=0)
    assert apart(reached(run), alone) < NEAR
    assert "sampling:\n  batch_size: 2\n" in (run / "recipe.yaml").read_text()
    for words in ("Device: cpu", f"Training: {STEPS} steps", "Done. The model is in"):
        assert said.stdout.count(words) == 1
    assert "Images of each contrast in a step: 2, 1 in each of 2 processes." in said.stdout
    previews = sorted(path.name for path in (run / "previews").iterdir())
    assert previews == ["epoch_00001.png", "epoch_00002.png", "untrained.png"]
    assert not (run / "cache").exists()
    assert not list(run.rglob(".medgan-*"))


def test_what_two_processes_were_stopped_in_one_ends_as_if_nothing_had_happened(
    settings: tuple[str, ...], alone: dict[str, torch.Tensor], head_folders: Any, tmp_path: Path
) -> None:
    """SIGTERM to the second of two, then kill -9 of the second of two, then one alone."""
    run, number = tmp_path / "run", tmp_path / "number"
    command = arguments(head_folders, run, settings)
    stopped = together(SIGNALLED, 8, "SIGTERM", number, *command, expect=1)
    assert len(re.findall(r"stopped by SIGTERM after step 9;", stopped.stderr)) == 1
    assert "Traceback" not in stopped.stderr.partition("torch/distributed/elastic")[0]
    started = time.monotonic()
    killed = together(SIGNALLED, 14, "SIGKILL", number, *command, "--resume", expect=1)
    assert time.monotonic() - started < 60, "the first process ends with the second"
    assert killed.stderr.count("another process of this training has ended") == 1
    assert "--resume" in killed.stderr
    train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu")
    assert apart(reached(run), alone) < NEAR


class PowerCutError(BaseException):
    """What no handler is prepared for."""


class Cut(Observer):
    """Cuts the power after a step."""

    def stepped(self, status: Status) -> None:
        if status.step == 10:
            raise PowerCutError


def test_what_one_process_began_two_go_on_with(
    settings: tuple[str, ...], alone: dict[str, torch.Tensor], head_folders: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    told: dict[str, Any] = {"out": run, "changes": settings, "device": "cpu"}
    with pytest.raises(PowerCutError):
        train(head_folders.t1, head_folders.t2, **told, observer=Cut())
    together("-m", "medgan", "train", *head_folders.arguments, "-o", run, "--resume", "-q", expect=0)
    assert apart(reached(run), alone) < NEAR
    assert '"processes": 1' in (run / "run.json").read_text()


def test_what_all_processes_find_wrong_is_told_once(
    settings: tuple[str, ...], head_folders: Any, tmp_path: Path
) -> None:
    command = arguments(head_folders, tmp_path / "run", (*settings, "training.epochs=x"))
    assert together("-m", "medgan", *command, expect=1).stderr.count("the recipe is not valid") == 1


ENVIRONMENT = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
}


def test_a_launcher_is_known_by_its_variables() -> None:
    assert launched({}) is None
    assert launched({"RANK": "1", "WORLD_SIZE": "4"}) is None, "of something else"
    assert launched(ENVIRONMENT) == Launch(rank=1, size=4, local_rank=1, local_size=2)
    assert (
        launched(ENVIRONMENT | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"})
        is None
    )
    assert not tells(ENVIRONMENT)
    assert tells(ENVIRONMENT | {"RANK": "0"})
    assert tells({})


def test_each_process_of_a_machine_takes_a_device_of_its_own_or_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a machine with two CUDA devices, imagined."""

    def choose(name: str) -> DeviceChoice:
        kind = "cuda" if name == "auto" else name
        device = torch.device(kind if ":" in kind or kind == "cpu" else f"{kind}:0")
        return DeviceChoice(device, "as asked for")

    monkeypatch.setattr("medgan.training.team.choose_device", choose)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    team = Team()
    assert team.device("auto").device == torch.device("cuda:0")
    team.launch = launched(ENVIRONMENT) or Launch(0, 1, 0, 1)
    for name in ("auto", "cuda"):
        assert team.device(name).device == torch.device("cuda:1")
    assert team.device("cpu").device == CPU
    with pytest.raises(UsageError, match="2 processes cannot share the device 'cuda:0'"):
        team.device("cuda:0")
