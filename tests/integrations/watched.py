"""Preloaded by the workers of tests, never by medgan: tells which scans they begin, and waits or dies over some.

The folder MEDGAN_WATCHED holds what to do: `deadly` and `hold`, files with the stem of a scan a line. What was begun is
a line in `begun`. A held scan writes the process's number into `held`, once, and waits to be killed: when it is read,
or, after `hold-writing`, when its result is written.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["MEDGAN_WATCHED"])


def listed(name: str) -> list[str]:
    path = FOLDER / name
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def hold() -> None:
    path = FOLDER / "held"
    if not path.exists():
        path.with_name("held.part").write_text(str(os.getpid()), encoding="utf-8")
        path.with_name("held.part").rename(path)
        time.sleep(120)


def dask_setup(worker: Any) -> None:
    """Dask's hook for modules that are preloaded."""
    from medgan import files
    from medgan.synthesis import members

    read_scan, synchronise = members.read_scan, files._synchronise

    def watched(found: Any, **options: Any) -> Any:
        with (FOLDER / "begun").open("a", encoding="utf-8") as stream:
            stream.write(f"{found.stem}\n")
        if found.stem in listed("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if found.stem in listed("hold"):
            hold()
        return read_scan(found, **options)

    def watched_writing(path: Path) -> None:
        if (FOLDER / "hold-writing").exists():
            hold()
        synchronise(path)

    members.read_scan = watched
    files._synchronise = watched_writing
