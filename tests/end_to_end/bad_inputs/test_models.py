"""Bad model folders through the command line: row 21 of the bad inputs."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WEIGHTS = "t1_to_t2.safetensors"


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (open, (str(self.mark), "w"))


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def make(model: Path) -> None:
        content = json.loads((model / "model.json").read_text())
        change(content)
        (model / "model.json").write_text(json.dumps(content))

    return make


def replaced(
    name: str, content: Callable[[Path], bytes], *, matching: bool = False
) -> Callable[[Path], None]:
    """Put other bytes in a file's place; on request with their checksum in the manifest."""

    def make(model: Path) -> None:
        data = content(model)
        (model / name).write_bytes(data)
        if matching:
            digest = hashlib.sha256(data).hexdigest()
            edited(
                lambda manifest: [
                    w.update(sha256=digest) for w in manifest["directions"] if w["target"] == "t2"
                ]
            )(model)

    return make


def a_pickle(model: Path) -> bytes:
    return pickle.dumps(Payload(model.parent / "MARK"))


def cut(name: str, share: float) -> Callable[[Path], None]:
    return replaced(
        name, lambda model: (model / name).read_bytes()[: int((model / name).stat().st_size * share)]
    )


def safetensors_header(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


def removed(name: str) -> Callable[[Path], None]:
    return lambda model: (model / name).unlink()


def zeros(model: Path) -> bytes:
    return bytes((model / WEIGHTS).stat().st_size)


def huge_tensor(_: Path) -> bytes:
    claim = {"w": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}}
    return safetensors_header(json.dumps(claim).encode(), bytes(64))


def recipe(section: str, **values: Any) -> Callable[[Path], None]:
    return edited(lambda content: content["recipe"][section].update(values))


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "manifest-cut": (cut("model.json", 0.5), "cannot be read"),
    "manifest-empty": (cut("model.json", 0), "cannot be read"),
    "manifest-binary": (replaced("model.json", lambda _: bytes(range(256))), "cannot be read"),
    "manifest-a-list": (replaced("model.json", lambda _: b"[]"), "model format None"),
    "manifest-deep": (replaced("model.json", lambda _: b"[" * 200_000), "cannot be read"),
    "manifest-large": (replaced("model.json", lambda _: bytes(5 << 20)), "larger than 4 MiB"),
    "manifest-missing": (removed("model.json"), "no model.json"),
    "version-older": (
        edited(lambda content: content.update(format_version=0)),
        "format 0; this medgan reads format",
    ),
    "version-newer": (edited(lambda content: content.update(format_version=99)), "format 99"),
    "version-text": (edited(lambda content: content.update(format_version="1")), "format '1'"),
    "key-unknown": (edited(lambda content: content.update(code="import os")), "does not know code"),
    "weights-missing": (removed(WEIGHTS), "missing"),
    "weights-cut": (cut(WEIGHTS, 0.5), "checksum"),
    "weights-zero": (replaced(WEIGHTS, zeros), "checksum"),
    "weights-zero-matching": (replaced(WEIGHTS, zeros, matching=True), "does not fit"),
    "weights-huge-claim": (replaced(WEIGHTS, huge_tensor, matching=True), "does not fit"),
    "weights-other-shape": (recipe("generator", channels=[8, 16]), "does not fit"),
    "pickle-by-name": (replaced(WEIGHTS, a_pickle), "checksum|pickle"),
    "pickle-by-name-matching": (replaced(WEIGHTS, a_pickle, matching=True), "does not fit|pickle"),
    "pickle-as-manifest": (replaced("model.json", a_pickle), "pickle"),
    "pickle-beside": (replaced("extra.pt", a_pickle), "pickle"),
    "pickle-beside-named-txt": (replaced("notes.txt", a_pickle), "pickle"),
    "direction-missing": (edited(lambda c: c.update(directions=c["directions"][:1])), "no generator for"),
    "path-in-direction": (edited(lambda c: c["directions"][0].update(source="../../x")), "damaged"),
}


@pytest.fixture
def model(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run / "model", tmp_path / "hostile"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.robustness("bad-21")
def test_a_bad_model_is_refused_and_nothing_is_unpickled(
    name: str, model: Path, kit: Any, refuses_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, cause = CASES[name]
    make(model)
    target = "t1" if name == "direction-missing" and kept_target(model) == "t2" else "t2"
    for module, function in (
        ("torch", "load"),
        ("pickle", "load"),
        ("pickle", "loads"),
        ("pickle", "Unpickler"),
    ):
        monkeypatch.setattr(f"{module}.{function}", lambda *_, **__: pytest.fail("something was unpickled"))
    refuses_model(kit.nifti(), model, cause, target=target)
    assert not (model.parent / "MARK").exists()


def kept_target(model: Path) -> str:
    return str(json.loads((model / "model.json").read_text())["directions"][0]["target"])


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt", "model.safetensors", "model.bin"])
@pytest.mark.robustness("bad-21")
def test_a_single_file_is_no_model(name: str, kit: Any, refuses_model: Any, tmp_path: Path) -> None:
    path = kit.path(name, a_pickle(tmp_path / "x"))
    refuses_model(kit.nifti(), path, "pickle|not a model folder")
    assert not (tmp_path / "MARK").exists()


@pytest.mark.robustness("bad-21")
def test_a_manifest_that_claims_a_huge_network_takes_no_memory(
    model: Path, kit: Any, refuses_model: Any, little_memory: Any
) -> None:
    recipe("generator", channels=[4, 9])(model)
    refuses_model(kit.nifti(), model, "does not fit")  # what is loaded once is loaded
    recipe("generator", channels=[4, 200_000])(model)
    with little_memory(64):
        refuses_model(kit.nifti(), model, "damaged|does not fit|larger")
