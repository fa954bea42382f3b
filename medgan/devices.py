"""The device that networks run on, and why that one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medgan.errors import ResourceError, UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DeviceChoice:
    """A device and the reason that it was chosen, for the user to read."""

    device: torch.device
    reason: str


def choose_device(name: str = "auto") -> DeviceChoice:
    """The device of that name: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the name is none of these.
        ResourceError: this machine has no such device.
    """
    import torch

    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise UsageError(f"{name!r} is not a device", remedy="Use auto, cpu, cuda, cuda:N or mps.")
    cuda, mps = (
        torch.cuda.device_count() if torch.cuda.is_available() else 0,
        torch.backends.mps.is_available(),
    )
    if kind == "auto":
        kind = "cuda" if cuda else "mps" if mps else "cpu"
        reason = {
            "cuda": "the first CUDA device of this machine",
            "mps": "this machine has Apple's MPS and no CUDA device",
            "cpu": "this machine has no CUDA device and no MPS",
        }[kind]
    else:
        reason = "as asked for"
    if (kind == "cuda" and int(number or 0) >= cuda) or (kind == "mps" and not mps):
        raise ResourceError(
            f"this machine has no device {name!r} (CUDA devices: {cuda}, MPS: {'yes' if mps else 'no'})",
            remedy="Use --device auto, or --device cpu.",
        )
    device = torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device(kind)
    if device.type == "cuda":
        reason += f" ({torch.cuda.get_device_name(device)})"
    return DeviceChoice(device, reason)


@contextlib.contextmanager
def memory_errors(
    remedy: str = "Train with a smaller --set batch_size or crop, close other programs, or use another --device.",
) -> Iterator[None]:
    """Within, memory that runs out is a `ResourceError`; CUDA, MPS and CPUs each say it in their own words.

    Args:
        remedy: what the user can do.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        said = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError) and not any(words in text for words in said):
            raise
        raise ResourceError("memory ran out", remedy=remedy) from error


def choose_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The type that convolutions compute in under autocast: bfloat16 where the hardware multiplies it natively.

    The choice depends on the machine alone, never on a timing, so that two runs on one machine agree.
    """
    import torch

    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        able = torch.cpu.get_capabilities()
        native = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Within, convolutions compute in `precision`; float32 leaves all as it is."""
    import torch

    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)
