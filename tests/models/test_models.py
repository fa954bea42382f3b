"""A model folder comes back as it was, or is refused before anything in it is trusted."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from medgan.errors import ModelRefusedError
from medgan.files import sha256
from medgan.models import Domain, History, Model, load_model, save_model
from medgan.models.architecture import build_generator
from medgan.preparation import IntensityRange
from medgan.recipe import Recipe, load_recipe

SMALL = ("generator.channels=[4, 8]", "generator.residual_units=1", "preparation.divisor=8")


def written(folder: Path, recipe: Recipe | None = None, *, slab: int = 1) -> dict[str, torch.nn.Module]:
    recipe = recipe or load_recipe("slices", SMALL)
    torch.manual_seed(0)
    generators = {key: build_generator(recipe, slab=slab) for key in ("t2", "t1")}
    domain = Domain(
        intensity=IntensityRange(low=1.5, high=812.25, background=0.5),
        scans=3,
        slices=60,
        kinds=("dicom", "nifti"),
        spacings=((0.5, 1.0), (0.5, 1.0), (3.0, 5.0)),
        fingerprint="f" * 64,
    )
    history = History(steps=10, epochs=2, minutes=0.5, seed=7, device="cpu", precision="float32")
    save_model(
        folder,
        generators=generators,
        recipe=recipe,
        slab=slab,
        domains={"t1": domain, "t2": domain},
        history=history,
    )
    return generators


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path / "model")
    return tmp_path / "model"


def refused(act: Callable[[], Any], *words: str) -> ModelRefusedError:
    with pytest.raises(ModelRefusedError) as caught:
        act()
    assert caught.value.exit_code == 4
    for word in words:
        assert word in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "changes", "slab"),
    [
        ("slices", SMALL, 1),
        ("slices", SMALL, 3),
        ("slices", (*SMALL, "generator.kind=resnet"), 1),
        ("volumes", SMALL, 1),
        ("seeds", ("generator.channels=[4, 8]", "discriminator.channels=4"), 1),
    ],
)
def test_a_model_comes_back_and_makes_the_same_images(
    name: str, changes: tuple[str, ...], slab: int, tmp_path: Path
) -> None:
    recipe = load_recipe(name, changes)
    generators = written(tmp_path / "model", recipe, slab=slab)
    model = load_model(tmp_path / "model")
    assert model.manifest.recipe == recipe
    assert model.manifest.slab == slab
    assert model.manifest.domains["t1"].intensity.high == 812.25
    assert model.manifest.training.seed == 7
    image = torch.randn(1, slab, *(16,) * recipe.spatial_dims)
    for key, network in generators.items():
        loaded = model.generator(key)
        assert not loaded.training
        with torch.no_grad():
            assert torch.equal(loaded(image), network.eval()(image))


def test_a_run_folder_leads_to_its_model(folder: Path) -> None:
    assert load_model(folder.parent).folder == folder
    assert load_model(str(folder)).folder == folder


def test_the_digest_changes_with_the_weights(tmp_path: Path) -> None:
    written(tmp_path / "one")
    first = load_model(tmp_path / "one")
    assert first.digest == sha256(tmp_path / "one" / "model.json")
    written(tmp_path / "two", load_recipe("slices", ["generator.channels=[4, 12]", "preparation.divisor=8"]))
    assert load_model(tmp_path / "two").digest != first.digest


def test_saving_again_replaces_the_model_whole(folder: Path) -> None:
    (folder / "stale.txt").write_text("stale")
    written(folder)
    assert not (folder / "stale.txt").exists()
    assert load_model(folder).generator("t2") is not None


def test_a_model_folder_holds_no_pickle(folder: Path) -> None:
    for path in folder.iterdir():
        assert path.suffix in (".json", ".md", ".safetensors")
        assert b"\x80\x04" not in path.read_bytes()[:2]


def test_the_card_warns_and_says_what_the_model_is(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for words in (
        "not a medical device",
        "not for diagnosis",
        "T1w to T2w",
        "T2w to T1w",
        "t1_to_t2.safetensors",
    ):
        assert words in card


def test_where_there_is_no_model_there_is_none(tmp_path: Path) -> None:
    refused(lambda: load_model(tmp_path / "absent"), "no such model", "absent")
    refused(lambda: load_model(tmp_path), "no model.json")
    (tmp_path / "file").write_text("x")
    refused(lambda: load_model(tmp_path / "file"), "not a model folder")
    (tmp_path / "model").mkdir()
    refused(lambda: load_model(tmp_path), "no model.json")


def test_a_direction_that_it_does_not_have_is_refused_with_those_it_has(folder: Path) -> None:
    refused(lambda: load_model(folder).generator("flair"), "no generator for flair", "t2", "t1")


def change(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("version", [0, 2, 99, "1", None])
def test_another_format_version_is_refused_as_such(version: object, folder: Path) -> None:
    change(folder, lambda content: content.update(format_version=version))
    refused(lambda: load_model(folder), "model format", repr(version), "reads format 1")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe\x00\x01",
        b"\x00" * 5000,
        b"[" * 200_000,
        b'{"format_version": 1}',
        b'{"format_version": 1' + b"0" * 10_000 + b"}",
        b" " * (5 << 20),
        b'{"format_version": 1, "padding": "' + b"x" * (5 << 20) + b'"}',
    ],
    ids=lambda content: f"{content[:12]!r} of {len(content)}",
)
def test_garbage_for_a_manifest_is_refused(content: bytes, folder: Path) -> None:
    (folder / "model.json").write_bytes(content)
    error = refused(lambda: load_model(folder))
    assert error.file == folder / "model.json"


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("recipe"),
        lambda c: c.pop("domains"),
        lambda c: c.update(slab=0),
        lambda c: c.update(unknown=1),
        lambda c: c.update(format="other"),
        lambda c: c.update(name="../up"),
        lambda c: c["recipe"].update(spatial_dims=4),
        lambda c: c["recipe"]["generator"].update(channels=[4]),
        lambda c: c["recipe"]["generator"].update(kind="os.system"),
        lambda c: c["domains"]["t1"]["intensity"].update(low=float("nan")),
        lambda c: c["domains"]["t1"]["intensity"].update(low=900.0),
        lambda c: c["domains"].pop("t2"),
        lambda c: c["directions"][0].update(sha256="short"),
        lambda c: c["directions"][0].update(target=c["directions"][0]["source"]),
        lambda c: c["directions"][0].update(source="flair"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    edit: Callable[[dict[str, Any]], Any], folder: Path
) -> None:
    change(folder, edit)
    error = refused(lambda: load_model(folder), "damaged")
    assert error.remedy


@pytest.mark.parametrize(
    "name",
    ["../../secret/t1", "/etc/t1", "..", "a/b", "a\\b", "T1", "", "t1\x00", "t1_to_t2.safetensors/../x"],
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_manifest_cannot_point_outside_its_folder(side: str, name: str, folder: Path) -> None:
    (folder.parent / "secret").mkdir()
    change(folder, lambda content: content["directions"][0].update({side: name}))
    change(folder, lambda content: content["domains"].update({name: content["domains"]["t1"]}))
    refused(lambda: load_model(folder))


def weights_of(folder: Path, *, target: str = "t2") -> Path:
    return folder / {"t2": "t1_to_t2.safetensors", "t1": "t2_to_t1.safetensors"}[target]


def trust(folder: Path) -> None:
    """Let the manifest state the checksums that the files have now, as an attacker would."""

    def edit(content: dict[str, Any]) -> None:
        for direction in content["directions"]:
            direction["sha256"] = sha256(weights_of(folder, target=direction["target"]))

    change(folder, edit)


def test_missing_weights_are_refused_by_name(folder: Path) -> None:
    weights_of(folder).unlink()
    refused(lambda: load_model(folder).generator("t2"), "missing", "t1_to_t2.safetensors")


@pytest.mark.robustness("model-checksum")
@pytest.mark.parametrize("harm", ["missing", "flipped", "pickle"])
def test_weights_of_the_direction_that_is_not_used_are_checked_too(
    harm: str, folder: Path, tmp_path: Path
) -> None:
    file = weights_of(folder, target="t1")
    if harm == "missing":
        file.unlink()
    elif harm == "pickle":
        file.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    else:
        content = bytearray(file.read_bytes())
        content[-2] ^= 1
        file.write_bytes(content)
    refused(
        lambda: load_model(folder).generator("t2"),
        "missing" if harm == "missing" else "checksum",
        "t2_to_t1.safetensors",
    )
    assert not (tmp_path / "ran").exists()


def test_one_flipped_bit_of_a_weight_is_refused(folder: Path) -> None:
    content = bytearray(weights_of(folder).read_bytes())
    content[-2] ^= 1
    weights_of(folder).write_bytes(content)
    refused(lambda: load_model(folder).generator("t2"), "checksum")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused_with_and_without_a_right_checksum(keep: int, folder: Path) -> None:
    weights_of(folder).write_bytes(weights_of(folder).read_bytes()[:keep])
    refused(lambda: load_model(folder).generator("t2"), "checksum")
    trust(folder)
    refused(lambda: load_model(folder).generator("t2"), "does not fit")


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("how", ["pickle", "torch.save", "torch.save, old format", "numpy"])
def test_a_pickle_called_safetensors_is_refused_and_never_unpickled(
    how: str, folder: Path, tmp_path: Path
) -> None:
    mark, path = tmp_path / "ran", weights_of(folder)
    if how == "pickle":
        path.write_bytes(pickle.dumps({"weights": Bomb(mark)}))
    elif how == "numpy":
        with path.open("wb") as stream:
            np.save(stream, np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    else:
        torch.save({"weights": Bomb(mark)}, path, _use_new_zipfile_serialization=how == "torch.save")
    refused(lambda: load_model(folder).generator("t2"), "checksum")
    trust(folder)
    refused(lambda: load_model(folder).generator("t2"), "does not fit")
    assert not mark.exists()


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"other": torch.zeros(3)},
        {"head.convolution.conv.weight": torch.zeros(1)},
    ],
)
def test_weights_of_another_network_are_refused(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    safetensors.torch.save_file(tensors, weights_of(folder))
    trust(folder)
    refused(lambda: load_model(folder).generator("t2"), "does not fit")


def test_swapped_directions_are_refused(folder: Path) -> None:
    one, two = weights_of(folder, target="t1"), weights_of(folder, target="t2")
    kept = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(kept)
    refused(lambda: load_model(folder).generator("t2"), "checksum")


def test_a_loaded_model_is_one_folder_that_can_be_moved(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder, tmp_path / "elsewhere")
    model = load_model(tmp_path / "elsewhere")
    assert isinstance(model, Model)
    assert model.generator("t1") is not None
