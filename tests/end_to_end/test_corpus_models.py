"""Model files, recipes and checkpoints made to harm: refused before any of it is run, believed or allocated."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medgan.errors import InputRefusedError, MedganError, ModelRefusedError, UsageError
from medgan.files import sha256
from medgan.models import load_model
from medgan.models.manifest import read_manifest
from medgan.recipe import load_recipe
from medgan.scans import find_scans, read_scan
from medgan.training.checkpoints import load_newest

LIMIT = 1 << 30


@pytest.fixture
def model(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of a trained model, free to be harmed."""
    return Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))


@pytest.fixture
def little_memory() -> Iterator[None]:
    """No more than `LIMIT` bytes of address space beyond what is there."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def change(model: Path, edit: Callable[[dict[str, Any]], Any], *, trusted: bool = True) -> None:
    """Edit the manifest, and let it state the checksums that the files have now."""
    file = model / "model.json"
    content = json.loads(file.read_text())
    edit(content)
    for one in content["directions"] if trusted else ():
        one["sha256"] = sha256(model / f"{one['source']}_to_{one['target']}.safetensors")
    file.write_text(json.dumps(content))


def refused(model: Path, *words: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ModelRefusedError) as caught:
        load_model(model).generator("t2")
    assert time.monotonic() - begun < 20  # a busy machine; it takes a tenth of a second
    assert len(str(caught.value)) < 2000
    for word in words:
        assert word in str(caught.value)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return (Path.touch, (self.canary,))


@pytest.mark.robustness("model-pickle")
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("place", ["t1_to_t2.safetensors", "model.json", "weights.pt"])
def test_a_pickle_in_a_model_folder_is_never_loaded(
    place: str, protocol: int, model: Path, tmp_path: Path, medgan: Any, head_folders: Any
) -> None:
    trap = tmp_path / "canary"
    (model / place).write_bytes(pickle.dumps(Trap(trap), protocol))
    if place != "model.json":
        change(model, lambda content: None)
    refused(model)
    scan = next(head_folders.t1.iterdir())
    outcome = medgan("synthesize", scan, "--model", model, "--target", "t2", "-o", tmp_path / "out")
    assert (outcome.code, "Traceback" in outcome.err) == (4, False)
    assert not trap.exists() and not (tmp_path / "out").exists()
    pickle.loads(pickle.dumps(Trap(trap), protocol))  # noqa: S301 - the trap itself is a good one
    assert trap.exists()


@pytest.mark.robustness("model-pickle")
@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.hdr", "a.dcm", "a", "a.png", "a.jpg", "a.npy", "a.zip"]
)
def test_a_pickle_as_an_image_is_never_loaded(name: str, tmp_path: Path, medgan: Any) -> None:
    trap, image = tmp_path / "canary", tmp_path / "in" / name
    image.parent.mkdir()
    image.write_bytes(pickle.dumps(Trap(trap)))
    for act in (find_scans, read_scan):
        for path in (image, image.parent):
            with pytest.raises(InputRefusedError):
                read_scan(path) if act is read_scan else [read_scan(one) for one in find_scans(path)]
    assert medgan("inspect", image.parent).code == 3
    assert not trap.exists()


@pytest.mark.robustness("model-pickle")
def test_a_pickle_as_a_recipe_or_a_checkpoint_is_never_loaded(
    tmp_path: Path, medgan: Any, head_folders: Any
) -> None:
    trap = tmp_path / "canary"
    for name in ("recipe.yaml", "a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(UsageError):
        load_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(ModelRefusedError):
        load_newest(tmp_path)
    arguments = [*head_folders.arguments, "--recipe", tmp_path / "recipe.yaml", "-o", tmp_path / "run"]
    assert medgan("train", *arguments).code == 2
    assert not trap.exists()


BOMBS = {
    "billion laughs": "a0: &a0 [x]\n"
    + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 10}]\n" for i in range(1, 30)),
    "merged laughs": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [{f'*a{i - 1},' * 10}]}}\n" for i in range(1, 12)),
    "itself": "generator: &g {channels: *g}",
    "deep lists": "[" * 60_000,
    "deep mappings": "{a: " * 15_000,
    "deep blocks": "- " * 30_000,
    "unclosed in blocks": "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 300)),
    "a number of 5,000 digits": f"training: {{epochs: {'9' * 5000}}}",
    "base 60": f"training: {{epochs: {'59:' * 15_000}59}}",
    "no date": "name: 2001-99-99",
    "no number": "name: !!int ''",
    "no truth": "name: !!bool perhaps",
    "no time": "name: !!timestamp never",
    "very long": "# word\n" * 1_000_000,
    "twice": "name: a\nname: b",
    "keys of lists": "? [a]\n: b",
    "control": "name: \a",
}


@pytest.mark.robustness("model-yaml")
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_recipe_that_grows_in_reading_is_refused_at_once(
    text: str, tmp_path: Path, little_memory: None
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    begun = time.process_time()
    with pytest.raises(UsageError) as caught:
        load_recipe(file)
    assert time.process_time() - begun < 1
    assert caught.value.file == file and len(str(caught.value)) < 3000


@pytest.mark.robustness("model-yaml")
@pytest.mark.parametrize(
    "tag",
    ["object/apply:pathlib.Path.touch", "object/new:pathlib.Path", "name:os.system", "module:os", "tuple"],
)
def test_python_in_yaml_is_refused_in_a_file_and_in_a_change(tag: str, tmp_path: Path) -> None:
    file, trap = tmp_path / "recipe.yaml", tmp_path / "canary"
    text = f"!!python/{tag} ['{trap}']" if "object" in tag or tag == "tuple" else f"!!python/{tag} ''"
    file.write_text(f"description: {text}")
    for act in (lambda: load_recipe(file), lambda: load_recipe("slices", [f"description={text}"])):
        with pytest.raises(UsageError, match="could not determine a constructor"):
            act()
    assert not trap.exists()


@pytest.mark.robustness("model-version")
@pytest.mark.parametrize("version", [0, 2, -1, 10**30, "1", 1.0, True, None, [1], {"a": 1}, "x" * 100_000])
def test_another_format_version_is_said_in_a_line(version: object, model: Path) -> None:
    change(model, lambda content: content.update(format_version=version))
    refused(model, "model format", "reads format 1")


@pytest.mark.robustness("model-version")
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, '{"format_version": 1, "format_version": 1}', '{"format_version": NaN}',
     '{"format_version": -Infinity}', '{"format_version": 1' + "0" * 5000 + "}", '{"format_version": 1e999}'],
    ids=["deep lists", "deep objects", "twice", "NaN", "infinity", "5,001 digits", "1e999"],
)  # fmt: skip
def test_json_that_readers_disagree_about_is_refused(text: str, model: Path) -> None:
    (model / "model.json").write_text(text)
    with pytest.raises(ModelRefusedError):
        read_manifest(model)


@pytest.mark.robustness("model-checksum")
@pytest.mark.parametrize("at", [0, 9, 40, -1, -100, -2000])
def test_no_bit_of_the_weights_can_change_unseen(at: int, model: Path) -> None:
    file = model / "t1_to_t2.safetensors"
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    refused(model, "checksum")


def header(entries: object, *, length: int | None = None, data: bytes = b"") -> bytes:
    """A safetensors file: the length of the header, the header, the data."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(
    dtype: str = "F32", shape: tuple[int, ...] = (2,), offsets: tuple[int, int] = (0, 8)
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HEADERS = {
    "empty": b"",
    "huge length": header({}, length=2**63),
    "length beyond the file": header({}, length=1 << 20),
    "overlapping": header({"a": tensor(), "b": tensor(offsets=(4, 12))}, data=bytes(12)),
    "gap": header({"a": tensor(), "b": tensor(offsets=(16, 24))}, data=bytes(24)),
    "backwards": header({"a": tensor(offsets=(8, 0))}, data=bytes(8)),
    "unknown dtype": header({"a": tensor("F33")}, data=bytes(8)),
    "odd dtype": header({"a": tensor("F8_E4M3", (8,))}, data=bytes(8)),
    "overflowing shape": header({"a": tensor(shape=(2**40, 2**40))}, data=bytes(8)),
    "negative shape": header({"a": tensor(shape=(-1, -2))}, data=bytes(8)),
    "deep": header(b'{"a":' * 20_000),
    "not JSON": header(b"\xff" * 64),
    "no object": header([1, 2]),
}


@pytest.mark.robustness("model-checksum")
@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_malformed_safetensors_file_is_refused_though_its_checksum_is_stated(
    content: bytes, model: Path, little_memory: None
) -> None:
    (model / "t1_to_t2.safetensors").write_bytes(content)
    change(model, lambda manifest: None)
    refused(model, "does not fit model.json")
    checkpoints = model.parent / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "a.safetensors").write_bytes(content)
    with pytest.raises(ModelRefusedError, match="no checkpoint in it is whole"):
        load_newest(checkpoints)


@pytest.mark.robustness("model-checksum")
@pytest.mark.parametrize("harm", ["NaN", "infinity", "half precision"])
def test_weights_that_are_no_finite_float32_are_refused(harm: str, model: Path) -> None:
    import safetensors.torch
    import torch

    file = model / "t1_to_t2.safetensors"
    tensors = safetensors.torch.load(file.read_bytes())
    name = next(iter(tensors))
    if harm == "half precision":
        tensors[name] = tensors[name].half()
    else:
        tensors[name].view(-1)[0] = torch.nan if harm == "NaN" else -torch.inf
    safetensors.torch.save_file(tensors, file)
    change(model, lambda manifest: None)
    refused(model, "no finite float32")


def settings(**sections: Any) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        for section, values in sections.items():
            content["recipe"][section].update(values)

    return edit


MONSTERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a million channels": settings(generator={"channels": [10**6, 10**6]}),
    "a billion residual units": settings(generator={"residual_units": 10**9}),
    "a thousand levels": settings(generator={"channels": [8] * 1000}),
    "all at the schema's limits": settings(
        generator={"channels": [4096] * 8, "residual_units": 64},
        preparation={"divisor": 1024},
        sampling={"crop": 4096},
    ),
    "a slab of a billion slices": lambda content: content.update(slab=10**9 + 1),
    "images of 10^9 pixels a side": settings(preparation={"size": 10**9}),
    "padding to 2^40": settings(preparation={"divisor": 2**40}),
    "pictures of a billion bits": lambda content: content["domains"]["t1"].update(bits=10**9),
    "batches of 10^12": settings(sampling={"batch_size": 10**12}),
    "10^18 discriminator channels": settings(discriminator={"channels": 10**18}),
}


@pytest.mark.robustness("model-size")
@pytest.mark.parametrize("edit", MONSTERS.values(), ids=MONSTERS)
def test_a_network_of_absurd_size_is_refused_before_it_is_allocated(
    edit: Callable[[dict[str, Any]], Any], model: Path, little_memory: None
) -> None:
    change(model, edit)
    refused(model)


@pytest.mark.robustness("model-size")
def test_a_file_larger_than_the_network_is_refused_before_it_is_read(
    model: Path, little_memory: None
) -> None:
    with (model / "t1_to_t2.safetensors").open("r+b") as stream:
        stream.truncate(1 << 40)  # sparse
    refused(model, "larger than the network")


def test_a_sound_model_passes_all_of_this(model: Path, little_memory: None) -> None:
    change(model, lambda content: None)
    network = load_model(model).generator("t2")
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())
    assert not issubclass(MedganError, ValueError)
