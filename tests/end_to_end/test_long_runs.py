"""Memory and open files do not grow with what was done already: the long measure is `make soak`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOAK = Path(__file__).parents[2] / "pipelines" / "benchmarks" / "memory_soak.py"
KEPT = 5.0
"""MiB for 100 volumes or steps: one volume or the activations of one step, kept of each, are 8 and more."""


def soaked(folder: Path) -> dict[str, dict[str, Any]]:
    """A short soak, by kind."""
    report = folder / "memory.json"
    arguments = ["--volumes", "40", "--steps", "200", "--json", report]
    subprocess.run([sys.executable, SOAK, *arguments], check=False, capture_output=True)
    return {row["kind"]: row for row in json.loads(report.read_text())}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The lesser growth of two soaks, where the first finds any: a leak is in both, a busy machine's noise is not."""
    first = soaked(tmp_path_factory.mktemp("soak"))
    if all(row["mib_per_100"] < KEPT for row in first.values()):
        return first
    again = soaked(tmp_path_factory.mktemp("again"))
    return {kind: min(first[kind], again[kind], key=lambda row: row["mib_per_100"]) for kind in first}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("volumes", marks=pytest.mark.robustness("long-volumes")),
        pytest.param("steps", marks=pytest.mark.robustness("long-steps")),
    ],
)
def test_memory_and_open_files_stay_as_they_are(kind: str, measured: dict[str, dict[str, Any]]) -> None:
    row = measured[kind]
    assert row["mib_per_100"] < KEPT, row
    assert row["open_files_last"] <= row["open_files_warm"], row
