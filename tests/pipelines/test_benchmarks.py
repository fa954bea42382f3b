"""Benchmarks run: what they call has not moved away from under them. Their figures are no tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "pipelines" / "benchmarks"


@pytest.mark.long
def test_training_steps_are_timed_beside_the_reference_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "steps.json"
    command = [sys.executable, BENCHMARKS / "training_step.py", "--sizes", "32", "--steps", "1"]
    command += ["--only", "cyclegan_2017", "slices"]
    done = subprocess.run([*command, "--device", "cpu", "--json", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert {(row["what"], row["slab"]) for row in rows} == {
        ("cyclegan_2017", 1),
        ("slices", 1),
        ("slices", 3),
    }
    for row in rows:
        assert row["seconds_per_step"] > 0 and row["times_the_floor"] > 0
        assert row["peak_bytes"] >= row["peak_bytes_before"] > 0


@pytest.mark.long
def test_reading_and_preparing_are_timed_beside_the_plain_libraries_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "preparing.json"
    command = [sys.executable, BENCHMARKS / "preparing.py", "--kinds", "png", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["kind"] for row in rows] == ["png"]
    for row in rows:
        assert row["reading"] > row["floor"] > 0 and row["preparing"] > row["prepared_before"] > 0


@pytest.mark.long
@pytest.mark.parametrize("method", ["CycleGAN of 2017", "slices"])
def test_a_training_is_judged_beside_the_reference_after_the_same_time(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import quality

    monkeypatch.setattr(quality, "_SHAPE", (40, 48, 36))
    monkeypatch.setattr(quality, "_SPACING", 4.5)
    monkeypatch.setattr(quality, "_TRAINING_HEADS", 1)
    row = quality.measure(method, minutes=0.01, heads=1, device="cpu")
    assert row["steps"] > 0 and row["method"] == method
    assert all(-1 <= row[f"{figure}_to_{key}"] <= 1 for figure in ("ssim", "r") for key in ("t1", "t2"))


@pytest.mark.slow
def test_the_reference_of_the_notebooks_takes_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import notebooks
    import torch

    one = notebooks.Notebooks(torch.device("cpu"))
    before = one.to["t2"].out.weight.clone()
    one.step({key: torch.rand(2, 1, 64, 64) * 2 - 1 for key in ("t1", "t2")})
    assert not torch.equal(one.to["t2"].out.weight, before)
