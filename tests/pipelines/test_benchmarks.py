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
        ("notebooks", 1),
        ("seeds", 1),
        ("volumes", 1),
    }
    for row in rows:
        assert row["seconds_per_step"] > 0 and row["times_the_floor"] > 0
        assert row["peak_bytes"] >= row["peak_bytes_before"] > 0


@pytest.mark.slow
def test_reading_and_preparing_are_timed_beside_the_plain_libraries_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "preparing.json"
    command = [sys.executable, BENCHMARKS / "preparing.py", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["kind"] for row in rows] == ["nifti", "dicom", "png"]
    for row in rows:
        assert row["reading"] > row["floor"] > 0 and row["preparing"] > row["prepared_before"] > 0


@pytest.mark.slow
def test_a_training_is_judged_beside_the_reference_after_the_same_time(tmp_path: Path) -> None:
    out = tmp_path / "quality.json"
    command = [sys.executable, BENCHMARKS / "quality.py", "--minutes", "0.02", "--heads", "1", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 4 and all(-1 <= row["ssim_to_t2"] <= 1 for row in rows)
    assert [row["steps"] > 0 for row in rows] == [False, True, True, True]
