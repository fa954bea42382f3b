"""`medgan export` writes a model for other programs, whole or not at all, and spares what is there."""

from __future__ import annotations

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
