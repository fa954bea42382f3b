"""Without --model a scan is synthesised at once, by the working folder's run or by the model that came with medgan."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medgan as package
from medgan.errors import ModelRefusedError
from medgan.models import About, catalogue, load_model
from medgan.models.publishing import publish_model


@pytest.fixture
def default(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A medgan that came with the tiny model, called from an empty folder."""
    folder = tmp_path / "weights" / catalogue.DEFAULT
    about = About(purpose="T1w and T2w scans of procedural heads")
    publish_model(load_model(tiny_run), folder, name=catalogue.DEFAULT, about=about)
    monkeypatch.setattr(catalogue, "WEIGHTS", folder.parent)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture
def scan(head: Any, tmp_path: Path) -> Path:
    """A T1w head."""
    made: Path = head(tmp_path / "in" / "scan.nii.gz", "t1", 1)
    return made


def sidecar(name: str = "t2") -> Any:
    return json.loads(Path(f"{name}.json").read_text())["Medgan"]


def test_the_model_that_came_with_medgan_is_used_said_and_recorded(
    medgan: Any, scan: Path, default: Path
) -> None:
    done = medgan("synthesize", scan, "--target", "t2", "-o", "t2.nii.gz", "--device", "cpu")
    assert done.code == 0, done.err
    (line,) = (line for line in done.out.splitlines() if line.startswith("Model:"))
    assert "brain, which comes with medgan" in line
    assert f"medgan {package.__version__} on {load_model(default).manifest.created[:10]}" in line
    assert "T1w and T2w scans of procedural heads" in line
    assert sidecar()["Model"] == "brain"
    assert sidecar()["ModelSHA256"] == load_model(default).digest
    assert str(default.parent) not in Path("t2.json").read_text()


def test_the_run_in_the_working_folder_comes_first_and_a_name_before_it(
    medgan: Any, scan: Path, default: Path, tiny_run: Path
) -> None:
    shutil.copytree(tiny_run / "model", "medgan-run/model")
    arguments = ("synthesize", scan, "--target", "t2", "--device", "cpu")
    done = medgan(*arguments, "-o", "run.nii.gz")
    assert "Model: slices in medgan-run" in done.out
    assert sidecar("run")["ModelSHA256"] == load_model(tiny_run).digest
    done = medgan(*arguments, "-o", "named.nii.gz", "--model", "brain")
    assert "Model: brain, which comes with medgan" in done.out
    assert sidecar("named")["ModelSHA256"] == load_model(default).digest


def test_a_run_without_a_model_yet_is_not_passed_over_in_silence(
    medgan: Any, scan: Path, default: Path
) -> None:
    Path("medgan-run").mkdir()
    done = medgan("synthesize", scan, "--target", "t2", "-o", "t2.nii.gz")
    assert done.code == 4
    assert "medgan-run" in done.err
    assert "`medgan models`" in done.err
    assert not Path("t2.nii.gz").exists()


def test_a_name_that_is_none_is_answered_with_those_there_are(medgan: Any, scan: Path, default: Path) -> None:
    done = medgan("synthesize", scan, "--target", "t2", "--model", "brian")
    assert done.code == 4
    assert "brian" in done.err
    assert "comes with medgan: brain" in done.err


@pytest.mark.parametrize(
    "arguments", [["synthesize", "x.nii.gz", "--target", "t2", "--model", ""], ["models", ""]]
)
def test_a_name_that_is_empty_is_wrong_usage(arguments: list[str], medgan: Any, default: Path) -> None:
    done = medgan(*arguments)
    assert done.code == 2
    assert "empty" in done.err


def test_from_python_the_default_is_that_of_medgan_whatever_lies_in_the_working_folder(
    scan: Path, default: Path
) -> None:
    Path("medgan-run").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = [
            package.synthesize(scan, target="t2", device="cpu", **model).get_fdata()
            for model in ({}, {"model": "brain"}, {"model": default}, {"model": load_model()})
        ]
    assert all(np.array_equal(image, images[0]) for image in images)


def test_from_python_a_medgan_without_weights_says_so(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "nothing")
    with pytest.raises(ModelRefusedError, match="none came with this medgan"):
        package.synthesize(scan, target="t2")
