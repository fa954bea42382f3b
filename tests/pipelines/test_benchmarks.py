"""Benchmarks run: what they call has not moved away from under them. Their figures are no tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "pipelines" / "benchmarks"


@pytest.mark.slow
def test_training_steps_are_timed_beside_the_reference_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "steps.json"
    command = [sys.executable, BENCHMARKS / "training_step.py", "--sizes", "32", "--steps", "1"]
    done = subprocess.run([*command, "--device", "cpu", "--json", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert {(row["what"], row["slab"]) for row in rows} == {
        ("cyclegan_2017", 1),
        ("slices", 1),
        ("slices", 3),
        ("seeds", 1),
        ("volumes", 1),
    }
    for row in rows:
        assert row["seconds_per_step"] > 0 and row["times_the_floor"] > 0
        assert row["peak_bytes"] >= row["peak_bytes_before"] > 0
