"""How much memory a training may take: what was asked for, or what is there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from medgan.errors import UsageError

_UNITS = {"b": 1} | {
    f"{prefix}{unit}": base ** (power + 1)
    for power, prefix in enumerate("kmgt")
    for unit, base in (("b", 1000), ("ib", 1024))
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_SPARED = 0.1  # of what is free on this machine, for what else may come
_CGROUPS = Path("/sys/fs/cgroup")


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
        used, left = resident(), _free()
        there = None if left is None else used + int(left * (1 - _SPARED)) // sharing
    if asked is not None and (there is None or asked <= there):
        return Limit(asked, used, asked=True)
    return None if there is None else Limit(there, used, asked=False)


def resident() -> int:
    """Bytes that this process holds in memory; at most so many where the system tells no more."""
    pages = _first_word(Path("/proc/self/statm"), 1)
    if pages is not None:
        return pages * os.sysconf("SC_PAGE_SIZE")
    from medgan.training.plan import peak_memory

    return peak_memory(torch.device("cpu")) or 0


def _free() -> int | None:
    """Bytes that the machine, and the group that this process is in, still have."""
    left = [size for size in (_of_machine(), *_of_groups()) if size is not None]
    return max(min(left), 0) if left else None


def _of_machine() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # all of it, half for others
        except (AttributeError, ValueError, OSError):
            return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _of_groups(groups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What the limits of Linux's control groups leave, of this process's and of those around it (v2 and v1)."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            root, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            root = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        here = root / path.strip("/")
        for group in (here, *here.parents):
            if group == root.parent:
                break
            limit, usage = (_first_word(group / name) for name in names[:2])
            if limit is not None and usage is not None:
                left.append(limit - usage + _reclaimable(group, names[2]))
    return left


def _reclaimable(group: Path, name: str) -> int:
    """Pages of files that the system gives up before anything else."""
    try:
        found = re.search(
            rf"^{name} (\d+)$", (group / "memory.stat").read_text(encoding="ascii"), re.MULTILINE
        )
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _first_word(file: Path, index: int = 0) -> int | None:
    """A number in a file of the system; None where there is none, such as `max` for no limit."""
    try:
        return int(file.read_text(encoding="ascii").split()[index])
    except (OSError, ValueError, IndexError):
        return None
