"""One of two checkpoints is always whole; a damaged one is noticed, passed over and told of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from medgan.errors import ModelRefusedError, OutputNotWrittenError
from medgan.training.checkpoints import load_newest, save_checkpoint


def state(step: int) -> dict[str, torch.Tensor]:
    return {
        "weights": torch.full((5, 7), float(step)),
        "half": torch.full((3,), step, dtype=torch.bfloat16),
        "count": torch.tensor(step),
    }


def save(folder: Path, step: int) -> None:
    folder.mkdir(exist_ok=True)
    save_checkpoint(folder, state(step), step=step, elapsed=step / 3, identity="abc")


def newest(folder: Path) -> tuple[int, list[str]]:
    loaded = load_newest(folder)
    assert loaded is not None
    checkpoint, tensors, warnings = loaded
    expected = state(checkpoint.step)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    return checkpoint.step, warnings


def test_a_checkpoint_comes_back_exactly(tmp_path: Path) -> None:
    save(tmp_path, 12)
    loaded = load_newest(tmp_path)
    assert loaded is not None
    checkpoint, tensors, warnings = loaded
    assert (checkpoint.step, checkpoint.elapsed, checkpoint.identity) == (12, 4.0, "abc")
    assert tensors["half"].dtype == torch.bfloat16
    assert tensors["count"].shape == ()
    assert newest(tmp_path) == (12, [])
    assert warnings == []


def test_where_none_was_written_there_is_none(tmp_path: Path) -> None:
    assert load_newest(tmp_path) is None
    assert load_newest(tmp_path / "absent") is None


def test_two_slots_take_turns_so_that_the_one_before_is_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        save(tmp_path, step)
        kept = sorted(path.name for path in tmp_path.iterdir())
        assert kept == ["a.safetensors", "b.safetensors"][: min(step, 2)]
        assert newest(tmp_path) == (step, [])
    steps = set()
    for path in tmp_path.iterdir():
        steps.add(int(safetensors.torch.load_file(path)["count"]))
    assert steps == {4, 5}


def file_of(folder: Path, step: int) -> Path:
    return next(path for path in folder.iterdir() if int(safetensors.torch.load_file(path)["count"]) == step)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "one flipped bit of a weight":
        content[-3] ^= 1
    elif how == "a flipped bit in the header":
        content[30] ^= 1
    elif how == "cut to half":
        content = content[: len(content) // 2]
    elif how == "a pickle":
        torch.save({"weights": torch.zeros(5, 7)}, path)
        return
    elif how == "empty":
        content = bytearray()
    elif how == "all zeros, as after a power cut":
        content = bytearray(len(content))
    path.write_bytes(content)


DAMAGES = (
    "one flipped bit of a weight",
    "a flipped bit in the header",
    "cut to half",
    "empty",
    "a pickle",
    "all zeros, as after a power cut",
)


@pytest.mark.robustness("crash-checkpoint")
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_newest_one_gives_way_to_the_one_before_with_a_warning(how: str, tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    path = file_of(tmp_path, 2)
    damage(path, how)
    step, warnings = newest(tmp_path)
    assert step == 1
    assert len(warnings) == 1
    assert path.name in warnings[0]


@pytest.mark.robustness("crash-checkpoint")
@pytest.mark.parametrize("how", DAMAGES)
def test_a_training_that_fell_back_saves_and_loads_as_before(how: str, tmp_path: Path) -> None:
    """Its next steps have smaller numbers than the damaged checkpoint's, whose slot is the next to be written."""
    save(tmp_path, 10)
    save(tmp_path, 20)
    damage(file_of(tmp_path, 20), how)
    for step in (13, 16, 19, 22, 25):
        whole = newest(tmp_path)[0]
        save(tmp_path, step)
        assert newest(tmp_path) == (step, [])
        damage(file_of(tmp_path, step), "cut to half")
        assert newest(tmp_path)[0] == whole, "the one before is always kept"
        save(tmp_path, step)


@pytest.mark.robustness("crash-checkpoint")
@pytest.mark.parametrize("how", DAMAGES)
def test_where_all_are_damaged_training_is_refused_not_begun_anew(how: str, tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    for path in list(tmp_path.iterdir()):
        damage(path, how)
    with pytest.raises(ModelRefusedError, match="no checkpoint in it is whole") as caught:
        load_newest(tmp_path)
    assert caught.value.exit_code == 4
    assert caught.value.remedy


def test_a_checkpoint_with_other_tensors_under_its_digest_is_not_taken(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (path,) = tmp_path.iterdir()
    with safetensors.safe_open(path, framework="pt") as content:
        metadata = content.metadata()
    safetensors.torch.save_file(state(1) | {"weights": torch.zeros(5, 7)}, path, metadata=metadata)
    with pytest.raises(ModelRefusedError):
        load_newest(tmp_path)


def test_a_pickle_in_place_of_a_checkpoint_is_never_opened(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    torch.save({"bomb": Bomb(trap)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelRefusedError):
        load_newest(tmp_path)
    assert not trap.exists()


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return (Path.touch, (self.mark,))


def test_a_full_disk_while_saving_is_an_output_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(OutputNotWrittenError):
        patched.setattr(os, "fsync", no_space)
        save(tmp_path, 3)
    assert newest(tmp_path) == (2, [])
    assert len(list(tmp_path.iterdir())) == 2
