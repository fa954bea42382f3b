"""`--workers` and `--dask`: who may come near, and what is said where it does not work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import medgan as package
from medgan.integrations.cluster import cores_per_worker

Synthesize = Callable[..., Any]


@pytest.fixture
def dask() -> None:
    pytest.importorskip("distributed", reason="Dask is not installed (medgan[cluster])")


def test_without_dask_the_way_out_is_said(
    synthesize: Synthesize, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = synthesize(cohort, "-o", tmp_path / "out", "--workers", 2)
    assert done.code == 2
    assert 'pip install "medgan[cluster]"' in done.err
    assert not (tmp_path / "out").exists()


def test_processes_here_and_elsewhere_exclude_each_other(synthesize: Synthesize, cohort: Path) -> None:
    done = synthesize(cohort, "--workers", 2, "--dask", "tcp://localhost:1")
    assert done.code == 2
    assert "Leave out one of the two" in done.err


@pytest.mark.usefixtures("dask")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "tcp://no host"])
def test_where_no_scheduler_answers_it_is_said(
    address: str, synthesize: Synthesize, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dask import config

    with config.set({"distributed.comm.timeouts.connect": "0.5s"}):
        done = synthesize(cohort, "-o", tmp_path / "out", "--dask", address)
    assert done.code == 2, done.err
    assert f"no Dask scheduler answers at {address}" in done.err
    assert not (tmp_path / "out").exists()


def test_cores_are_shared_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert [cores_per_worker(workers) for workers in (1, 3, 8, 20)] == [8, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert cores_per_worker(2) == 2


def listening(processes: list[int]) -> set[tuple[str, int]]:
    """Addresses and ports that processes listen on."""
    import psutil

    kinds = [one for process in processes for one in psutil.Process(process).net_connections(kind="inet")]
    return {(one.laddr.ip, one.laddr.port) for one in kinds if one.status == psutil.CONN_LISTEN}


def answers(port: int) -> bool:
    """Whether HTTP is served there."""
    for path in ("/info/main/workers.html", "/json/counts.json", "/metrics", "/health"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            continue
    return False


@pytest.mark.slow
@pytest.mark.usefixtures("dask")
@pytest.mark.skipif(sys.platform == "win32", reason="signals of processes")
def test_a_local_cluster_is_closed_to_others_and_ends_with_ctrl_c(
    cohort: Path, tiny_run: Path, tmp_path: Path
) -> None:
    import psutil

    command = [sys.executable, "-m", "medgan", "synthesize", cohort, "--target", "t2", "--model", tiny_run]
    environment = os.environ | {
        "PYTHONPATH": str(Path(package.__file__).parents[1]),
        "TMPDIR": str(tmp_path),
        "MEDGAN_WATCHED": str(tmp_path / "watched"),
        "DASK_DISTRIBUTED__WORKER__PRELOAD": str([str(Path(__file__).parent / "watched.py")]),
    }
    (tmp_path / "watched").mkdir()
    (tmp_path / "watched" / "hold").write_text("f", encoding="utf-8")
    process = subprocess.Popen(
        [*command, "-o", tmp_path / "out", "--device", "cpu", "--workers", "2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        # where the tests run in the background, a shell lets them, and what they start, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    end = time.monotonic() + 90
    while len(list((tmp_path / "out").glob("*.json"))) < 5 and time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    open_to = listening([process.pid, *(child.pid for child in children)])
    assert len(open_to) >= 3
    assert {address for address, _ in open_to} == {"127.0.0.1"}
    assert not any(answers(port) for _, port in open_to)
    assert not any(_speaks_without_keys(port) for _, port in open_to)
    time.sleep(0.5)  # for the last answer to arrive
    os.killpg(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted: 5 of 6 inputs are done" in said
    assert "--resume" in said
    assert "Traceback" not in said
    assert "distributed" not in said + out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "watched"]  # nothing temporary
    assert len(list((tmp_path / "out").iterdir())) == 10
    _, left = psutil.wait_procs(children, timeout=10)
    assert all(
        child.status() == psutil.STATUS_ZOMBIE for child in left
    )  # ended; whoever adopted it may not look


def _speaks_without_keys(port: int) -> bool:
    """Whether the port takes up Dask's handshake in the clear, where the one who is called speaks first."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.settimeout(0.3)
        try:
            return connection.recv(1) != b""
        except OSError:
            return False


def test_a_scheduler_that_goes_away_is_told(
    own_cluster: Any, synthesize: Synthesize, cohort: Path, tmp_path: Path
) -> None:
    from dask import config

    assert _speaks_without_keys(own_cluster.port)  # so the test above can fail
    own_cluster.let("hold", "c")

    def end() -> None:
        while not (own_cluster.watched / "held").exists():
            time.sleep(0.05)
        own_cluster.scheduler.kill()

    thread = threading.Thread(target=end, daemon=True)
    thread.start()
    with config.set({"distributed.comm.timeouts.connect": "1s"}):
        done = synthesize(cohort, "-o", tmp_path / "out", "--dask", own_cluster.file)
    assert done.code == 6, done.err
    assert "the Dask scheduler is gone" in done.err
    assert "--resume" in done.err
    assert len(list((tmp_path / "out").iterdir())) >= 4  # a and b are done
