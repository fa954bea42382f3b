"""The processes that train together, and what they say to each other. One alone is a team too, and says nothing.

They are started by torchrun, and `torch.distributed` joins them: gloo on CPUs, nccl between CUDA devices. All of them
make the same decisions, since all that a decision rests on is the first one's, or the sum over all.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from medgan.devices import DeviceChoice, choose_device
from medgan.errors import MedganError, ResourceError, UsageError
from medgan.launch import Launch, launched
from medgan.training.shares import share_of

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store as _Store

_ALONE = Launch(rank=0, size=1, local_rank=0, local_size=1)
_STEP = timedelta(minutes=30)  # within which the first process judges, draws and writes between two steps
_LONG = timedelta(days=7)  # for what it does while the others wait for it, such as reading all scans
_BUCKET = 8 * 2**20  # numbers that are added up at once
_Kept = TypeVar("_Kept", str, int, float, dict[str, Any], None)


class Team:
    """What one process knows of the others.

    Args:
        launch: which one this is, of how many.
        store: None for one alone.
    """

    def __init__(self, launch: Launch = _ALONE, store: _Store | None = None) -> None:
        self.launch, self._store = launch, store
        self._patient = None
        if self.several:
            with _lost():
                self._patient = distributed.new_group(backend="gloo", timeout=_LONG)

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.launch.size > 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.launch.rank == 0

    @property
    def share(self) -> Callable[[int], slice]:
        """How many images there are -> those of them that fall to this process."""
        return functools.partial(share_of, index=self.launch.rank, parts=self.launch.size)

    def add_up(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Put the sum over all processes in the place of each gradient."""
        if not self.several:
            return
        # the same have one everywhere: what is shown in a step is of the same kinds for all
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            with _lost():
                distributed.all_reduce(flat)
            totals = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, total in zip(bucket, totals, strict=True):
                gradient.copy_(total.view_as(gradient))

    def gather(self, images: torch.Tensor, count: int) -> torch.Tensor:
        """The images of all processes' shares, (n, ...) -> (count, ...), in the order of the batch."""
        if not self.several:
            return images
        shares = [share_of(count, index=rank, parts=self.launch.size) for rank in range(self.launch.size)]
        lengths = [share.stop - share.start for share in shares]
        padded = images.new_zeros((max(lengths), *images.shape[1:]))
        padded[: len(images)] = images
        found = [torch.empty_like(padded) for _ in lengths]
        with _lost():
            distributed.all_gather(found, padded)
        return torch.cat([part[:length] for part, length in zip(found, lengths, strict=True)])

    def sums(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes of each."""
        if not self.several:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        with _lost():
            distributed.all_reduce(numbers)
        found: list[float] = numbers.tolist()
        return found

    def same(self, value: _Kept) -> _Kept:
        """What the first process says, for all."""
        if not self.several:
            return value
        said = json.dumps(value).encode()
        length = torch.tensor([len(said)])
        with _lost():
            distributed.broadcast(length, 0)
            content = torch.zeros(int(length), dtype=torch.uint8)
            if self.first:
                content = torch.frombuffer(bytearray(said), dtype=torch.uint8)
            distributed.broadcast(content, 0)
        agreed: _Kept = json.loads(bytes(content.tolist()))
        return agreed

    def wait(self) -> None:
        """Wait until all have come here, however long the others have to do."""
        if self.several:
            with _lost():
                distributed.barrier(group=self._patient)

    def tell(self) -> bool:
        """Whether this process is the first to tell that the training has failed: the others follow from it."""
        if self._store is None:
            return True
        try:
            return bool(self._store.add("medgan/told", 1) == 1)
        except RuntimeError:  # it went with the process that kept it
            return True

    def device(self, name: str) -> DeviceChoice:
        """As `choose_device`; each process of a machine takes a CUDA device of its own.

        Raises:
            UsageError: they would share one.
            ResourceError: there are fewer of them than processes.
        """
        number, beside = self.launch.local_rank, self.launch.local_size
        if not self.several:
            return choose_device(name)
        chosen = choose_device(name)
        if chosen.device.type == "cuda" and ":" not in name:
            own = choose_device(f"cuda:{number}")
            torch.cuda.set_device(own.device)
            return DeviceChoice(own.device, f"of {beside} processes on this machine each has its own")
        if chosen.device.type != "cpu" and beside > 1:
            raise UsageError(
                f"{beside} processes cannot share the device {name!r}",
                remedy="Give --device cuda, where each takes its own, or --device cpu.",
            )
        return chosen


@contextlib.contextmanager
def joined() -> Iterator[Team]:
    """The team that this process was started in; of itself alone without a launcher.

    Where it fails, `told` of the error is set in all processes but the one that is to tell it.

    Raises:
        UsageError: the launcher's variables make no sense.
        ResourceError: the others cannot be reached.
    """
    launch = launched()
    if launch is None:
        yield Team()
        return
    team = Team(launch, _connect(launch))
    clean = not torch.cuda.is_available()  # nccl may wait for those that are gone: it ends with the process
    try:
        yield team
        team.wait()
        clean = True
    except MedganError as error:
        error.told = not team.tell()
        raise
    except KeyboardInterrupt:  # of all of them, mostly; the first says so
        if team.first:
            team.tell()
        raise
    except BaseException:
        team.tell()
        raise
    finally:
        if clean:
            distributed.destroy_process_group()


def _connect(launch: Launch) -> _Store:
    """Join the others; on one machine, gloo listens on no address that another can reach."""
    if launch.one_machine and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store: _Store
        store, rank, size = next(rendezvous("env://", launch.rank, launch.size))
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_STEP)
    except (RuntimeError, ValueError) as error:
        raise ResourceError(
            f"the {launch.size} processes of this training do not find each other: {str(error).splitlines()[0]}",
            remedy="Start all of them with one torchrun command on each machine, with the same rendezvous.",
        ) from error
    return store


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    """Within, another process that is gone is an error that says so."""
    try:
        yield
    except RuntimeError as error:
        raise ResourceError(
            "another process of this training has ended or cannot be reached any more",
            remedy="What was reached is kept. Go on with the same command and --resume, on as many processes as you "
            "like.",
        ) from error


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """In order, so many at a time that few messages are sent and little memory is needed for them."""
    bucket: list[torch.Tensor] = []
    for tensor in tensors:
        if bucket and sum(one.numel() for one in bucket) + tensor.numel() > _BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
