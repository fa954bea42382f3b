"""Claims about `medgan inspect`: what it prints where, and with which code it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source


def nifti(path: Path, *, seed: int = 0, blank: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.zeros((24, 32, 20), np.float32)
    if not blank:
        voxels[4:20, 4:28, 2:18] = np.random.default_rng(seed).uniform(80, 120, (16, 24, 16))
    nibabel.Nifti1Image(voxels, np.diag([0.9, 0.9, 3.0, 1.0])).to_filename(path)
    return path


def medgan(*arguments: object) -> Any:
    """The command in a process of its own, so that stdout, stderr and exit code are the user's."""
    command = [sys.executable, "-W", "error", "-m", "medgan", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two usable scans and a refused one."""
    nifti(tmp_path / "data" / "a_T1w.nii.gz")
    nifti(tmp_path / "data" / "b_T1w.nii.gz", seed=1)
    nifti(tmp_path / "data" / "c.nii", blank=True)
    return tmp_path / "data"


def test_one_scan_is_told_in_full(data: Path) -> None:
    done = medgan(data / "a_T1w.nii.gz")
    assert done.returncode == 0
    for part in (
        "a_T1w.nii.gz",
        "T1w (from its file name)",
        "24 x 32 x 20",
        "0.9 x 0.9 x 3 mm",
        "RAS",
        "usable",
    ):
        assert part in done.stdout
    assert done.stderr == ""


def test_a_refused_file_among_usable_ones_is_reported_and_is_no_failure(data: Path) -> None:
    done = medgan(data)
    assert done.returncode == 0
    assert "3 scans: 2 usable, 1 refused" in done.stdout
    assert "every voxel is 0" in done.stdout
    assert "Check that this is the image you meant" in done.stdout


@pytest.mark.parametrize("arguments", [("missing",), ("data/c.nii",), ("empty",), ("data/c.nii", "missing")])
def test_nothing_usable_is_exit_code_3_with_a_cause_and_no_traceback(
    data: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(data.parent)
    (data.parent / "empty").mkdir()
    done = medgan(*arguments)
    assert done.returncode == 3
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_path_beside_usable_ones_is_exit_code_3_after_the_report(data: Path) -> None:
    done = medgan(data, data.parent / "missing")
    assert done.returncode == 3
    assert "2 usable" in done.stdout
    assert "no such file or folder" in done.stderr


@pytest.mark.parametrize("path", ["data", "data/c.nii", "missing"])
def test_json_is_one_document_and_nothing_else_on_stdout(
    data: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(data.parent)
    done = medgan(path, "--json", "--verbose", "-o", "report.html")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(done.stdout, parse_constant=refuse)
    assert document["paths"] == [path]
    assert document["summary"]["usable"] == (2 if path == "data" else 0)
    assert done.returncode == (0 if path == "data" else 3)


def test_json_survives_an_output_that_knows_ascii_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    nifti(tmp_path / "höhe_T1w.nii")
    done = medgan(tmp_path, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["scans"][0]["label"] == "höhe_T1w.nii"


def test_quiet_says_nothing_but_warnings_and_errors(data: Path) -> None:
    assert medgan(data / "a_T1w.nii.gz", "-q").stdout == ""
    done = medgan(data, "--quiet")
    assert done.stdout == ""
    assert "c.nii: every voxel is 0" in done.stderr


def test_the_report_is_written_beside_what_is_printed(data: Path) -> None:
    out = data.parent / "made" / "report.html"
    done = medgan(data, "-o", out)
    assert done.returncode == 0
    assert f"Report: {out}" in done.stdout
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_report_that_would_overwrite_something_else_is_wrong_usage(data: Path) -> None:
    scan = data / "a_T1w.nii.gz"
    before = scan.read_bytes()
    done = medgan(data, "-o", scan)
    assert done.returncode == 2
    assert ".html" in done.stderr
    assert scan.read_bytes() == before
    assert medgan(data, "-o", data).returncode == 2


@pytest.mark.parametrize("arguments", [(), ("--nonsense",)])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert medgan(*arguments).returncode == 2


def test_every_series_of_a_dicom_folder_is_listed(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).uniform(0, 100, (32, 36, 6)).astype(np.float32)
    scan = Scan(
        voxels=voxels,
        affine=np.diag([-0.9, 0.9, 3.0, 1.0]),
        source=Source(path=tmp_path, kind="array", stem="made"),
    )
    for number, description in ((3, "ax T1 [bold]"), (8, "ax T2")):
        facts = {"echo_time": 12.0, "repetition_time": 500.0}
        folder = tmp_path / "study" / str(number)
        write_series(
            folder, scan, description=description, series_number=number, facts=facts, entropy=str(number)
        )
    done = medgan(tmp_path / "study")
    assert done.returncode == 0
    assert "MR series 3: ax T1 [bold]" in done.stdout
    assert "MR series 8: ax T2" in done.stdout


def test_a_file_name_that_steers_a_terminal_is_escaped_on_screen_and_in_the_report(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a\x1b[31m\nb_T1w.nii")
    (tmp_path / "in" / "c\nd.nii").write_bytes(b"no image")
    done = medgan(tmp_path / "in", "-o", tmp_path / "report.html")
    assert done.returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (done.stdout + done.stderr, page.replace("<wbr>", "")):
        assert "\x1b" not in text
        assert "a\\x1b[31m\\nb_T1w.nii" in text
        assert "c\\nd.nii" in text
    lone = medgan(tmp_path / "in" / "c\nd.nii")
    assert lone.returncode == 3
    assert "c\\nd.nii" in lone.stdout


def test_a_long_list_is_cut_on_screen_and_whole_when_asked(tmp_path: Path) -> None:
    for index in range(64):
        nifti(tmp_path / f"{index:02d}_T1w.nii", seed=index)
    done = medgan(tmp_path)
    assert "63_T1w.nii" not in done.stdout
    assert "and 4 more" in done.stdout
    assert "63_T1w.nii" in medgan(tmp_path, "--verbose").stdout


def test_help_names_the_exit_codes_and_examples() -> None:
    done = medgan("--help")
    assert done.returncode == 0
    assert "medgan inspect T1 T2 -o report.html" in done.stdout
    assert "exit code" in done.stdout
