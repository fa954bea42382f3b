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
_FORMAT = "medgan-checkpoint-2"


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

    One of a later step than this is no newer one: it is damaged, and the training fell back to the one before
    it. Its slot is the one to write into.

    Args:
        folder: the run's checkpoints.
        tensors: the state.
        step: steps done.
        elapsed: seconds of training done.
        identity: digest of what must be the same on resuming (settings, data, seed).
    """
    headers = [header for header in map(_read_header, _files(folder)) if header and header.step <= step]
    newest = max(headers, key=lambda header: header.step, default=None)
    slot = _SLOTS[1] if newest is not None and newest.file.name == _SLOTS[0] else _SLOTS[0]
    about = json.dumps({"format": _FORMAT, "step": step, "elapsed": elapsed, "identity": identity})
    metadata = {"medgan": about, "digest": _digest(tensors, about)}
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
    except (
        safetensors.SafetensorError,
        OSError,
        KeyError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ):
        return None


def _read_tensors(file: Path) -> dict[str, torch.Tensor] | None:
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            metadata = content.metadata() or {}
        whole = _digest(tensors, metadata.get("medgan", "")) == metadata.get("digest")
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, RuntimeError):
        return None
    return tensors if whole else None


def _digest(tensors: Mapping[str, torch.Tensor], about: str) -> str:
    """SHA-256 over all that a checkpoint holds: safetensors itself does not notice a flipped bit."""
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(repr((name, str(tensors[name].dtype), tuple(tensors[name].shape))).encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
