"""`medgan synthesize`: what is refused says so soon, and of several inputs each says why and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.errors import ModelRefusedError

Synthesize = Callable[..., Any]
STEM = "scan_desc-medganFromT1w_T2w"


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Synthesize:
    """The command, from T1w to T2w, on the CPU."""

    def call(*arguments: object) -> Any:
        return medgan("synthesize", *arguments, "--target", "t2", "--model", tiny_run, "--device", "cpu")

    return call


@pytest.fixture
def scan(head: Any, tmp_path: Path) -> Path:
    """A T1w head."""
    made: Path = head(tmp_path / "in" / "scan.nii.gz", "t1", 1)
    return made


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "arguments",
    [
        ["synthesize", "", "--target", "t2"],
        ["synthesize", "scan.nii.gz", "", "--target", "t2"],
        ["synthesize", "scan.nii.gz", "--target", "t2", "-o", ""],
        ["synthesize", "scan.nii.gz", "--target", "t2", "--format", "dicom", "--reference", ""],
        ["train", "--t1-dir", "", "--t2-dir", "t2"],
        ["train", "--t1-dir", "t1", "--t2-dir", ""],
        ["train", "--t1-dir", "t1", "--t2-dir", "t2", "-o", ""],
        ["train", "--t1-dir", "t1", "--t2-dir", "t2", "--labels", ""],
        ["simulate", "-o", ""],
        ["simulate", "-o", "out", "--labels", ""],
        ["inspect", ""],
        ["inspect", "scan.nii.gz", "-o", ""],
        ["demo", "-o", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_working_folder(
    arguments: list[str], medgan: Any, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `-o "$OUT"` gives it where the variable is not set."""
    monkeypatch.chdir(scan.parent)
    done = medgan(*arguments)
    assert done.code == 2
    assert "the path is empty" in done.err
    assert below(scan.parent) == ["scan.nii.gz"]


def test_an_empty_model_is_refused_too(medgan: Any, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scan.parent)
    done = medgan("synthesize", scan, "--target", "t2", "--model", "")
    assert done.code in (2, 4)
    assert below(scan.parent) == ["scan.nii.gz"]


def test_of_each_refused_scan_file_cause_and_way_out_are_listed(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path
) -> None:
    (scan.parent / "cut.nii.gz").write_bytes(scan.read_bytes()[:1000])
    done = synthesize(scan.parent, tmp_path / "absent", "-o", tmp_path / "out")
    assert done.code == 3
    said = done.err.splitlines()
    for file, cause, remedy in (("cut.nii.gz", "cut", "Copy"), ("absent", "no such file", "Check the path")):
        (place,) = (k for k, line in enumerate(said) if line.startswith("  ") and line.endswith(file))
        assert cause in said[place + 1], done.err
        assert remedy in said[place + 2], done.err
    assert "Warning" not in done.err
    assert "2 of 3 inputs were refused, as listed; the others are written" in done.err
    assert below(tmp_path / "out") == [f"{STEM}.json", f"{STEM}.nii.gz"]


def test_where_all_are_refused_nothing_is_said_to_be_written(synthesize: Synthesize, tmp_path: Path) -> None:
    done = synthesize(tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert done.code == 3
    assert "all 2 inputs were refused, as listed; nothing is written" in done.err
    assert "the others" not in done.err
    assert not (tmp_path / "out").exists()


def test_on_a_terminal_the_list_fits_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.cli.screen import Screen
    from medgan.errors import InputRefusedError

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    error = InputRefusedError("word " * 40, file="in/scan.nii.gz", remedy="One:\n  1: first\n  2: second")
    Screen(quiet=True, verbose=False).refusals([error])
    lines = [line.rstrip() for line in capsys.readouterr().err.splitlines()]
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("    ") for line in lines if "word" in line)
    assert "      1: first" in lines


def test_a_scan_of_which_the_model_makes_no_image_does_not_stop_the_others(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.synthesis import synthesizer

    head(scan.parent / "zz.nii.gz", "t1", 2)
    restore, calls = synthesizer.restore, []

    def refuse_first(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ModelRefusedError("gave an image that is not finite")
        return restore(*arguments)

    monkeypatch.setattr(synthesizer, "restore", refuse_first)
    done = synthesize(scan.parent, "-o", tmp_path / "out")
    assert done.code == 3
    assert "1 of 2 inputs were refused" in done.err
    assert "not finite" in done.err
    assert [name for name in below(tmp_path / "out") if name.endswith(".nii.gz")] == [
        "zz_desc-medganFromT1w_T2w.nii.gz"
    ]


def test_a_model_that_cannot_be_loaded_ends_it(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.models import Model

    head(scan.parent / "zz.nii.gz", "t1", 2)

    def damaged(*_: object) -> None:
        raise ModelRefusedError("does not fit its description")

    monkeypatch.setattr(Model, "generator", damaged)
    done = synthesize(scan.parent, "-o", tmp_path / "out")
    assert done.code == 4
    assert done.err.count("does not fit its description") == 1


def test_memory_that_runs_out_is_no_fault_and_says_what_to_do(
    synthesize: Synthesize, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("medgan.synthesis.members.read_scan", too_large)
    done = synthesize(scan, "-o", tmp_path / "out")
    assert done.code == 6
    assert "memory ran out" in done.err and "Train with" not in done.err


def test_a_file_given_as_the_folder_is_told_to_be_one(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    (tmp_path / "x6").write_text("mine")
    done = synthesize(scan, "-o", tmp_path / "x6")
    assert done.code == 2
    assert "is a file" in done.err and ".nii.gz" in done.err
    assert (tmp_path / "x6").read_text() == "mine"


@pytest.mark.parametrize("second", ["t2.nii", "t2.png"])
def test_two_images_do_not_share_a_sidecar(
    second: str, synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert synthesize(scan, "-o", out / "t2.nii.gz").code == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    done = synthesize(scan, "-o", out / second)
    assert done.code == 5
    assert "how t2.nii.gz was made" in done.err and "Give another --out" in done.err
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (out / "t2.nii.gz").unlink()
    assert synthesize(scan, "-o", out / second).code == 0
    assert list(json.loads((out / "t2.json").read_text())["Medgan"]["OutputSHA256"]) == [second]


def test_a_sidecar_in_the_way_of_one_scan_does_not_stop_the_others(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path
) -> None:
    head(scan.parent / "zz.nii.gz", "t1", 2)
    assert synthesize(scan, "-o", tmp_path / "out").code == 0
    done = synthesize(scan.parent, "-o", tmp_path / "out", "--format", "png")
    assert done.code == 3
    assert f"how {STEM}.nii.gz was made" in done.err
    assert (tmp_path / "out" / "zz_desc-medganFromT1w_T2w.png").is_file()


def test_two_archives_with_a_scan_of_one_name_give_two_results(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    import shutil

    for number, name in enumerate("ab", start=1):
        head(tmp_path / name / "scan.nii.gz", "t1", number)
        shutil.make_archive(str(tmp_path / name), "zip", tmp_path / name)
    done = synthesize(tmp_path / "a.zip", tmp_path / "b.zip", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert below(tmp_path / "out") == [
        f"{name}.{end}" for name in (f"b_{STEM}", STEM) for end in ("json", "nii.gz")
    ]


def test_medgans_own_results_beside_scans_are_passed_over_and_told(
    synthesize: Synthesize, scan: Path
) -> None:
    assert synthesize(scan, "-o", scan.parent).code == 0
    done = synthesize(scan.parent, "-o", scan.parent)
    assert done.code == 0, done.err
    assert "1 result of medgan left out" in done.out
    assert below(scan.parent) == ["scan.nii.gz", f"{STEM}.json", f"{STEM}.nii.gz"]


@pytest.mark.parametrize("kind", ["absent", "empty folder", "no image"])
def test_what_is_plainly_no_scan_is_refused_before_anything_heavy_is_loaded(
    kind: str, tmp_path: Path
) -> None:
    given = tmp_path / "given.txt"
    if kind == "empty folder":
        given.mkdir()
    elif kind == "no image":
        given.write_text("no scan")
    program = (
        "import atexit, sys; from medgan.cli.main import main; "
        "atexit.register(lambda: print([n for n in ('torch', 'monai') if n in sys.modules])); "
        f"sys.argv = ['medgan', 'synthesize', {str(given)!r}, '--target', 't2']; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_picture_keeps_its_two_images_and_one_sidecar(synthesize: Synthesize, tmp_path: Path) -> None:
    picture = tmp_path / "scan.png"
    Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).save(picture)
    for _ in range(2):
        assert synthesize(picture, "-o", tmp_path / "out").code == 0
    assert below(tmp_path / "out") == [f"{STEM}.{end}" for end in ("json", "nii.gz", "png")]
