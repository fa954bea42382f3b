"""Whether this process is one of several that a launcher such as torchrun has started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from medgan.errors import UsageError

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """A process among those that were started together.

    Attributes:
        rank: its number, from 0; the first one writes and prints for all.
        size: how many there are.
        local_rank: its number on its machine.
        local_size: how many there are on its machine.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int

    @property
    def one_machine(self) -> bool:
        """Whether all of them are on one machine."""
        return self.local_size == self.size


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """This process among several; None where it was started alone.

    Raises:
        UsageError: the launcher's variables make no sense.
    """
    if any(name not in environment for name in _NAMES):
        return None
    try:
        rank, size, local_rank = (int(environment[name]) for name in _NAMES[:3])
        local_size = int(environment.get("LOCAL_WORLD_SIZE", size))
    except ValueError as error:
        raise UsageError(f"a variable of the launcher is no number: {error}", remedy=_REMEDY) from error
    if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
        raise UsageError(f"process {rank} of {size} (RANK, WORLD_SIZE) cannot be", remedy=_REMEDY)
    return Launch(rank, size, local_rank, local_size) if size > 1 else None


def tells(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process tells what all of them find alike, such as an option that does not exist."""
    return any(name not in environment for name in _NAMES) or environment["RANK"].strip() == "0"


_REMEDY = "Start with `torchrun`, which sets them, or unset RANK, WORLD_SIZE and LOCAL_RANK."
