"""How much memory this process holds, and how much this machine still has."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CGROUPS = Path("/sys/fs/cgroup")


def peak_memory(device: torch.device | None = None) -> int | None:
    """Peak bytes so far: of CUDA's allocator, or of this process; None where the system does not tell."""
    if device is not None and device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_memory() -> int:
    """Bytes that this process holds in memory; at most so many where the system tells no more."""
    pages = _first_word(Path("/proc/self/statm"), 1)
    if pages is not None:
        return pages * os.sysconf("SC_PAGE_SIZE")
    return peak_memory() or 0


def free_memory() -> int | None:
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
