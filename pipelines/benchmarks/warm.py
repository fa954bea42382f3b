"""Commands of medgan in forked processes, which need not import torch again: many can be begun, and killed.

As a program it reads requests from stdin and answers on stdout, one JSON object a line:

    {"start": ["train", ...], "log": FILE}  ->  {"pid": 17}
    {"wait": 17, "seconds": 60}             ->  {"code": 0, "said": "..."}
    {"shell": ["mount", ...]}               ->  {"code": 0, "said": "..."}

Needs a system with `fork` and `waitid`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_HEAVY = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "medgan.cli.inspect",
    "medgan.cli.synthesize",
    "medgan.cli.train",
    "medgan.reports.figures",
    "medgan.scans.dicom_writing",
    "medgan.simulation",
    "medgan.synthesis",
    "medgan.training",
    "monai.handlers",
    "monai.inferers",
    "monai.losses",
    "monai.networks.nets",
    "PIL.GifImagePlugin",
    "PIL.PngImagePlugin",
    "torch._dynamo",
    "torch.utils.tensorboard",
)
_WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (the negative signal where it was killed), and what it said."""

    code: int
    said: str


@dataclass(frozen=True)
class Child:
    """A command at work."""

    pid: int
    log: Path

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self, seconds: float = 300) -> Ended:
        """Wait for its end; it is killed when the time is up."""
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.002)
        _, status = os.waitpid(self.pid, 0)
        return Ended(
            os.waitstatus_to_exitcode(status), self.log.read_text(encoding="utf-8", errors="replace")
        )

    def kill_after(self, seconds: float) -> Ended:
        """Give it that long, then kill -9."""
        deadline = time.monotonic() + seconds
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.0005)
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()


def warm_up() -> None:
    """Import what the commands need, on one thread: a process with several cannot be forked safely."""
    import torch

    torch.set_num_threads(1)
    for name in _HEAVY:
        with contextlib.suppress(ImportError):  # some are optional
            importlib.import_module(name)


def start(
    arguments: Sequence[object], log: Path, *, watched: Path | None = None, die_at: int | None = None
) -> Child:
    """Begin `medgan ARGUMENTS` in a process of its own.

    Args:
        arguments: of the command line.
        log: where what it says goes.
        watched: count what it changes below this folder (opens for writing, renames, removals, ...); the number
            is in `log` with the suffix `.writes` when it ends.
        die_at: kill -9 itself right before the change of this number, counted from 1.
    """
    pid = os.fork()
    if pid == 0:
        _become(arguments, log, watched, die_at)
    return Child(pid, log)


def writes(child: Child) -> int:
    """What `start` counted."""
    return int(child.log.with_suffix(".writes").read_text(encoding="ascii"))


def _become(arguments: Sequence[object], log: Path, watched: Path | None, die_at: int | None) -> NoReturn:
    code: Any = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(stream, number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ["COLUMNS"] = "200"
        sys.argv = ["medgan", *map(str, arguments)]
        count = _count_writes(watched, die_at) if watched is not None else [0]
        from medgan.cli import main

        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        if watched is not None:
            log.with_suffix(".writes").write_text(str(count[0]), encoding="ascii")
    except BaseException:  # noqa: BLE001 - as an interpreter would
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code))


def _count_writes(watched: Path, die_at: int | None) -> list[int]:
    count, below = [0], str(watched)

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event == "open":
            if not isinstance(details[2], int) or not details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in _WRITES:
            return
        if isinstance(details[0], str | os.PathLike) and str(details[0]).startswith(below):
            count[0] += 1
            if count[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


class Server:
    """This program in a process of its own, for callers that have threads and so cannot fork.

    Args:
        folder: for what the commands say.
        before: words before the program's, such as `unshare -rm`.
    """

    def __init__(self, folder: Path, *before: str) -> None:
        self.folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [*before, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def start(self, *arguments: object) -> int:
        """Begin a command; returns its process id."""
        self._count += 1
        log = self.folder / f"{self._count}.txt"
        return int(self._ask({"start": [str(part) for part in arguments], "log": str(log)})["pid"])

    def wait(self, pid: int, seconds: float = 120) -> Ended:
        """Wait for a command's end."""
        return Ended(**self._ask({"wait": pid, "seconds": seconds}))

    def run(self, *arguments: object) -> Ended:
        """Begin a command and wait for its end."""
        return self.wait(self.start(*arguments))

    def shell(self, *words: object) -> Ended:
        """Another program, where the commands run."""
        return Ended(**self._ask({"shell": [str(word) for word in words]}))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def _serve() -> None:
    warm_up()
    children: dict[int, Child] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if "start" in request:
            child = start(request["start"], Path(request["log"]))
            children[child.pid] = child
            answer = {"pid": child.pid}
        elif "wait" in request:
            ended = children.pop(request["wait"]).wait(request["seconds"])
            answer = {"code": ended.code, "said": ended.said}
        else:
            done = subprocess.run(request["shell"], capture_output=True, text=True, check=False)
            answer = {"code": done.returncode, "said": done.stdout + done.stderr}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
