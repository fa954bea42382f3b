"""Nothing is ever written outside the output folder, whatever links and names lie in wait there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import pytest

from medgan.errors import InputRefusedError, MedganError, ModelRefusedError, OutputNotWrittenError, UsageError
from medgan.files import append_line, locked, whole_file, whole_folder, write_json, write_text
from medgan.models import load_model
from medgan.recipe import load_recipe
from medgan.scans import find_scans, read_scan

pytestmark = pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights elsewhere")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that must stay as it is."""
    file = tmp_path / "outside" / "precious"
    file.parent.mkdir()
    file.write_bytes(b"precious")
    return file


def link(path: Path, target: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    return path


def write_whole(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(b"new")


@pytest.mark.robustness("paths-links")
@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize(
    "write", [write_whole, lambda p: write_text(p, "new"), lambda p: write_json(p, {"a": 1})]
)
def test_a_link_under_an_output_s_name_is_replaced_and_not_written_through(
    write: Callable[[Path], None], dangling: bool, tmp_path: Path, outside: Path
) -> None:
    target = outside.with_name("absent") if dangling else outside
    path = link(tmp_path / "out" / "result.json", target)
    write(path)
    assert not path.is_symlink() and path.is_file() and path.stat().st_size > 0
    assert outside.read_bytes() == b"precious"
    assert [file.name for file in outside.parent.iterdir()] == ["precious"]


@pytest.mark.robustness("paths-links")
def test_a_link_to_a_folder_is_replaced_and_its_folder_left_alone(tmp_path: Path, outside: Path) -> None:
    path = link(tmp_path / "out" / "model", outside.parent)
    with whole_folder(path) as temporary:
        (temporary / "precious").write_bytes(b"new")
    assert not path.is_symlink() and (path / "precious").read_bytes() == b"new"
    assert outside.read_bytes() == b"precious"
    assert [file.name for file in path.parent.iterdir()] == ["model"]


@pytest.mark.robustness("paths-links")
@pytest.mark.parametrize("dangling", [False, True])
def test_what_grows_or_is_locked_in_place_is_no_link(dangling: bool, tmp_path: Path, outside: Path) -> None:
    target = outside.with_name("absent") if dangling else outside
    log, lock = link(tmp_path / "out" / "log.jsonl", target), link(tmp_path / "out" / ".lock", target)
    with pytest.raises(OutputNotWrittenError):
        append_line(log, "a line")
    with pytest.raises(OutputNotWrittenError), locked(lock.parent):
        pass
    assert outside.read_bytes() == b"precious"
    assert [file.name for file in outside.parent.iterdir()] == ["precious"]


@pytest.mark.robustness("paths-links")
@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize("suffix", [".nii.gz", ".json", ".png"])
def test_synthesis_writes_through_no_link(
    suffix: str, dangling: bool, tmp_path: Path, outside: Path, tiny_run: Path, head_folders: Any, medgan: Any
) -> None:
    scan = next(head_folders.t1.iterdir())
    stem = scan.name.removesuffix("_T1W.nii.gz").removesuffix(".nii.gz")
    common = [
        "synthesize",
        scan,
        "--model",
        tiny_run,
        "--target",
        "t2",
        "--format",
        "png" if suffix == ".png" else "nifti",
    ]
    assert medgan(*common, "-o", tmp_path / "first").code == 0
    (name,) = [file.name for file in (tmp_path / "first").iterdir() if file.name.endswith(suffix)]
    assert name.startswith(stem[:6])
    link(tmp_path / "out" / name, outside.with_name("absent") if dangling else outside)
    outcome = medgan(*common, "-o", tmp_path / "out")
    assert outcome.code == 0 if dangling else outcome.code != 0
    assert "Traceback" not in outcome.err
    assert outside.read_bytes() == b"precious"
    assert [file.name for file in outside.parent.iterdir()] == ["precious"]


@pytest.mark.robustness("paths-links")
def test_an_output_folder_that_is_a_link_is_the_user_s_choice(
    tmp_path: Path, outside: Path, tiny_run: Path, head_folders: Any, medgan: Any
) -> None:
    out = link(tmp_path / "out", outside.parent)
    scan = next(head_folders.t1.iterdir())
    assert medgan("synthesize", scan, "--model", tiny_run, "--target", "t2", "-o", out).code == 0
    assert outside.read_bytes() == b"precious"
    assert len(list(outside.parent.iterdir())) == 3


@pytest.mark.robustness("paths-links")
@pytest.mark.parametrize(
    "name",
    ["a\nb_T1w.nii", "...nii", "..nii", ".. ..nii", "-o.nii", "~.nii", "$(touch x).nii", "\x1b[31m.nii", "a\\..\\b.nii",
     "%s%n.nii", "\udcff.nii", "é\u202egnp.nii"],
)  # fmt: skip
def test_odd_file_names_lead_nowhere_else(
    name: str, tmp_path: Path, head: Any, tiny_run: Path, medgan: Any
) -> None:
    sound = nibabel.load(head(tmp_path / "in" / "sound.nii", "t1", 1))
    scan = tmp_path / "in" / name
    scan.write_bytes(sound.to_bytes())
    (tmp_path / "in" / "sound.nii").unlink()
    before = {*tmp_path.rglob("*")}
    outcome = medgan("synthesize", scan, "--model", tiny_run, "--target", "t2", "-o", tmp_path / "out")
    assert "Traceback" not in outcome.err and "\x1b[31m" not in outcome.out + outcome.err
    made = {*tmp_path.rglob("*")} - before
    assert all(path == tmp_path / "out" or path.parent == tmp_path / "out" for path in made)
    assert (outcome.code == 0) == bool(made)


@pytest.mark.robustness("paths-links")
@pytest.mark.parametrize(
    "name", ["a\0b", "a\0b.nii", "a\0b.yaml", "x" * 300 + ".nii", "x" * 300 + ".yaml", "x/" * 3000]
)
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    refusals: dict[Callable[[Path], object], type[MedganError]] = {
        find_scans: InputRefusedError,
        read_scan: InputRefusedError,
        load_model: ModelRefusedError,
        load_recipe: UsageError,
    }
    for read, error in refusals.items():
        with pytest.raises(error):
            read(tmp_path / name)
