"""What a machine can do at best: its rates of matrix products and of copying, measured, and a step's operations."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

_SIDE = 2048
_COPIED = 256 << 20


def product_rate(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second of square matrix products, the best of some."""
    a = torch.randn(_SIDE, _SIDE, device=device, dtype=precision)
    return 2 * _SIDE**3 / _best(lambda: a @ a, device)


def copy_rate() -> float:
    """Bytes a second that memory is copied at, the best of some."""
    here = torch.zeros(_COPIED, dtype=torch.uint8)
    there = torch.empty_like(here)
    return _COPIED / _best(lambda: there.copy_(here), torch.device("cpu"))


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and products in some work, backward passes as well."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def wait_for(device: torch.device) -> None:
    """Until a device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _best(work: Callable[[], object], device: torch.device, *, times: int = 8) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
