"""How much memory a training may take: what was asked for, or what is there."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from medgan.errors import UsageError
from medgan.memory import free_memory, resident_memory

_UNITS = {"b": 1} | {
    f"{prefix}{unit}": base ** (power + 1)
    for power, prefix in enumerate("kmgt")
    for unit, base in (("b", 1000), ("ib", 1024))
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_SPARED = 0.1  # of what is free on this machine, for what else may come


@dataclass(frozen=True)
class Limit:
    """What a process of the training may hold, in bytes.

    Attributes:
        total: at most so much in all: of a CPU resident memory, of CUDA the device's.
        used: so much of it already.
        asked: whether the user set it.
    """

    total: int
    used: int
    asked: bool

    @property
    def room(self) -> int:
        """What is left of it."""
        return self.total - self.used

    def __str__(self) -> str:
        return f"{shown(self.total)} ({'--max-memory' if self.asked else 'what is there'})"


def parse_size(text: str) -> int:
    """Bytes of a size such as `4GB`, `1.5 GiB` or `800MB`.

    Raises:
        UsageError: it is none, or has no unit.
    """
    found = _SIZE.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise UsageError(f"{text!r} is no size", remedy="Give a number with its unit, such as 4GB or 800MiB.")
    size = int(float(found[1]) * unit)
    if size < 1:
        raise UsageError(f"a size of {text!r} leaves no memory at all")
    return size


def shown(size: int) -> str:
    """A size as it is told, such as `4.00 GB`."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def find_limit(device: torch.device, *, asked: int | None, sharing: int = 1) -> Limit | None:
    """What this process may hold; None where the system does not tell, and nothing was asked for.

    Args:
        device: where the networks are.
        asked: in bytes; no more than is there.
        sharing: processes of this machine that share its memory.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        used = torch.cuda.memory_reserved(device)
        there: int | None = used + int(free * (1 - _SPARED))
    else:
        used, left = resident_memory(), free_memory()
        there = None if left is None else used + int(left * (1 - _SPARED)) // sharing
    if asked is not None and (there is None or asked <= there):
        return Limit(asked, used, asked=True)
    return None if there is None else Limit(there, used, asked=False)
