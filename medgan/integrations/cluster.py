"""A Dask cluster, of this machine's processes or one that is there, and a cohort on it.

A local cluster is closed to others: its processes listen on the loopback interface alone, and speak to each other by
TLS with keys that exist nowhere else. Whoever reaches an open one runs code as its owner.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from medgan.errors import ResourceError, UsageError
from medgan.files import marked
from medgan.integrations.dispatch import Dispatch
from medgan.integrations.ledger import Ledger
from medgan.integrations.protocol import Greeting, With
from medgan.integrations.worker import size
from medgan.models import Model
from medgan.models.catalogue import name_of
from medgan.synthesis.inputs import Input
from medgan.synthesis.members import Result, refuse_several
from medgan.synthesis.place import clean_place, open_place
from medgan.synthesis.terms import Terms

_LOUD = ("distributed", "tornado", "asyncio", "bokeh")
_SEEN = 8
_LOCAL = {
    "distributed.scheduler.http.routes": [],  # the ports for status pages answer nothing
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,  # a worker has one scan at a time, and nothing to spill
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
}


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """A client of so many processes of this machine, gone when the block ends.

    Raises:
        UsageError: Dask is not installed.
        ResourceError: the processes do not start.
    """
    distributed = _distributed()
    import dask

    with (
        tempfile.TemporaryDirectory(prefix="medgan-", ignore_cleanup_errors=True) as folder,
        _silent(),
        dask.config.set({**_LOCAL, "temporary-directory": folder}),
    ):
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls://",
                security=_temporary_keys(distributed),
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                memory_limit=0,
                local_directory=folder,
                preload=[*dask.config.get("distributed.worker.preload"), "medgan.integrations.worker"],
                silence_logs=logging.CRITICAL,
            )
        except (OSError, RuntimeError) as error:
            raise ResourceError(
                f"{workers} worker processes do not start: {error}", remedy="Give fewer --workers."
            ) from error
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            try:
                yield client
            except BaseException:
                _end_at_once(cluster)
                raise


def _end_at_once(cluster: Any) -> None:
    """End the processes of a local cluster, whatever they are at; what they write is whole or not there."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of a scheduler that is there; TLS and its keys are what the user's configuration of Dask says.

    Args:
        address: such as `tls://host:8786`, or the path of a scheduler file.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers there.
    """
    distributed = _distributed()
    whose = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    with _silent():
        try:
            client = distributed.Client(**whose, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {address}",
                remedy="Give the address that it printed when it started (tls://HOST:PORT) or its --scheduler-file; "
                "with TLS, its keys belong into this machine's configuration of Dask, too.",
            ) from error
        with client:
            yield client


def cores_per_worker(workers: int) -> int:
    """Threads that each of so many processes of this machine should compute with."""
    with contextlib.suppress(AttributeError):  # neither macOS nor Windows tell
        cores = len(os.sched_getaffinity(0))
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # one for each nesting
        return max(1, min(cores, int(asked) if asked.isdecimal() else cores) // workers)
    return max(1, (os.cpu_count() or 1) // workers)


def synthesize_on(
    cluster: contextlib.AbstractContextManager[Any],
    inputs: Sequence[Input],
    model: Model,
    terms: Terms,
    *,
    device: str = "auto",
    force: bool = False,
    threads: int | None = None,
    say: Callable[[str], None] = lambda text: None,
    warn: Callable[[str], None] = lambda text: None,
) -> Generator[Result, None, None]:
    """Read, synthesise and write each input on the workers of a cluster; yields as each is done.

    Args:
        cluster: `local_cluster` or `connected`; entered and left here.
        inputs: of `find_inputs`; an archive may give several results.
        model: what `load_model` returns; each worker loads it once.
        terms: what is asked.
        device, force: as of `Synthesizer`.
        threads: that a worker computes with; None for as many as Dask gave it.
        say, warn: told what the user should know.

    Raises:
        UsageError: the destination is for one input, and there are several; or workers do not suit.
        ModelRefusedError: the model cannot be loaded, or is another one for a worker.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
        ResourceError: the scheduler is gone, workers end before they begin, or there is no such device.
    """
    refuse_several(inputs, terms.destination)
    folder = terms.destination.folder
    using = With(
        model=name_of(model.folder) or str(model.folder.absolute()),
        digest=model.digest,
        target=terms.target,
        device=device,
        force=force,
        uncertainty=terms.maps,
        threads=threads,
    )
    with open_place(inputs, terms, model), marked(folder) as mark:
        greeting = Greeting(using=using, mark=mark, seen=_some(inputs, terms))
        try:
            with cluster as client:
                yield from Dispatch(client, Ledger(inputs, terms), terms, greeting, say, warn).results()
        finally:
            clean_place(inputs, terms.destination)  # of workers that were killed


def _some(inputs: Sequence[Input], terms: Terms) -> tuple[tuple[Path, int], ...]:
    """A few of the inputs that are there, from all over the cohort, and their bytes; and of the reference."""
    step = max(1, len(inputs) // _SEEN)
    paths = [one.path for one in inputs[::step] if one.refusal is None]
    reference = terms.destination.reference
    return tuple((path, size(path)) for path in (*paths, *(reference.files[:1] if reference else ())))


def require_dask() -> None:
    """Make sure that Dask is there.

    Raises:
        UsageError: it is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("dask", "distributed")):
        raise _not_installed()


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise _not_installed() from error
    return distributed


def _temporary_keys(distributed: Any) -> Any:
    try:
        return distributed.Security.temporary()
    except ImportError as error:  # cryptography
        raise _not_installed() from error


def _not_installed() -> UsageError:
    return UsageError(
        "a cohort on several processes or machines needs Dask, which is not installed",
        remedy='Install it (pip install "medgan[cluster]"), or leave out --dask and --workers.',
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let Dask say nothing meanwhile: medgan says what matters."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOUD]
    levels = {name: logging.getLogger(name).level for name in {*names, *_LOUD}}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
