"""`medgan export` writes a model for other programs, whole or not at all, and spares what is there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_graph_goes_to_the_file_that_is_named_or_into_a_folder(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = small_model()
    for out, written in (("t2.pt", "t2.pt"), ("folder", "folder/medgan-t2.ts")):
        done = medgan("export", model, "--format", "torchscript", "--target", "t2", "-o", tmp_path / out)
        assert (done.code, done.err) == (0, "")
        assert (tmp_path / written).is_file()
    assert "not a medical device" in done.out


def test_what_is_there_is_spared_unless_it_may_be_overwritten(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    model, out = small_model(), tmp_path / "t1.ts"
    out.write_text("mine")
    arguments = ("export", model, "--format", "torchscript", "--target", "t1", "-o", out)
    done = medgan(*arguments)
    assert done.code == 2
    assert "is there already" in done.err
    assert out.read_text() == "mine"
    assert medgan(*arguments, "--overwrite").code == 0
    assert out.stat().st_size > 1000


def test_a_bundle_takes_no_folder_of_other_things(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    model, out = small_model(), tmp_path / "bundle"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    arguments = ("export", model, "--format", "bundle", "--target", "t2", "-o", out)
    assert "is no bundle" in medgan(*arguments, "--overwrite").err
    (out / "mine.txt").unlink()
    assert medgan(*arguments).code == 0
    (out / "mine.txt").write_text("mine")
    assert medgan(*arguments).code == 2
    (out / "LICENSE").unlink()
    assert medgan(*arguments, "--overwrite").code == 0
    assert (out / "LICENSE").is_file()
    assert (out / "mine.txt").read_text() == "mine"


def test_a_bundle_that_is_renewed_keeps_nothing_of_the_older_weights(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    model, out = small_model(), tmp_path / "bundle"
    arguments = ("export", model, "--format", "bundle", "-o", out, "--target")
    assert medgan(*arguments, "t2").code == 0
    stale = [out / name for name in ("models/model.ts", "models/model.onnx", "medgan_runtime/old.py")]
    for file in stale:
        file.write_bytes(b"older")
    assert medgan(*arguments, "t1", "--overwrite").code == 0
    assert not any(file.exists() for file in stale)
    assert '"target": "t1"' in (out / "configs" / "inference.json").read_text()


@pytest.mark.parametrize("moment", ["models/model.pt", "configs/metadata.json"])
def test_a_renewal_that_is_cut_leaves_what_does_not_run_and_can_be_renewed(
    medgan: Any,
    small_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    model, out = small_model(), tmp_path / "bundle"
    arguments = ("export", model, "--format", "bundle", "-o", out, "--target")
    assert medgan(*arguments, "t2").code == 0
    copy = shutil.copyfile

    def cut(source: Path, target: Path) -> None:
        if Path(source).as_posix().endswith(moment) and "bundle/configs" not in Path(source).as_posix():
            raise OSError(errno.ENOSPC, "No space left on device")
        copy(source, target)

    with monkeypatch.context() as full:
        full.setattr("medgan.integrations.exporting.shutil.copyfile", cut)
        done = medgan(*arguments, "t1", "--overwrite")
    assert (done.code, "Traceback" in done.err) == (5, False)
    assert not (out / "configs" / "inference.json").exists()
    assert medgan(*arguments, "t1", "--overwrite").code == 0


def test_an_empty_working_folder_takes_a_bundle(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert medgan("export", model, "--format", "bundle", "--target", "t2", "-o", ".").code == 0
    assert Path("configs/inference.json").is_file()


def test_a_name_of_another_format_is_refused(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    done = medgan(
        "export", small_model(), "--format", "torchscript", "--target", "t2", "-o", tmp_path / "t2.onnx"
    )
    assert done.code == 2
    assert not (tmp_path / "t2.onnx").exists()


@pytest.mark.parametrize("weights", ["t1_to_t2.safetensors", "t2_to_t1.safetensors"])
def test_a_damaged_model_is_refused_and_nothing_is_left(
    medgan: Any, small_model: Callable[..., Path], tmp_path: Path, weights: str
) -> None:
    model = small_model()
    file = model / weights
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    (tmp_path / "out").mkdir()
    done = medgan("export", model, "--format", "bundle", "--target", "t2", "-o", tmp_path / "out" / "bundle")
    assert done.code == 4
    assert list((tmp_path / "out").iterdir()) == []


def test_default_is_the_model_that_comes_with_medgan(medgan: Any, tmp_path: Path) -> None:
    done = medgan("export", "default", "--format", "torchscript", "--target", "t2", "-o", tmp_path / "t2.ts")
    if "came with this medgan" in done.err:
        pytest.skip("this checkout has no weights")
    assert done.code == 0
    assert "brain, which comes with medgan" in done.out
