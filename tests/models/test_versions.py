"""A model of another version of medgan is told from a damaged one, and works where only training has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medgan import __version__
from medgan.errors import ModelRefusedError
from medgan.models import load_model
from medgan.models.outline import read_outline

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def edited(small_model: Callable[..., Path]) -> Callable[[Edit], Path]:
    """A model folder whose manifest was changed."""

    def make(edit: Edit) -> Path:
        folder = small_model()
        content = json.loads((folder / "model.json").read_text())
        edit(content)
        (folder / "model.json").write_text(json.dumps(content))
        return folder

    return make


@pytest.mark.parametrize(
    "section", ["augmentation", "discriminator", "losses", "simulation", "optimiser", "training"]
)
@pytest.mark.robustness("model-version")
def test_settings_of_training_that_are_not_known_do_not_keep_a_model_from_its_work(
    section: str, edited: Callable[[Edit], Path], small_model: Callable[..., Path]
) -> None:
    given = load_model(small_model()).generator("t2").state_dict()

    def edit(content: dict[str, Any]) -> None:
        content["recipe"][section].update(crop=192, batch_size={"of": [4]})

    model = load_model(edited(edit))
    assert all(
        torch.equal(tensor, given[name]) for name, tensor in model.generator("t2").state_dict().items()
    )
    assert "crop" not in model.manifest.recipe.model_dump()[section]


@pytest.mark.parametrize(
    ("edit", "unknown"),
    [
        (lambda c: c["recipe"]["generator"].update(attention=True), "recipe.generator.attention"),
        (lambda c: c["recipe"]["preparation"].update(window=3), "recipe.preparation.window"),
        (lambda c: c["recipe"]["sampling"].update(overlap=1), "recipe.sampling.overlap"),
        (lambda c: c["recipe"].update(slices=3), "recipe.slices"),
        (lambda c: c.update(ensemble=2), "ensemble"),
        (
            lambda c: (c["recipe"]["generator"].update(a=1), c["recipe"]["losses"].update(b=1)),
            "recipe.generator.a, recipe.losses.b",
        ),
    ],
)
@pytest.mark.robustness("model-version")
def test_settings_that_synthesis_may_need_are_those_of_another_version(
    edit: Edit, unknown: str, edited: Callable[[Edit], Path]
) -> None:
    with pytest.raises(ModelRefusedError, match="of another version of medgan, or damaged") as caught:
        load_model(edited(edit))
    assert caught.value.exit_code == 4
    assert f"({__version__}) does not know {unknown}" in caught.value.cause
    assert f"({__version__} by its own word), or train again" in caught.value.remedy


def test_a_long_list_of_what_is_not_known_is_cut(edited: Callable[[Edit], Path]) -> None:
    with pytest.raises(ModelRefusedError) as caught:
        load_model(edited(lambda c: c["recipe"]["generator"].update({f"key{n}": n for n in range(99)})))
    assert caught.value.cause.endswith("...")
    assert len(caught.value.cause) < 300


@pytest.mark.parametrize(("version", "said"), [("9.8.7", "is of medgan 9.8.7"), (__version__, "is damaged")])
@pytest.mark.robustness("model-version")
def test_a_value_that_is_not_known_is_damage_only_in_a_model_of_this_version(
    version: str, said: str, edited: Callable[[Edit], Path]
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["medgan_version"] = version
        content["recipe"]["generator"]["kind"] = "swin"

    with pytest.raises(ModelRefusedError, match=said) as caught:
        load_model(edited(edit))
    assert "recipe.generator.kind" in caught.value.cause


def test_the_precision_is_never_guessed(edited: Callable[[Edit], Path]) -> None:
    """A letter that flips in its name must not change what a model computes in."""

    def edit(content: dict[str, Any]) -> None:
        content["recipe"]["training"]["precisiom"] = content["recipe"]["training"].pop("precision")

    with pytest.raises(ModelRefusedError, match="precision is missing"):
        load_model(edited(edit))


def test_a_setting_of_training_that_has_an_impossible_value_is_still_refused(
    edited: Callable[[Edit], Path],
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["recipe"]["simulation"].update(crop=192, warmup=7)

    with pytest.raises(ModelRefusedError, match="warmup"):
        load_model(edited(edit))


def test_a_model_of_another_version_can_still_be_listed(edited: Callable[[Edit], Path]) -> None:
    outline = read_outline(edited(lambda c: c["recipe"]["generator"].update(attention=True)))
    assert outline.manifest.recipe.generator.kind == "unet"


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("directions"),
        lambda c: c.update(directions=[]),
        lambda c: c["directions"][0].update(source="../x"),
        lambda c: c["directions"][0].update(source="flair"),
        lambda c: c.update(about={"figures": [{"source": "flair"}]}),
        lambda c: c.update(format_version=2),
    ],
)
def test_a_listing_refuses_what_it_cannot_say(edit: Edit, edited: Callable[[Edit], Path]) -> None:
    with pytest.raises(ModelRefusedError):
        read_outline(edited(edit))
