"""Each case of a benchmark in a process of its own, so that its peak of memory is its own; and what ran it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any


def in_own_process(script: str, case: dict[str, Any], *options: str) -> dict[str, Any]:
    """What `script --one CASE OPTIONS...` prints as its last line.

    Raises:
        SystemExit: it failed; with what it said.
    """
    command = [sys.executable, script, "--one", json.dumps(case), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{case}:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def machine() -> str:
    """The processor, its cores and the system, in a line."""
    from medgan.machine import processor

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor()}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def write_rows(file: Path, rows: list[dict[str, Any]], **more: Any) -> None:
    """Write what was measured, and where, as JSON."""
    about = {"where": machine(), **more, "rows": rows}
    file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
