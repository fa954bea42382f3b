"""`medgan models`: lists what there is, at once, and says what each is made from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medgan.models import About, catalogue, load_model
from medgan.models.parts import Figures, Material
from medgan.models.publishing import publish_model

ABOUT = About(
    purpose="T1w and T2w scans of procedural heads",
    materials=(Material(name="Heads of nobody", licence="Apache-2.0", used_for="training"),),
    protocol="Inside the head.",
    figures=(Figures(source="t1", target="t2", scans="one head", scores={"SSIM": 0.8125}),),
)


@pytest.fixture
def bundled(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A medgan that came with the tiny model, called from an empty folder."""
    folder = tmp_path / "weights" / catalogue.DEFAULT
    publish_model(load_model(tiny_run), folder, name=catalogue.DEFAULT, about=ABOUT)
    monkeypatch.setattr(catalogue, "WEIGHTS", folder.parent)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_it_lists_what_came_with_medgan_and_the_run_in_the_working_folder(
    medgan: Any, bundled: Path, tiny_run: Path
) -> None:
    done = medgan("models")
    assert (done.code, done.err) == (0, "")
    for words in (
        "brain (default): comes with medgan",
        "for      T1w and T2w scans of procedural heads",
        "T2w from T1w",
        "2.5D, 3 slices",
        "data     Heads of nobody (Apache-2.0), for training",
        "reached  T1w to T2w: SSIM 0.812 (one head)",
        "not a medical device",
    ):
        assert words in done.out
    assert "slices:" not in done.out
    Path("medgan-run").symlink_to(tiny_run)
    done = medgan("models")
    assert "brain (default)" in done.out
    assert "slices: medgan-run" in done.out


def test_one_model_is_shown_with_its_card(medgan: Any, bundled: Path, tiny_run: Path) -> None:
    done = medgan("models", "brain")
    assert done.code == 0
    assert done.out.count("brain (default)") == 1
    assert "# medgan model: brain" in done.out
    assert "## What it cannot do" in done.out
    done = medgan("models", tiny_run)
    assert "# medgan model: slices" in done.out
    assert "8 steps" in done.out


def test_several_are_listed_and_those_that_are_none_are_told(
    medgan: Any, bundled: Path, tiny_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "model", tmp_path / "broken")
    (tmp_path / "broken" / "model.json").write_text("{}")
    done = medgan("models", tiny_run, "brain", tmp_path / "broken", "nowhere")
    assert done.code == 4
    assert "brain (default)" in done.out
    assert "slices: " in done.out
    assert "nowhere: there is no such model" in done.err
    assert "model format None" in done.err
    assert "2 of 4 models were refused" in done.err


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_what_is_no_model_is_refused(name: str, medgan: Any, bundled: Path) -> None:
    done = medgan("models", name)
    assert (done.code, done.out) == (4, "")
    assert "Error:" in done.err


def test_a_damaged_run_in_the_working_folder_hides_no_model(medgan: Any, bundled: Path) -> None:
    Path("medgan-run").mkdir()
    done = medgan("models")
    assert done.code == 0
    assert "brain (default)" in done.out
    assert "no model.json" in done.err


def test_the_document_holds_what_the_list_holds(medgan: Any, bundled: Path, tiny_run: Path) -> None:
    done = medgan("models", "brain", tiny_run, "--json")
    assert done.code == 0
    said = json.loads(done.out)
    assert said["format"] == 1
    one, other = said["models"]
    assert (one["name"], one["default"], one["bundled"]) == ("brain", True, True)
    assert (other["name"], other["default"], other["bundled"]) == ("slices", False, False)
    assert one["sha256"] == load_model("brain").digest
    assert one["materials"][0]["licence"] == "Apache-2.0"
    assert one["figures"][0]["scores"] == {"SSIM": 0.8125}
    assert {(way["source"], way["target"]) for way in one["directions"]} == {("t1", "t2"), ("t2", "t1")}
    assert (one["slab"], one["spacing"], one["bytes"]) == (
        3,
        None,
        sum(file.stat().st_size for file in bundled.glob("*.safetensors")),
    )
    assert json.loads(medgan("models", "brain", "nowhere", "--json").out)["refused"][0]["file"] == "nowhere"


def test_a_medgan_without_weights_says_how_to_get_a_model(
    medgan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "nothing")
    monkeypatch.chdir(tmp_path)
    done = medgan("models")
    assert done.code == 0
    assert "medgan train" in done.out


def test_quiet_says_nothing(medgan: Any, bundled: Path) -> None:
    assert medgan("models", "-q").out == medgan("models", "brain", "-q").out == ""


def test_it_answers_without_torch(tiny_run: Path) -> None:
    code = (
        "import sys; sys.argv = ['medgan', 'models', *sys.argv[1:]]\n"
        "from medgan.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = {'torch', 'monai', 'nibabel', 'numpy', 'pydicom', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "slices" in done.stdout
