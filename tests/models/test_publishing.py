"""A model that is passed on states its data, licences and figures, and keeps its weights byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from medgan.errors import ModelRefusedError
from medgan.models import About, load_model
from medgan.models.outline import read_outline
from medgan.models.parts import Figures
from medgan.models.publishing import publish_model


def test_the_weights_are_those_of_the_model(
    small_model: Callable[..., Path], about: About, tmp_path: Path
) -> None:
    model = load_model(small_model())
    publish_model(model, tmp_path / "out", name="brain", about=about)
    made = load_model(tmp_path / "out")
    assert made.manifest.directions == model.manifest.directions
    assert made.manifest.about == about
    assert made.manifest.name == "brain"
    for weights in model.manifest.directions:
        name = weights.file_name
        assert (tmp_path / "out" / name).read_bytes() == (model.folder / name).read_bytes()
        made.generator(weights.target)
    assert made.digest != model.digest


def test_the_card_states_data_licences_figures_and_limits(
    small_model: Callable[..., Path], about: About, tmp_path: Path
) -> None:
    publish_model(load_model(small_model()), tmp_path / "out", name="brain", about=about)
    card = read_outline(tmp_path / "out").card
    for words in (
        "# medgan model: brain",
        about.purpose,
        "| Label maps of nobody | Apache-2.0 | simulated pairs |",
        about.protocol,
        "| direction | scans | SSIM | r | best baseline |",
        "| T1w to T2w | one head | 0.812 | 0.9 |",
        "- Lesions were never shown to it.",
        "not a medical device",
    ):
        assert words in card
    assert "no figure is claimed" not in card
    assert "must state here" not in card


def test_a_model_of_ones_own_claims_nothing(small_model: Callable[..., Path]) -> None:
    card = read_outline(small_model()).card
    assert "no figure is claimed" in card
    assert "must state here whose scans they were" in card
    assert "What it reached" not in card
    assert "began with random weights" in card


def test_the_card_counts_one_epoch_as_one(small_model: Callable[..., Path]) -> None:
    card = read_outline(small_model()).card
    assert "\n1 epoch, 1 step, 0.5 minutes" in card


def test_damaged_weights_are_not_passed_on(small_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = small_model()
    (folder / "t1_to_t2.safetensors").write_bytes(b"")
    with pytest.raises(ModelRefusedError, match="checksum"):
        publish_model(load_model(folder), tmp_path / "out", name="brain", about=About())
    assert not (tmp_path / "out").exists()


def test_figures_between_contrasts_that_do_not_exist_are_none() -> None:
    with pytest.raises(ValidationError, match="no contrast 'flair'"):
        Figures(source="flair", target="t2", scans="one", scores={})


def test_an_outline_says_what_the_whole_model_says(small_model: Callable[..., Path]) -> None:
    folder = small_model(slab=3)
    outline, model = read_outline(folder), load_model(folder)
    assert outline.digest == model.digest
    assert outline.dimensions == "2.5D, 3 slices"
    assert outline.bytes == sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    said = outline.document()
    assert said["directions"] == [
        {"source": one.source, "target": one.target, "parameters": one.parameters}
        for one in model.manifest.directions
    ]
    assert said["scans"] == {"t1": 3, "t2": 3}
    assert not said["default"]


@pytest.mark.parametrize("missing", ["t1_to_t2.safetensors", "model.json"])
def test_a_folder_that_lacks_a_file_has_no_outline(missing: str, small_model: Callable[..., Path]) -> None:
    folder = small_model()
    (folder / missing).unlink()
    with pytest.raises(ModelRefusedError):
        read_outline(folder)


def test_a_model_without_a_card_has_an_outline(small_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.move(small_model(), tmp_path / "moved"))
    (folder / "README.md").unlink()
    assert read_outline(folder).card == ""
