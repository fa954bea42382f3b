"""A Dask scheduler and two workers, each a process of its own, as on a real cluster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import medgan

HERE = Path(__file__).parent
_SCHEDULER = (
    "scheduler",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--no-dashboard",
    "--dashboard-address",
    "127.0.0.1:0",
)
_WORKER = (
    "worker",
    "--host",
    "127.0.0.1",
    "--nthreads",
    "1",
    "--no-dashboard",
    "--dashboard-address",
    "127.0.0.1:0",
)


@dataclass(frozen=True)
class Cluster:
    """Processes that run.

    Attributes:
        file: the scheduler's.
        watched: see watched.py.
        log: what all of them print.
        scheduler: its process.
        folders: that workers may leave something in.
    """

    file: Path
    watched: Path
    log: Path
    scheduler: subprocess.Popen[bytes]
    folders: tuple[Path, Path]

    @property
    def port(self) -> int:
        """That the scheduler listens on."""
        address: str = json.loads(self.file.read_text(encoding="utf-8"))["address"]
        return int(address.rpartition(":")[2])

    def begun(self) -> list[str]:
        """The stems of scans that workers began with, sorted; one twice was begun twice."""
        path = self.watched / "begun"
        return sorted(path.read_text(encoding="utf-8").split()) if path.exists() else []

    def let(self, name: str, *stems: str) -> None:
        """Let workers hold or die over scans."""
        (self.watched / name).write_text("\n".join(stems), encoding="utf-8")

    @contextlib.contextmanager
    def killing_who_holds(self) -> Iterator[list[int]]:
        """Kill -9 the worker that holds a scan, as soon as it does; gives whom it killed."""
        killed: list[int] = []

        def kill() -> None:
            end = time.monotonic() + 60
            while not (self.watched / "held").exists() and time.monotonic() < end:
                time.sleep(0.02)
            number = int((self.watched / "held").read_text(encoding="utf-8"))
            os.kill(number, signal.SIGKILL)
            killed.append(number)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        yield killed
        thread.join()


@contextlib.contextmanager
def started(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    watched, file, log = folder / "watched", folder / "scheduler.json", folder / "log"
    watched.mkdir()
    environment = os.environ | {
        "MEDGAN_WATCHED": str(watched),
        "PYTHONPATH": str(Path(medgan.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder / "temporary"),
    }
    (folder / "temporary").mkdir()
    environment.pop("PYTEST_CURRENT_TEST", None)
    preloaded = ("--preload", str(HERE / "watched.py"), "--local-directory", str(folder / "local"))
    commands = [(*_SCHEDULER, "--scheduler-file", str(file))]
    commands += [(*_WORKER, "--scheduler-file", str(file), *preloaded)] * workers
    with contextlib.ExitStack() as stack, log.open("wb") as stream:
        processes = []
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
            stack.callback(_end, process)
            processes.append(process)
        end = time.monotonic() + 90
        while log.read_text(encoding="utf-8").count("Registered to") < workers and time.monotonic() < end:
            time.sleep(0.05)
        yield Cluster(file, watched, log, processes[0], (folder / "local", folder / "temporary"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="Dask is not installed (medgan[cluster])")
    with started(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def cluster(_shared: Cluster) -> Cluster:
    """The cluster of all tests, with nothing to hold or to die over. A worker that dies is started again."""
    for file in _shared.watched.iterdir():
        file.unlink()
    return _shared


@pytest.fixture
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and one worker for a single test, which may end them."""
    pytest.importorskip("distributed", reason="Dask is not installed (medgan[cluster])")
    with started(tmp_path_factory.mktemp("own"), workers=1) as cluster:
        yield cluster


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Callable[..., Any]:
    """The command, to T2w, on the CPU."""

    def call(*arguments: object) -> Any:
        return medgan("synthesize", *arguments, "--target", "t2", "--model", tiny_run, "--device", "cpu")

    return call


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory, head: Callable[..., Path]) -> Path:
    """Six T1w heads, `a.nii.gz` to `f.nii.gz`. Read them, do not change them."""
    folder = tmp_path_factory.mktemp("cohort") / "scans"
    for person, name in enumerate("abcdef", start=1):
        head(folder / f"{name}.nii.gz", "t1", person)
    return folder
