"""Damaged inputs, hundreds of each kind: medgan's own errors or a correct result, in bounded time and memory.

The inputs, the damage and what must hold are in `corpus/`, which `pipelines/benchmarks/corpus_soak.py` runs with
as many examples as one likes. Each kind has a process of its own, since a codec may take the interpreter down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "corpus"


def outcome(kind: str, examples: int, scratch: Path) -> dict[str, int]:
    """What the examples came to; the same ones each time."""
    done = subprocess.run(
        [sys.executable, CORPUS, kind, "--examples", str(examples), "--seed", "1", "--scratch", scratch],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    at_work = scratch / "example.txt"
    assert done.returncode == 0, done.stderr[-6000:] + (at_work.read_text() if at_work.exists() else "")
    result = json.loads(done.stdout)
    assert result["examples"] >= examples
    outcomes: dict[str, int] = result["outcomes"]
    # of a sound corpus some is refused, some is read, and the damage is neither all nor nothing
    assert outcomes["refused"] > examples / 10
    assert sum(outcomes.values()) - outcomes["refused"] > examples / 20
    return outcomes


@pytest.mark.robustness("corpus-nifti")
def test_damaged_nifti_is_refused_or_read_as_what_it_says(tmp_path: Path) -> None:
    outcome("nifti", 1000, tmp_path)


@pytest.mark.robustness("corpus-dicom")
def test_damaged_dicom_is_refused_or_read_as_what_it_says(tmp_path: Path) -> None:
    outcome("dicom", 800, tmp_path)


@pytest.mark.robustness("corpus-pictures")
def test_damaged_pictures_are_refused_or_read_as_what_they_say(tmp_path: Path) -> None:
    outcome("pictures", 1000, tmp_path)


@pytest.mark.robustness("corpus-zip")
def test_damaged_zip_archives_are_refused_or_read_as_what_they_say(tmp_path: Path) -> None:
    outcome("zip", 400, tmp_path)


@pytest.mark.robustness("corpus-models")
def test_damaged_models_checkpoints_and_recipes_are_refused_or_what_they_were(tmp_path: Path) -> None:
    outcome("models", 800, tmp_path)


def test_a_fault_in_a_reader_would_be_found(tmp_path: Path) -> None:
    """The harness itself: a reader that lets another exception out, or makes a NaN, fails the run."""
    for harm in ("raise IndexError", "return numpy.full_like(voxels, numpy.nan), ()", "ctypes.string_at(0)"):
        broken = (
            "import ctypes, numpy, runpy, sys, medgan.scans.nifti as nifti\n"
            f"def check(voxels, **_):\n    {harm}\n"
            "nifti.check_voxels = check\n"
            f"sys.argv = ['corpus', 'nifti', '--examples', '5', '--scratch', {str(tmp_path)!r}]\n"
            f"runpy.run_path({str(CORPUS)!r}, run_name='__main__')\n"
        )
        done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, timeout=300)
        assert done.returncode != 0
        assert (tmp_path / "example.txt").exists()
