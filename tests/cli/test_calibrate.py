"""`medgan calibrate`, and what other commands do with a model that knows its errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medgan.models import catalogue, load_model

Medgan = Callable[..., Any]


@pytest.fixture
def folders(head: Callable[..., Path], tmp_path: Path) -> list[object]:
    """Options with paired scans of two people."""
    for person in (7, 8):
        for contrast in ("t1", "t2"):
            name = f"sub-{person:02d}_{contrast.upper()}w.nii.gz"
            head(tmp_path / contrast / name, contrast, person)
    return ["--t1-dir", tmp_path / "t1", "--t2-dir", tmp_path / "t2"]


def test_what_is_learnt_is_kept_in_the_model_and_told_by_synthesize(
    medgan: Medgan, tiny_run: Path, folders: list[object], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_run / "model", model)
    scan = tmp_path / "t1" / "sub-07_T1w.nii.gz"
    asked = ["synthesize", scan, "--target", "t2", "--model", model, "--device", "cpu", "--uncertainty"]
    refused = medgan(*asked, "-o", tmp_path / "out")
    assert refused.code == 4
    assert "medgan calibrate" in refused.err
    assert not (tmp_path / "out").exists()

    done = medgan("calibrate", "--model", model, *folders, "--device", "cpu")
    assert done.code == 0, done.err
    assert "T1w to T2w: on 2 acquired pairs, each left out in turn" in done.out
    assert [one.made_from for one in load_model(model).manifest.calibration] == ["acquired", "acquired"]

    made = medgan(*asked, "-o", tmp_path / "out" / "t2.nii.gz")
    assert made.code == 0, made.err
    assert "Uncertainty: on 2 acquired pairs" in made.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "t2.json",
        "t2.nii.gz",
        "t2_desc-medganBound90.nii.gz",
        "t2_desc-medganUncertainty.nii.gz",
    ]

    judged = medgan("evaluate", "--model", model, *folders, "--device", "cpu", "-o", tmp_path / "judged")
    assert judged.code == 0, judged.err
    assert "under the model's 90 % bound" in judged.out
    found = json.loads((tmp_path / "judged" / "metrics.json").read_text(encoding="utf-8"))
    assert all(0.5 < one["coverage"] <= 1 for one in found["subjects"])
    assert found["summary"]["T2w"]["coverage"]["bound"]["n"] == 2
    assert "90 % bound" in (tmp_path / "judged" / "report.html").read_text(encoding="utf-8")


def test_a_copy_leaves_the_model_as_it_was(
    medgan: Medgan, tiny_run: Path, folders: list[object], tmp_path: Path
) -> None:
    before = load_model(tiny_run).digest
    out = tmp_path / "copy"
    done = medgan("calibrate", "--model", tiny_run, *folders, "-o", out, "--device", "cpu", "-q")
    assert done.code == 0, done.err
    assert load_model(tiny_run).digest == before
    assert len(load_model(out).manifest.calibration) == 2
    again = medgan("calibrate", "--model", tiny_run, *folders, "-o", out, "--device", "cpu", "-q")
    assert again.code == 2
    assert "exists already" in again.err


def test_a_model_that_comes_with_medgan_is_not_changed(
    medgan: Medgan, tiny_run: Path, folders: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "weights")
    shutil.copytree(tiny_run / "model", tmp_path / "weights" / "brain")
    done = medgan("calibrate", "--model", "brain", *folders, "--device", "cpu")
    assert done.code == 2
    assert "is not changed" in done.err
    assert "--out" in done.err


def test_one_pair_is_refused(medgan: Medgan, tiny_run: Path, folders: list[object], tmp_path: Path) -> None:
    (tmp_path / "t2" / "sub-08_T2w.nii.gz").unlink()
    done = medgan("calibrate", "--model", tiny_run, *folders, "-o", tmp_path / "copy", "--device", "cpu")
    assert done.code == 3
    assert "two pairs at least" in done.err
    assert not (tmp_path / "copy").exists()


def test_a_training_ends_with_heads_that_it_has_not_seen(
    medgan: Medgan, head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    changes = [part for change in (*tiny, "training.calibration_heads=2") for part in ("--set", change)]
    run = tmp_path / "run"
    done = medgan("train", *head_folders.arguments, "-o", run, *changes, "--device", "cpu", "-q")
    assert done.code == 0, done.err
    manifest = load_model(run).manifest
    assert [(one.made_from, one.pairs) for one in manifest.calibration] == [("simulated", 2)] * 2
    for domain in manifest.domains.values():
        assert domain.scope is not None
        assert domain.scope.heads is not None
        assert not domain.scope.flat
    said = (run / "model" / "model.json").read_text(encoding="utf-8")
    assert "sub-0" not in said
    one = medgan(
        "train", *head_folders.arguments, "-o", tmp_path / "other", *changes, "--set", "calibration_heads=1"
    )
    assert one.code == 2
    assert "2 or more, or 0" in one.err
