"""3D Slicer's own libraries (slicer-core) read what medgan writes in its place; the script shows it side by side."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "pipelines" / "slicer" / "side_by_side.py"
_TURN = np.array([[-24, 0, 7], [0, 25, 0], [-7, 0, -24]]) / 25
OBLIQUE = nibabel.affines.from_matvec(5.0 * _TURN, (90, -110, 60))
needs_slicer = pytest.mark.skipif(
    importlib.util.find_spec("slicer") is None,
    reason="slicer-core is not installed (pip install slicer-core)",
)


def slicer(*arguments: object) -> Any:
    """What tests/pipelines/slicer_session.py tells."""
    command = [sys.executable, str(Path(__file__).with_name("slicer_session.py")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def made(medgan: Any, scan: Path, model: Path, out: Path, *more: str) -> Path:
    done = medgan("synthesize", scan, "--target", "t2", "--model", model, "-o", out, "--device", "cpu", *more)
    assert done.code == 0, done.err
    return out


@needs_slicer
@pytest.mark.parametrize("affine", [None, OBLIQUE], ids=["straight", "oblique"])
def test_scan_result_and_map_lie_in_one_place(
    affine: Any, head: Callable[..., Path], calibrated: Path, medgan: Any, tmp_path: Path
) -> None:
    scan = head(tmp_path / "scan.nii.gz", "t1", 1, affine=affine)
    result = made(medgan, scan, calibrated, tmp_path / "t2.nii.gz", "--uncertainty")
    paths = [scan, result, tmp_path / "t2_desc-medganUncertainty.nii.gz"]
    for path, seen in zip(paths, slicer("read", *paths), strict=True):
        image = nibabel.load(path)
        np.testing.assert_allclose(seen["affine"], nibabel.load(scan).affine, atol=1e-4)
        voxels = np.load(f"{path}.npy").transpose(2, 1, 0)
        np.testing.assert_allclose(voxels, image.get_fdata(), atol=1e-3)


@needs_slicer
def test_a_derived_series_is_read_on_its_sources_grid(tiny_run: Path, medgan: Any, tmp_path: Path) -> None:
    assert medgan("simulate", "-o", tmp_path / "in", "--format", "dicom", "--spacing", 4).code == 0
    (source,) = (tmp_path / "in" / "T1").iterdir()
    out = made(medgan, source, tiny_run, tmp_path / "out", "--format", "dicom")
    (series,) = (one for one in out.iterdir() if one.is_dir())
    firsts = [sorted(folder.iterdir())[0] for folder in (source, series)]
    before, after = slicer("read", *firsts)
    np.testing.assert_allclose(after["affine"], before["affine"], atol=1e-5)
    assert len({np.load(f"{path}.npy").shape for path in firsts}) == 1


@needs_slicer
def test_the_script_shows_the_source_above_the_result_linked(
    head: Callable[..., Path], tmp_path: Path
) -> None:
    volumes = [head(tmp_path / f"{name}.nii.gz", "t1", 1) for name in ("source", "result", "error")]
    seen = slicer("show", SCRIPT, *volumes)
    assert {one["view"]: (one["behind"], one["front"]) for one in seen["views"]} == {
        **dict.fromkeys(("Red", "Green", "Yellow"), ("source", None)),
        **dict.fromkeys(("Red+", "Green+", "Yellow+"), ("result", "error")),
    }
    assert all(one["linked"] for one in seen["views"])
    assert (seen["window"], seen["colours"]) == ([0.0, 0.4], "PET-Heat")


def test_the_script_asks_for_a_scan_and_a_result() -> None:
    command = [sys.executable, str(SCRIPT), "scan.nii.gz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Give the scan, the result" in done.stderr
