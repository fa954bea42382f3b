"""The channels that nnU-Net's cases lack are filled, on their grid, and never mistaken for acquired ones."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.files import locked

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "pipelines" / "nnunet" / "fill_missing_channel.py"
PAGE = ROOT / "docs" / "how-to" / "nnunet.md"
LIST = "medgan_filled.json"


def describe(folder: Path, *names: str, ending: str = ".nii.gz", **more: Any) -> None:
    channels = {str(number): name for number, name in enumerate(names)}
    about = {"channel_names": channels, "labels": {"background": 0}, "numTraining": 2, "file_ending": ending}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(about | more), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path, head: Callable[..., Path]) -> Path:
    """`a` has both channels, `b` T1w alone, on oblique axes; `c`, in the test set, T2w alone."""
    folder = tmp_path / "Dataset001_Heads"
    describe(folder, "T1", "T2")
    turned = np.array([[0, 5, 0, -80], [-4.8, 0, 1.4, 90], [1.4, 0, 4.8, -60], [0, 0, 0, 1.0]])
    head(folder / "imagesTr" / "a_0000.nii.gz", "t1", 1)
    head(folder / "imagesTr" / "a_0001.nii.gz", "t2", 1)
    head(folder / "imagesTr" / "b_0000.nii.gz", "t1", 2, affine=turned)
    head(folder / "imagesTs" / "c_0001.nii.gz", "t2", 3)
    return folder


@pytest.fixture
def fill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_run: Path
) -> Callable[..., tuple[int, str]]:
    """The script in this process: its exit code, and what it prints."""

    def call(*arguments: object) -> tuple[int, str]:
        spec = importlib.util.spec_from_file_location("fill_missing_channel", SCRIPT)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
        spec.loader.exec_module(module)
        options = ("--model", tiny_run, "--device", "cpu")
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments), *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            module.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return call


def files(folder: Path) -> dict[str, bytes]:
    """All but the lock, which stays."""
    inside = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in inside}


def test_each_missing_channel_is_made_on_the_grid_of_the_other_and_nothing_else_changes(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    before = files(data)
    code, _ = fill(data)
    assert code == 0
    after = files(data)
    made = {
        "imagesTr/b_0001.nii.gz": "imagesTr/b_0000.nii.gz",
        "imagesTs/c_0000.nii.gz": "imagesTs/c_0001.nii.gz",
    }
    assert after.keys() - before.keys() == {*made, LIST}
    assert {name: after[name] for name in before} == before
    for name, source in made.items():
        image, acquired = nibabel.load(data / name), nibabel.load(data / source)
        assert image.shape == acquired.shape
        np.testing.assert_array_equal(image.affine, acquired.affine)
        assert np.isfinite(image.get_fdata()).all() and image.get_fdata().std() > 0
        assert b"synthetic" in bytes(image.header["descrip"])


def test_the_list_says_what_is_synthetic_of_what_and_by_which_model(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    from medgan import load_model
    from medgan.files import sha256

    fill(data)
    listed = json.loads((data / LIST).read_text(encoding="utf-8"))
    assert "synthetic" in listed["Description"]
    entry = listed["Channels"]["imagesTr/b_0001.nii.gz"]
    assert entry["Contrast"] == "T2w" and entry["Source"] == "imagesTr/b_0000.nii.gz"
    assert entry["SHA256"] == sha256(data / "imagesTr/b_0001.nii.gz")
    assert entry["SourceSHA256"] == sha256(data / "imagesTr/b_0000.nii.gz")
    assert re.fullmatch("[0-9a-f]{64}", entry["ModelSHA256"])
    assert entry["ModelSHA256"] != load_model().digest  # of --model, not of the default
    assert listed["Channels"].keys() == {"imagesTr/b_0001.nii.gz", "imagesTs/c_0000.nii.gz"}


def test_a_dry_run_says_what_it_would_make_and_makes_nothing(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    before = files(data)
    code, said = fill(data, "--dry-run")
    assert code == 0 and files(data) == before
    assert "imagesTr/b_0001.nii.gz of b_0000.nii.gz" in said and "2 channels" in said


def test_a_second_run_adds_to_the_list_and_makes_nothing_again(
    data: Path, fill: Callable[..., tuple[int, str]], head: Callable[..., Path]
) -> None:
    fill(data, "--only", "imagesTr")
    first = files(data)
    assert "imagesTs/c_0000.nii.gz" not in first
    code, said = fill(data)
    assert code == 0 and "1 channels made" in said
    assert files(data)["imagesTr/b_0001.nii.gz"] == first["imagesTr/b_0001.nii.gz"]
    assert len(json.loads((data / LIST).read_text(encoding="utf-8"))["Channels"]) == 2


def test_a_second_one_at_the_same_time_is_refused_since_the_list_would_lose_what_either_wrote(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    with locked(data):
        code, said = fill(data, "--only", "imagesTs")
        assert code == 2 and "at work in this folder" in said
        assert fill(data, "--dry-run")[0] == 0
    assert fill(data)[0] == 0


def test_a_contrast_agent_is_no_t1w_unless_the_user_says_so(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    describe(data, "T1-Gd", "T2w")
    code, said = fill(data)
    assert code == 2 and "0 is 'T1-Gd'" in said and "--t1-channel" in said
    assert fill(data, "--t1-channel", 0, "--dry-run")[0] == 0
    assert fill(data, "--t1-channel", 7)[0] == 2
    assert fill(data, "--t1-channel", 1)[0] == 2  # that is T2w


def test_what_medgan_cannot_make_stays_missing_and_is_said(
    data: Path, fill: Callable[..., tuple[int, str]], head: Callable[..., Path]
) -> None:
    describe(data, "T1", "T2", "FLAIR")
    for case in "ac":
        shutil.copy(data / "imagesTr" / "a_0000.nii.gz", data / "imagesTr" / f"{case}_0002.nii.gz")
    code, said = fill(data, "--only", "imagesTr")
    assert code == 3
    assert (data / "imagesTr" / "b_0001.nii.gz").exists()
    left = re.findall("Still missing: imagesTr/(.+)", said)
    assert sorted(left) == ["b_0002.nii.gz", "c_0000.nii.gz", "c_0001.nii.gz"]


def test_a_scan_that_is_refused_does_not_stop_the_others(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    source = data / "imagesTr" / "b_0000.nii.gz"
    source.write_bytes(source.read_bytes()[:200])
    code, said = fill(data)
    assert code == 3 and "Still missing: imagesTr/b_0001.nii.gz" in said
    assert not (data / "imagesTr" / "b_0001.nii.gz").exists()
    assert (data / "imagesTs" / "c_0000.nii.gz").exists()
    assert "imagesTr/b_0001.nii.gz" not in (data / LIST).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"ending": ".nrrd"}, ".nrrd"),
        ({"dataset": {}}, "one by one"),
        ({"channel_names": ["T1", "T2"]}, "no dataset.json of nnU-Net"),
    ],
)
def test_another_kind_of_data_set_is_refused(
    change: dict[str, Any], cause: str, data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    describe(data, "T1", "T2", **change)
    code, said = fill(data)
    assert code == 3 and cause in said


def test_a_folder_without_dataset_json_is_refused(
    tmp_path: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    code, said = fill(tmp_path)
    assert code == 3 and "dataset.json" in said


def test_a_list_that_cannot_be_read_is_not_written_over(
    data: Path, fill: Callable[..., tuple[int, str]]
) -> None:
    (data / LIST).write_text("{", encoding="utf-8")
    before = files(data)
    assert fill(data)[0] == 3
    assert files(data) == before


SHORT = """
import inspect, sys
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.run.run_training import run_training_entry

usual = nnUNetTrainer.__init__

def short(self, *arguments, **options):
    usual(self, *arguments, **options)
    self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 1, 2, 1

short.__signature__ = inspect.signature(usual)
nnUNetTrainer.__init__ = short
if __name__ == "__main__":
    run_training_entry()
"""


@pytest.mark.slow
def test_nnunet_refuses_the_data_set_of_the_page_and_takes_it_filled_as_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("nnunetv2", reason="nnU-Net is not installed (pip install nnunetv2)")
    commands, script = tmp_path / "commands", tmp_path / "short.py"
    commands.mkdir()
    script.write_text(SHORT, encoding="utf-8")
    for name, runs in (
        ("medgan", "-m medgan"),
        ("nnUNetv2_train", script),
        ("python", ""),
    ):  # training: two steps
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {runs} "$@"\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    paths = (str(commands), str(Path(sys.executable).parent), os.environ["PATH"])
    environment = os.environ | {"PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT)}
    environment |= {"OMP_NUM_THREADS": "1", "nnUNet_compile": "F", "nnUNet_n_proc_DA": "1"}
    making, filling, planning, training = re.findall(
        r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S
    )

    def run(*blocks: str) -> subprocess.CompletedProcess[str]:
        lines = ["set -euo pipefail", *(line for block in blocks for line in block.splitlines())]
        command = ["bash", "-c", "\n".join(lines)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1500, check=False
        )

    settings = "\n".join(line for line in making.splitlines() if line.startswith("export"))
    refused = run(making, planning)
    assert refused.returncode != 0 and "Unexpected number of modalities" in refused.stdout
    done = run(settings, filling, planning, training)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Mismatch" not in done.stdout and "mismatch" not in done.stdout
    for case in ("sub-0006", "sub-0007"):
        image = nibabel.load(tmp_path / "predicted" / f"{case}.nii.gz")
        source = nibabel.load(tmp_path / "raw" / "Dataset001_Lesions" / "imagesTs" / f"{case}_0000.nii.gz")
        np.testing.assert_allclose(image.affine, source.affine, atol=1e-5)
    splits = json.loads((tmp_path / "preprocessed" / "Dataset001_Lesions" / "splits_final.json").read_text())
    assert [fold["val"] for fold in splits] == [["sub-0001"], ["sub-0003"], ["sub-0005"]]
    assert splits[0]["train"] == ["sub-0002", "sub-0003", "sub-0004", "sub-0005"]
