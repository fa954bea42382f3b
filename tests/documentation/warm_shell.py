"""A shell for snippets: a real bash, in which `medgan` is run by the process that has it loaded.

Each `medgan` of a script is a small client on PATH. It hands its arguments, working folder, environment and its three
standard streams to this process, which runs the command line as `python -m medgan` would, and gives the exit code back.
So pipes, redirections, globs and variables are bash's own, and torch is imported once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from snippets import ROOT

_CLIENT = """\
import json, os, socket, struct, sys
if {name!r} == "python" and not (sys.argv[1:] and sys.argv[1].startswith("data/")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({place!r})
    said = json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(connection, [struct.pack("q", len(said))], [0, 1, 2])
    connection.sendall(said)
    answer = connection.recv(16)
sys.exit(int(answer or b"1"))
"""
_PIP = """\
import re, sys
for extras in re.findall(r"[[]([a-z0-9,-]+)[]]", " ".join(sys.argv[1:])):
    for extra in extras.split(","):
        if extra not in {extras!r}:
            sys.exit(f"pip: medgan has no extra {{extra!r}}")
"""
_MAKE = """\
import subprocess, sys
sys.exit(subprocess.call(["/usr/bin/env", "-i", "PATH={path}", "make", "-n", "-C", {root!r}, *sys.argv[1:]],
                         stdout=subprocess.DEVNULL))
"""
STAND_INS = {
    "torchrun": "reads its own options as the real one does, and runs what it would start once, as one process",
    "python": "the real one, but that scripts of data/ are run by this process, for which heads are small",
    "pip": "installs nothing; refuses an extra that pyproject.toml has not",
    "make": "runs nothing; refuses a target that the Makefile has not (CI runs the targets themselves)",
}
"""What else is not the real program, and what it does instead."""


class WarmShell:
    """Runs bash scripts; see above.

    Args:
        change: may change the arguments of a `medgan` command before it is run (shorter trainings).
        timeout: seconds for a script.
    """

    def __init__(self, change: Callable[[list[str]], list[str]], *, timeout: float = 300.0) -> None:
        self._bash = shutil.which("bash") or "bash"
        self._change = change
        self._timeout = timeout
        self._folder = Path(tempfile.mkdtemp(prefix="snippets-"))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._folder / "s"))
        self._socket.listen()
        self._socket.settimeout(0.02)
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        for name in ("medgan", "torchrun", "python"):
            self._program(
                name, _CLIENT.format(place=str(self._folder / "s"), name=name, python=sys.executable)
            )
        self._program("pip", _PIP.format(extras=_extras()))
        self._program("make", _MAKE.format(root=str(ROOT), path=path))
        search = os.environ.get("PYTHONPATH")
        self._environment = {
            **os.environ,
            "PATH": f"{self._folder / 'bin'}{os.pathsep}{path}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *([search] if search else [])]),
            "COLUMNS": "120",
            "MPLBACKEND": "agg",
        }

    def run(self, script: str, folder: Path) -> tuple[int, str]:
        """The exit code of a script, and all that it printed."""
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [self._bash, "-euo", "pipefail", "-c", script],
                cwd=folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            end = time.monotonic() + self._timeout
            while process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    self._serve(self._socket.accept()[0])
                if time.monotonic() > end:
                    process.kill()
                    process.wait()
                    return 124, f"more than {self._timeout:g} s"
            said.seek(0)
            return process.returncode, said.read().decode("utf-8", errors="replace")

    def close(self) -> None:
        """Take the programs away."""
        self._socket.close()
        for path in sorted(self._folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self._folder.rmdir()

    def _program(self, name: str, code: str) -> None:
        file = self._folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        script = file.with_suffix(".py")
        script.write_text(code, encoding="utf-8")
        file.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {script} "$@"\n', encoding="utf-8"
        )
        file.chmod(0o755)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        with connection:
            header, streams, _, _ = socket.recv_fds(connection, 8, 3)
            length, said = int.from_bytes(header, sys.byteorder), b""
            while len(said) < length:
                said += connection.recv(65536)
            program, arguments, folder, environment = json.loads(said)
            try:
                with _in_place_of(streams), _within(folder, environment):
                    code = _called(program, arguments, self._change)
            finally:
                for stream in streams:
                    os.close(stream)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(str(code).encode())


def _extras() -> list[str]:
    """The names of what pyproject.toml can install besides medgan itself."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    return re.findall(r"^([a-z0-9-]+) = \[", section, re.MULTILINE)


def _called(program: str, arguments: list[str], change: Callable[[list[str]], list[str]]) -> int:
    """What a command ends with."""
    from medgan.cli import main

    before = sys.argv
    try:
        if program == "torchrun":
            arguments = _of_torchrun(arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            if program == "python":
                sys.argv = arguments
                runpy.run_path(arguments[0], run_name="__main__")
            else:
                sys.argv = ["medgan", *change(arguments)]
                main()
    except SystemExit as ended:
        return int(ended.code or 0) if not isinstance(ended.code, str) else 1
    except BaseException:  # noqa: BLE001 - as Python itself does of a command
        traceback.print_exc()
        return 1
    finally:
        sys.argv = before
    return 0


def _of_torchrun(arguments: list[str]) -> list[str]:
    """What torchrun would give to each process of medgan."""
    from torch.distributed.run import parse_args

    options = parse_args(arguments)
    if not options.module or options.training_script != "medgan":
        raise ValueError(f"torchrun would not run -m medgan, but {options.training_script}")
    return list(options.training_script_args)


@contextlib.contextmanager
def _in_place_of(streams: Sequence[int]) -> Iterator[None]:
    """This process's standard streams are the client's."""
    kept: list[Any] = [sys.stdin, sys.stdout, sys.stderr]
    saved = [os.dup(number) for number in range(3)]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - given back below
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = kept
        for number, stream in enumerate(saved):
            os.dup2(stream, number)
            os.close(stream)


@contextlib.contextmanager
def _within(folder: str, environment: dict[str, str]) -> Iterator[None]:
    """This process's working folder and environment are the client's."""
    before, kept = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
        os.chdir(before)
