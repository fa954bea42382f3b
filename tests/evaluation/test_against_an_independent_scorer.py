"""The figures agree with an independent implementation of the protocol, where that and real data are at hand."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.evaluation import canonical_voxels, head, histogram_matched, judge, score
from medgan.scans import read_scan, write_nifti

pytest.importorskip("skimage")
pytest.importorskip("scipy")


@pytest.fixture
def scorer(real_data: Path) -> Any:
    path = real_data.parent / "tools" / "score_pair.py"
    if not path.is_file():
        pytest.skip("the independent scorer is absent")
    spec = spec_from_file_location("score_pair", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def agree(scorer: Any, prediction: Path, reference: Path) -> None:
    judged = judge(read_scan(prediction), read_scan(reference)).foreground
    theirs = scorer.score(*(scorer.axial_first(nibabel.load(path)) for path in (prediction, reference)))
    assert {key: getattr(judged, key) for key in theirs} == pytest.approx(theirs, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("study", [1, 2])
def test_real_scans_score_the_same(scorer: Any, real_data: Path, study: int) -> None:
    folder = real_data / "ms_longitudinal"
    source = folder / "patient01" / f"study{study}_T1W.nii.gz"
    reference = folder / "registered" / f"patient01_study{study}_T2W_in_T1W.nii.gz"
    agree(scorer, source, reference)
    there = scorer.axial_first(nibabel.load(reference))
    mask = scorer.foreground(there)
    real = canonical_voxels(read_scan(reference))
    inside = head(real)
    assert np.array_equal(inside, np.moveaxis(mask, 0, 2))
    matched = histogram_matched(canonical_voxels(read_scan(source)), real, inside)
    theirs = scorer.score(scorer.match(scorer.axial_first(nibabel.load(source)), there, mask), there, mask)
    ours = score(matched, real, inside)
    assert {key: getattr(ours, key) for key in theirs} == pytest.approx(theirs, abs=1e-3)


def test_simulated_heads_score_the_same(scorer: Any, made: Any, tmp_path: Path) -> None:
    grid = {"shape": (64, 72, 40), "spacing": 3.0}
    paths = [tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"]
    for path, scan in zip(paths, (made("t2", noise=0.3, **grid), made("t2", **grid)), strict=True):
        write_nifti(scan, path, description="")
    agree(scorer, *paths)
    write_nifti(made("t1", **grid), paths[0], description="")
    agree(scorer, *paths)
