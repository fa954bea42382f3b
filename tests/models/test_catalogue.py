"""A model is found by its name, by its folder or by its run; a folder wins over a name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medgan.errors import ModelRefusedError
from medgan.models import catalogue, default_model, find_model, load_model, model_names
from medgan.models.catalogue import name_of


def test_the_default_comes_first_among_the_names(bundled: Path) -> None:
    assert model_names() == ["brain", "other"]


def test_a_folder_without_a_manifest_is_no_model_of_the_catalogue(bundled: Path) -> None:
    (bundled / "aside").mkdir()
    (bundled / "file").write_text("x")
    assert model_names() == ["brain", "other"]


def test_a_name_leads_to_its_folder(bundled: Path) -> None:
    assert find_model("other") == bundled / "other"
    assert name_of(find_model("other")) == "other"
    assert default_model() == bundled / "brain"
    assert load_model().folder == bundled / "brain"
    assert load_model("other").manifest.name == "other"


def test_a_folder_of_that_name_wins_and_a_file_does_not(
    bundled: Path, small_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("brain").write_text("mine")
    assert find_model("brain") == bundled / "brain"
    Path("brain").unlink()
    shutil.copytree(small_model(), "brain")
    assert find_model("brain") == Path("brain")
    assert name_of(find_model("brain")) is None


@pytest.mark.parametrize("name", ["nowhere", "brain/x", "Brain", "other/model.json"])
def test_what_is_neither_a_name_nor_a_folder_is_refused_with_the_names(
    name: str, bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(ModelRefusedError, match="no such model") as caught:
        find_model(name)
    assert "brain, other" in caught.value.remedy


def test_without_weights_the_default_is_refused_with_a_way_out(none_bundled: None) -> None:
    assert model_names() == []
    for load in (default_model, load_model):
        with pytest.raises(ModelRefusedError, match="none came with this medgan") as caught:
            load()
        assert "--model" in caught.value.remedy
        assert "medgan train" in caught.value.remedy


def test_a_pickle_beside_the_weights_that_came_with_medgan_is_refused_too(bundled: Path) -> None:
    (bundled / "brain" / "extra.pt").write_bytes(b"\x80\x04.")
    for name in ("brain", None):
        with pytest.raises(ModelRefusedError, match="pickle"):
            load_model(name)


def test_the_catalogue_lies_in_the_package() -> None:
    assert catalogue.WEIGHTS.parent == Path(catalogue.__file__).parent
