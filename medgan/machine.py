"""What medgan keeps of this machine from one command to the next: measurements, never anything of a scan."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from medgan.errors import OutputNotWrittenError
from medgan.files import whole_file


def cache_folder() -> Path:
    """Where it lies: `$MEDGAN_CACHE`, or `medgan` in the user's folder for caches. It may be removed at any time."""
    if given := os.environ.get("MEDGAN_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "medgan" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "medgan"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medgan"


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def recall(subject: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """What was kept of a subject under these facts; None where nothing was, or it cannot be read."""
    try:
        kept = json.loads(_file(subject, facts).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, RuntimeError):
        return None
    known = isinstance(kept, dict) and kept.get("facts") == facts and isinstance(kept.get("found"), dict)
    return kept["found"] if known else None


def keep(subject: str, facts: dict[str, Any], found: dict[str, Any]) -> None:
    """Keep what was found of a subject under these facts; where there is no room for it, it is found out again.

    Args:
        subject: a word, such as `pace`.
        facts: all that it depends on, as JSON has it.
        found: what to keep, as JSON has it.
    """
    text = json.dumps({"facts": facts, "found": found}, indent=2)
    with (
        contextlib.suppress(OutputNotWrittenError, OSError, RuntimeError),
        whole_file(_file(subject, facts)) as temporary,
    ):
        temporary.write_text(text + "\n", encoding="utf-8")


def place_of(subject: str, facts: dict[str, Any]) -> Path:
    """Where what belongs to a subject under these facts lies, without a suffix."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return cache_folder() / f"{subject}-{digest}"


def _file(subject: str, facts: dict[str, Any]) -> Path:
    return place_of(subject, facts).with_suffix(".json")
