"""Benchmarks run: what they call has not moved away from under them. Their figures are no tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "pipelines" / "benchmarks"


def test_a_training_step_is_timed_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "steps.json"
    command = [sys.executable, BENCHMARKS / "training_step.py", "--sizes", "32", "--steps", "1"]
    subprocess.run([*command, "--device", "cpu", "--json", out], check=True, capture_output=True)
    (measured,) = json.loads(out.read_text(encoding="utf-8"))
    assert measured["size"] == 32
    assert measured["seconds_per_step"] > 0
    assert measured["peak_bytes"] >= measured["peak_bytes_before"] > 0
