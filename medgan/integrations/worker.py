"""What runs on the workers of a Dask cluster: one scan at a time in each process, by a model that is loaded once.

Nothing raises here. Dask would log the exception, its arguments and with them names of files; all that goes wrong is
an answer like others, for the command to tell.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import pickle
import signal
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgan import __version__
from medgan.errors import (
    InputRefusedError,
    MedganError,
    ModelRefusedError,
    OutputNotWrittenError,
    ResourceError,
    UsageError,
)

if TYPE_CHECKING:
    from medgan.integrations.protocol import Answer, Parcel, Welcome, With
    from medgan.synthesis import Synthesizer
    from medgan.synthesis.members import Result
    from medgan.synthesis.naming import Nameable, Named

_ONE_AT_A_TIME = threading.Lock()
_TRANSIENT = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.ESTALE,
    errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.ECONNRESET, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.ENOLCK,
}  # fmt: skip
"""What a file system, mostly one of a network, may say now and not in a minute."""
_LOUD = ("pydicom", "nibabel", "PIL", "py.warnings")


def dask_setup(worker: Any) -> None:
    """Dask's hook for modules that are preloaded: Ctrl-C reaches the workers of this machine, and is not theirs."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def version() -> str:
    """The version of medgan here; asked first, since what another one understands is not known."""
    return __version__


def welcome(greeting: bytes) -> bytes:
    """Whether this worker can do the work: it has the model, and sees the files. A pickled `Welcome`."""
    from medgan.integrations.protocol import Welcome

    with _ONE_AT_A_TIME, _quiet():
        try:
            said = _welcome(pickle.loads(greeting))  # noqa: S301 - of the command, over Dask's own pickled channel
        except MedganError as error:
            said = Welcome(objection=error)
        except Exception:  # noqa: BLE001 - see above
            said = Welcome(objection=ResourceError(f"a worker failed:\n{traceback.format_exc()}"))
    return pickle.dumps(said)


def work(parcel: bytes) -> bytes:
    """Look at an input, or make its results. A pickled `Answer`."""
    from medgan.integrations.protocol import Answer

    with _ONE_AT_A_TIME, _quiet(), _unpacking_into_own_folder():
        try:
            said = _work(pickle.loads(parcel))  # noqa: S301 - as above
        except Exception as error:  # noqa: BLE001 - see above
            said = Answer(transient=_is_transient(error), fault=traceback.format_exc())
    return pickle.dumps(said)


def _welcome(greeting: Any) -> Welcome:
    from medgan.integrations.protocol import Welcome

    if not greeting.mark.is_file():
        raise UsageError(
            "the folder of the results is not there for a worker, or is another folder of that name",
            remedy="Give an --out on a file system that the workers share with this machine.",
        )
    if not os.access(greeting.mark.parent, os.W_OK):
        raise UsageError(
            "a worker may not write into the folder of the results", remedy="Give another --out."
        )
    if any(not path.exists() or size(path) != known for path, known in greeting.seen):
        raise UsageError(
            "an input is not there for a worker, or is another one",
            remedy="Keep the scans on a file system that the workers share with this machine, and give paths on it.",
        )
    choice = _synthesizer(greeting.using).device
    return Welcome(device=f"{choice.device} ({choice.reason})")


def size(path: Path) -> int:
    """The bytes of a file; of a folder, which may be written to meanwhile, 0."""
    return path.stat().st_size if path.is_file() else 0


def _work(parcel: Parcel) -> Answer:
    from medgan.integrations.protocol import Answer
    from medgan.synthesis.members import look, make, refused

    if parcel.names is None:
        try:
            return Answer(looked=look(parcel.one, parcel.terms))
        except (InputRefusedError, UsageError) as error:
            return Answer(results=(refused(parcel.one, error),), transient=_is_transient(error))
    results: list[Result] = []
    stop: MedganError | None = None
    try:
        made = make(
            parcel.one,
            _synthesizer(parcel.using),
            parcel.terms,
            name=functools.partial(_given_name, parcel),
            only=parcel.only,
            again=parcel.again,
        )
        for result in made:
            results.append(replace(result, synthetic=None))
            del result  # its voxels
    except (OutputNotWrittenError, ModelRefusedError, ResourceError) as error:
        stop = error
    errors = [stop, *(result.error for result in results)]
    return Answer(
        results=tuple(results), stop=stop, transient=any(_is_transient(error) for error in errors if error)
    )


def _given_name(parcel: Parcel, number: int, scan: Nameable) -> Named:
    """The name that was given to a scan, if it is still what was named."""
    from medgan.synthesis.naming import Names

    names = parcel.names or ()
    named = names[number] if number < len(names) else None
    if named is None:
        Names(parcel.terms).give(scan)  # says why it has none
    if named is None or named.scan != scan:
        raise InputRefusedError("has changed since the command began", remedy="Give the command again.")
    return named


@functools.lru_cache(maxsize=1)
def _synthesizer(using: With) -> Synthesizer:
    """The model, with its networks once a scan has been made; one for each process."""
    from medgan.models import load_model
    from medgan.synthesis import Synthesizer

    _take_threads(using.threads or _threads_of_worker())
    model = load_model(using.model)
    if model.digest != using.digest:
        raise ModelRefusedError(
            "is another model for a worker than for the command",
            file=model.folder,
            remedy="Give a --model on a file system that the workers share with this machine, or install one medgan.",
        )
    device = _device_of_worker(using.device)
    return Synthesizer(
        model, target=using.target, device=device, force=using.force, uncertainty=using.uncertainty
    )


def _take_threads(threads: int) -> None:
    """Compute with so many threads: workers of one machine would else get into each other's way."""
    import SimpleITK
    import torch

    torch.set_num_threads(threads)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _threads_of_worker() -> int:
    from distributed import get_worker

    return int(get_worker().state.nthreads)


def _device_of_worker(asked: str) -> str:
    """The device asked for; of several GPUs in one machine each local worker, by its number, takes its own."""
    import torch
    from distributed import get_worker

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = get_worker().name
    if asked not in ("auto", "cuda") or cards < 2 or not isinstance(number, int):
        return asked
    return f"cuda:{number % cards}"


def _is_transient(error: BaseException) -> bool:
    """Whether the system failed rather than the scan: another worker, or another time, may succeed."""
    if isinstance(error, ResourceError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _TRANSIENT:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@contextlib.contextmanager
def _unpacking_into_own_folder() -> Iterator[None]:
    """Let what archives hold lie in the worker's folder, which Dask takes away even if the worker was killed."""
    from distributed import get_worker

    before = tempfile.tempdir
    with contextlib.suppress(ValueError):  # no worker
        tempfile.tempdir = get_worker().local_directory
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let libraries warn no one: a worker's log is read by others than the scans' owner."""
    levels = {name: logging.getLogger(name).level for name in _LOUD}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
