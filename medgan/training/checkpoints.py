"""Checkpoints in two slots: one of them is always whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from medgan.errors import ModelRefusedError
from medgan.files import whole_file

_SLOTS = ("a.safetensors", "b.safetensors")
_FORMAT = "medgan-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds beside its tensors."""

    file: Path
    step: int
    elapsed: float
    identity: str


def save_checkpoint(
    folder: Path, tensors: Mapping[str, torch.Tensor], *, step: int, elapsed: float, identity: str
) -> None:
    """Write into the slot that does not hold the newest checkpoint.

    Args:
        folder: the run's checkpoints.
        tensors: the state.
        step: steps done.
        elapsed: seconds of training done.
        identity: digest of what must be the same on resuming (settings, data, seed).
    """
    newest = max((c for c in map(_read_header, _files(folder)) if c), key=lambda c: c.step, default=None)
    slot = _SLOTS[1] if newest is not None and newest.file.name == _SLOTS[0] else _SLOTS[0]
    about = {"format": _FORMAT, "step": step, "elapsed": elapsed, "identity": identity}
    metadata = {"medgan": json.dumps(about), "digest": _digest(tensors)}
    with whole_file(folder / slot) as temporary:
        temporary.write_bytes(safetensors.torch.save(dict(tensors), metadata))  # save_file hides OSError


def load_newest(folder: Path) -> tuple[Checkpoint, dict[str, torch.Tensor], list[str]] | None:
    """The newest whole checkpoint, its tensors, and warnings about a damaged newer one; None where none was written.

    Raises:
        ModelRefusedError: there are checkpoints, but none is whole.
    """
    warnings = []
    files = _files(folder)
    headers = {file: _read_header(file) for file in files}
    readable = sorted((c for c in headers.values() if c), key=lambda c: c.step, reverse=True)
    for file, header in headers.items():
        if header is None:
            warnings.append(f"the checkpoint {file.name} is damaged and was passed over")
    for checkpoint in readable:
        tensors = _read_tensors(checkpoint.file)
        if tensors is not None:
            return checkpoint, tensors, warnings
        name = f"{checkpoint.file.name} (step {checkpoint.step})"
        warnings.append(f"the checkpoint {name} is damaged and was passed over")
    if files:
        raise ModelRefusedError(
            "no checkpoint in it is whole", file=folder, remedy="Train again into another folder."
        )
    return None


def _files(folder: Path) -> list[Path]:
    return [folder / slot for slot in _SLOTS if (folder / slot).is_file()]


def _read_header(file: Path) -> Checkpoint | None:
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            about = json.loads((content.metadata() or {})["medgan"])
        if about["format"] != _FORMAT:
            return None
        return Checkpoint(file, int(about["step"]), float(about["elapsed"]), str(about["identity"]))
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError):
        return None


def _read_tensors(file: Path) -> dict[str, torch.Tensor] | None:
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            metadata = content.metadata()
    except (safetensors.SafetensorError, OSError):
        return None
    return tensors if _digest(tensors) == metadata.get("digest") else None


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names and values: safetensors itself does not notice a flipped bit."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
