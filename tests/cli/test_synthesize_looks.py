"""`medgan synthesize --report --preview`: one of each beside every result, written and kept as results are."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.files import sha256
from medgan.scans import read_scan
from medgan.scans.dicom_writing import write_series

STEM = "scan_desc-medganFromT1w_T2w"
Synthesize = Callable[..., Any]


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Synthesize:
    """The command, from T1w to T2w, on the CPU, with a page and a preview."""

    def call(*arguments: object, looks: tuple[str, ...] = ("--report", "--preview")) -> Any:
        options = ("--target", "t2", "--model", tiny_run, "--device", "cpu", "-q")
        return medgan("synthesize", *arguments, *looks, *options)

    return call


@pytest.fixture
def scan(head: Any, tmp_path: Path) -> Path:
    path: Path = head(tmp_path / "in" / "scan.nii.gz", "t1", 1)
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_both_lie_beside_the_result_and_its_sidecar_tells_of_them(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = synthesize(scan, "-o", out)
    assert done.code == 0, done.err
    names = [f"{STEM}{end}" for end in (".html", ".json", ".nii.gz", "_preview.png")]
    assert sorted(below(out)) == sorted(names)
    said = json.loads((out / f"{STEM}.json").read_text())["Medgan"]
    assert said["OutputSHA256"] == {
        name: sha256(out / name) for name in (f"{STEM}.nii.gz", f"{STEM}_preview.png", f"{STEM}.html")
    }
    page = (out / f"{STEM}.html").read_text(encoding="utf-8")
    for told in (said["ModelSHA256"], said["InputSHA256"], said["OutputSHA256"][f"{STEM}.nii.gz"]):
        assert told in page
    assert not re.search(r"https?:|" + re.escape(str(tmp_path)), page)


def test_the_image_is_the_same_with_them_and_without(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "with" / "t2.nii.gz").code == 0
    assert synthesize(scan, "-o", tmp_path / "without" / "t2.nii.gz", looks=()).code == 0
    made, plain = below(tmp_path / "with"), below(tmp_path / "without")
    assert sorted(made) == ["t2.html", "t2.json", "t2.nii.gz", "t2_preview.png"]
    assert sorted(plain) == ["t2.json", "t2.nii.gz"]
    assert made["t2.nii.gz"] == plain["t2.nii.gz"]


def test_a_cohort_gets_one_of_each_for_every_scan(synthesize: Synthesize, head: Any, tmp_path: Path) -> None:
    for person in (1, 2):
        head(tmp_path / "in" / f"{person}.nii.gz", "t1", person)
    Image.fromarray(np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))).save(tmp_path / "in" / "slice.png")
    done = synthesize(tmp_path / "in", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    names = sorted(below(tmp_path / "out"))
    assert [name.split("_")[0] for name in names if name.endswith(".html")] == ["1", "2", "slice"]
    assert [name.split("_")[0] for name in names if name.endswith("_preview.png")] == ["1", "2", "slice"]
    assert "slice_desc-medganFromT1w_T2w.png" in names


def test_a_preview_is_not_taken_for_a_scan(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    assert synthesize(scan, "-o", scan.parent / "t2.nii.gz").code == 0
    done = synthesize(scan.parent, "-o", tmp_path / "out", looks=())
    assert done.code == 0, done.err
    assert sorted(below(tmp_path / "out")) == [f"{STEM}.json", f"{STEM}.nii.gz"]


def test_a_dicom_result_has_them_beside_its_folder_without_the_patient(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(tmp_path / "series", read_scan(scan), description="T1w", series_number=3, facts=facts)
    done = synthesize(tmp_path / "series", "--format", "dicom", "--deidentify", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    (page,) = (tmp_path / "out").glob("series003-*_desc-medganFromT1w_T2w.html")
    assert page.with_name(f"{page.stem}_preview.png").is_file()
    assert (tmp_path / "out" / page.stem / "0001.dcm").is_file()
    assert "Nobody" not in page.read_text(encoding="utf-8")


def test_resume_keeps_a_result_with_all_its_files_and_makes_what_is_missing(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert synthesize(scan, "-o", out, looks=()).code == 0
    assert synthesize(scan, "-o", out, "--resume").code == 0
    first = below(out)
    assert f"{STEM}.html" in first
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    for looks in (("--report", "--preview"), ("--report",), ()):
        assert synthesize(scan, "-o", out, "--resume", looks=looks).code == 0
        assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == times, looks
    for spoilt in (f"{STEM}.html", f"{STEM}_preview.png"):
        (out / spoilt).unlink()
        assert synthesize(scan, "-o", out, "--resume").code == 0
        assert below(out) == first


@pytest.mark.parametrize("name", [f"{STEM}.html", f"{STEM}_preview.png"])
def test_what_another_put_there_is_not_replaced(
    name: str, synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"<html>mine</html>")
    done = synthesize(scan, "-o", tmp_path / "out")
    assert done.code == 2
    assert "nothing says that medgan made it" in done.err
    assert below(tmp_path / "out") == {name: b"<html>mine</html>"}


def test_after_a_crash_before_the_sidecar_all_is_made_anew(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "out").code == 0
    whole = below(tmp_path / "out")
    (tmp_path / "out" / f"{STEM}.json").unlink()
    done = synthesize(scan, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert below(tmp_path / "out") == whole


def test_an_older_page_is_never_left_beside_a_newer_image(
    synthesize: Synthesize, scan: Path, head: Any, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "out").code == 0
    whole = below(tmp_path / "out")
    head(scan, "t1", 2)  # the same file, changed
    done = synthesize(scan, "-o", tmp_path / "out", looks=())
    assert done.code == 5
    assert "or give --preview again" in done.err
    assert below(tmp_path / "out") == whole
    assert synthesize(scan, "-o", tmp_path / "out").code == 0


def test_a_disk_that_fills_leaves_no_half_of_a_page(
    synthesize: Synthesize, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = os.replace

    def refuse(source: Any, target: Any) -> None:
        if str(target).endswith(".html"):
            raise OSError(28, "No space left on device")
        replaced(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    done = synthesize(scan, "-o", tmp_path / "out")
    assert done.code == 5
    assert "No space left" in done.err
    assert sorted(below(tmp_path / "out")) == [f"{STEM}.nii.gz", f"{STEM}_preview.png"]


def test_a_name_that_is_too_long_for_its_preview_is_refused(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    long = scan.with_name("x" * (255 - len("_desc-medganFromT1w_T2w.nii.gz")) + ".nii.gz")
    shutil.copy(scan, long)
    done = synthesize(long, "-o", tmp_path / "out")
    assert done.code == 2
    assert "to which nothing can be added" in done.err
    assert synthesize(long, "-o", tmp_path / "out", looks=("--report",)).code == 0


def test_the_page_lays_the_uncertainty_over_the_result(
    medgan: Any, calibrated: Path, scan: Path, tmp_path: Path
) -> None:
    options = ("--target", "t2", "--model", calibrated, "--device", "cpu", "-q")
    done = medgan("synthesize", scan, *options, "--uncertainty", "--report", "-o", tmp_path / "t2.nii.gz")
    assert done.code == 0, done.err
    page = (tmp_path / "t2.html").read_text(encoding="utf-8")
    assert 'id="viewer-uncertainty"' in page
    assert 'id="volume-uncertainty"' in page
    assert "as a share of the range between the percentiles 0.5 and 99.5 of the head" in page
    said = json.loads((tmp_path / "t2.json").read_text())["Medgan"]["OutputSHA256"]
    assert sorted(said) == [
        "t2.html",
        "t2.nii.gz",
        "t2_desc-medganBound90.nii.gz",
        "t2_desc-medganUncertainty.nii.gz",
    ]
