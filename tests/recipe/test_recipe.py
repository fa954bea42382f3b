"""A recipe is data: it survives YAML, refuses what makes no sense, and says what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medgan.errors import UsageError
from medgan.recipe import Recipe, load_recipe, recipe_from, recipe_names, save_recipe, setting_paths


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_with_medgan_is_valid_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_the_three_documented_recipes_are_there() -> None:
    assert {"slices", "seeds", "volumes"} <= set(recipe_names())
    assert load_recipe("volumes").spatial_dims == 3


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_comes_back_from_yaml_as_it_was(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, ["losses.cycle=12.5", "training.coarse=[{scale: 2, share: 0.25}]"])
    save_recipe(recipe, tmp_path / "kept.yaml")
    assert load_recipe(tmp_path / "kept.yaml") == recipe


def test_what_is_saved_states_every_setting(tmp_path: Path) -> None:
    save_recipe(load_recipe("slices"), tmp_path / "kept.yaml")
    content = yaml.safe_load((tmp_path / "kept.yaml").read_text())
    for path in setting_paths():
        value = content
        for part in path.split("."):
            value = value[part]


def test_a_setting_is_changed_by_its_full_name_or_by_its_last_word() -> None:
    assert load_recipe("slices", ["losses.cycle=15"]).losses.cycle == 15
    assert load_recipe("slices", ["batch_size=3"]).sampling.batch_size == 3
    assert load_recipe("slices", ["crop=null"]).sampling.crop is None
    assert load_recipe("slices", ["generator.channels=[8, 16]"]).generator.channels == (8, 16)


def test_a_later_change_wins() -> None:
    assert load_recipe("slices", ["cycle=1", "losses.cycle=2"]).losses.cycle == 2


def test_a_word_that_two_settings_share_has_to_be_written_in_full() -> None:
    with pytest.raises(UsageError, match=r"generator\.channels or discriminator\.channels"):
        load_recipe("slices", ["channels=8"])


def test_an_unknown_setting_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no such setting") as caught:
        load_recipe("slices", ["lossess.cycle=15"])
    assert "losses.cycle" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("batch_size=0", "sampling.batch_size"),
        ("batch_size=many", "sampling.batch_size"),
        ("slab=2", "sampling"),
        ("losses.cycle=-1", "losses.cycle"),
        ("losses.cycle=.inf", "losses.cycle"),
        ("learning_rate=.nan", "optimiser.learning_rate"),
        ("spatial_dims=4", "spatial_dims"),
        ("training.coarse=[{scale: 2, share: 0.6}, {scale: 4, share: 0.6}]", "coarse"),
        ("preparation.divisor=6", "divisor"),
        ("crop=100", "crop"),
        ("crop=16", "crop"),
        ("name=../elsewhere", "name"),
    ],
)
def test_a_value_that_a_setting_does_not_take_is_refused_by_name(change: str, named: str) -> None:
    with pytest.raises(UsageError, match="not valid") as caught:
        load_recipe("slices", [change])
    assert named in caught.value.cause
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("simulation.heads=0", "simulation.heads"),
        ("simulation.side=100", "simulation.side"),
        ("simulation.side=16", "simulation.side"),
    ],
)
def test_pairs_drawn_on_the_fly_need_heads_and_images_that_the_networks_take(change: str, named: str) -> None:
    load_recipe("slices", ["simulation.on_the_fly=true"])
    load_recipe("slices", [change])
    with pytest.raises(UsageError, match=named):
        load_recipe("slices", ["simulation.on_the_fly=true", change])
    with pytest.raises(UsageError, match="on_the_fly"):
        load_recipe("volumes", ["simulation.on_the_fly=true"])


def test_a_3d_recipe_needs_patches_and_takes_no_slab() -> None:
    with pytest.raises(UsageError, match="crop"):
        load_recipe("volumes", ["crop=null"])
    with pytest.raises(UsageError, match="slab"):
        load_recipe("volumes", ["slab=3"])


@pytest.mark.parametrize("change", ["batch_size", "batch_size=[1"])
def test_a_change_that_cannot_be_read_is_refused(change: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        load_recipe("slices", [change])


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="no recipe 'slies'") as caught:
        load_recipe("slies")
    assert "slices" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir [{folder}]",
        "losses: !!python/object/apply:os.mkdir [{folder}]",
        "name: !!python/name:os.system",
    ],
)
def test_code_in_yaml_is_refused_and_not_run(text: str, tmp_path: Path) -> None:
    trap = tmp_path / "made-by-code"
    file = tmp_path / "evil.yaml"
    file.write_text(text.format(folder=trap))
    with pytest.raises(UsageError) as caught:
        load_recipe(file)
    assert caught.value.file == file
    assert not trap.exists()
    with pytest.raises(UsageError):
        load_recipe("slices", [f"losses=!!python/object/apply:os.mkdir [{trap}]"])
    assert not trap.exists()


@pytest.mark.parametrize("content", [b"- a\n- list", b"just words", b"\xff\xfe\x00", b"a: [1", b"losses: 5"])
def test_a_file_that_is_no_recipe_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_recipe(file)
    assert caught.value.file == file


@pytest.mark.parametrize(("content", "works"), [("losses:\n", True), ("losses: 5\n", False)])
def test_a_change_meets_an_empty_section_or_none(content: str, works: bool, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    if works:
        assert load_recipe(file, ["losses.cycle=3"]).losses.cycle == 3
    else:
        with pytest.raises(UsageError, match="losses"):
            load_recipe(file, ["losses.cycle=3"])


def test_an_empty_file_is_the_recipe_of_all_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("")
    assert load_recipe(file) == Recipe(name="mine")


def test_a_missing_recipe_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such recipe file"):
        load_recipe(tmp_path / "none.yaml")


def test_a_setting_that_does_not_exist_is_refused_in_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("losses: {cycel: 3}")
    with pytest.raises(UsageError, match=r"losses\.cycel"):
        load_recipe(file)


def test_settings_of_the_wrong_kind_all_come_back_in_one_message() -> None:
    with pytest.raises(UsageError) as caught:
        recipe_from({"losses": {"cycle": -1}, "sampling": {"batch_size": 0}})
    assert "losses.cycle" in caught.value.cause
    assert "sampling.batch_size" in caught.value.cause
