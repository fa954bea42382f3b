"""Model folders, checkpoints and recipes: sound ones, and what must hold of damaged ones."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from pathlib import Path

import torch
from samples import Files, Sample

from medgan.errors import MedganError, ModelRefusedError, UsageError
from medgan.models import Domain, History, load_model, save_model
from medgan.models.architecture import build_generator
from medgan.preparation import IntensityRange
from medgan.recipe import Recipe, load_recipe, recipe_folder, save_recipe
from medgan.training.checkpoints import load_newest, save_checkpoint

_SMALL = ("generator.channels=[2, 4]", "generator.residual_units=0", "preparation.divisor=8")
Weights = dict[str, torch.Tensor]


def model_samples() -> list[Sample]:
    """A model folder as it is, one whose checksums are put right after the damage, checkpoints and a recipe."""
    model = _model()
    hot = {name: _hot(data) for name, data in model.items()}
    checkpoints = _checkpoints()
    recipe = (recipe_folder() / "slices.yaml").read_bytes()
    full = _full_recipe()
    return [
        Sample("model folder", model, ".", exact=True, hot=hot),
        Sample("model folder, sealed", model, ".", seal=_with_checksums, hot=hot),
        Sample("checkpoints", checkpoints, ".", exact=True, hot={k: _hot(v) for k, v in checkpoints.items()}),
        Sample("recipe", {"a.yaml": recipe}, "a.yaml", hot={"a.yaml": _hot(recipe)}),
        Sample("full recipe", {"a.yaml": full}, "a.yaml", hot={"a.yaml": _hot(full)}),
    ]


def examine(sample: Sample, folder: Path, *, exact: bool) -> str:
    """Load what lies in the folder and say what came out: `refused`, `same` or `other`.

    Args:
        sample: what it once was.
        folder: where it lies now.
        exact: whether any weights but the sample's own must be refused.

    Raises:
        AssertionError: what was loaded is not what was saved.
        Exception: any but medgan's own, which is a fault.
    """
    try:
        if "recipe" in sample.name:
            loaded = load_recipe(folder / sample.entry)
            build_generator_on_paper(loaded)
            return "same" if loaded == _load_original_recipe(sample) else "other"
        return (
            _examine_checkpoints(folder)
            if sample.name == "checkpoints"
            else _examine_model(folder, exact=exact)
        )
    except MedganError as error:
        assert isinstance(error, UsageError if "recipe" in sample.name else ModelRefusedError), repr(error)
        assert error.cause and error.file is not None and len(str(error)) < 8000
        return "refused"


def build_generator_on_paper(recipe: Recipe) -> None:
    """A recipe that passes describes a network that can be built; without its weights, which may be large."""
    with torch.device("meta"):
        build_generator(recipe, slab=1)


def _examine_model(folder: Path, *, exact: bool) -> str:
    model = load_model(folder)
    outcome = "same"
    for target, saved in _weights().items():
        network = model.generator(target)
        state = network.state_dict()
        assert all(tensor.device.type == "cpu" and bool(tensor.isfinite().all()) for tensor in state.values())
        assert not network.training
        if not _same(state, saved):
            assert not exact, "other weights than those that were saved"
            outcome = "other"
    return outcome


def _examine_checkpoints(folder: Path) -> str:
    loaded = load_newest(folder)
    if loaded is None:
        return "refused"  # both files are gone
    checkpoint, tensors, warnings = loaded
    assert checkpoint.step in (3, 4)
    assert (checkpoint.elapsed, checkpoint.identity) == (checkpoint.step / 4, "abc")
    assert _same(tensors, _state(checkpoint.step))
    assert warnings or checkpoint.step == 4
    return "same" if not warnings else "the one before"


def _same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == tensor.dtype
        and one[name].shape == tensor.shape
        and one[name].reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8))
        for name, tensor in other.items()
    )


def _generators() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    recipe = load_recipe("slices", _SMALL)
    return {target: build_generator(recipe, slab=1) for target in ("t2", "t1")}


def _weights() -> dict[str, Weights]:
    if not _KEPT:
        _KEPT.update({target: network.state_dict() for target, network in _generators().items()})
    return _KEPT


_KEPT: dict[str, Weights] = {}


def _model() -> Files:
    domain = Domain(
        intensity=IntensityRange(low=1.5, high=812.25, background=0.5),
        scans=3,
        slices=60,
        kinds=("nifti",),
        spacings=((0.5, 1.0), (0.5, 1.0), (3.0, 5.0)),
        fingerprint="f" * 64,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        save_model(
            folder,
            generators=_generators(),
            recipe=load_recipe("slices", _SMALL),
            slab=1,
            domains={"t1": domain, "t2": domain},
            history=History(steps=10, epochs=2, minutes=0.5, seed=7, device="cpu", precision="float32"),
        )
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix != ".md"}


def _with_checksums(content: Files) -> Files:
    """Let model.json state the checksums of what lies beside it, whatever that is."""
    text = content["model.json"]
    for match in re.finditer(rb'"target": "(t\d)",\s*"sha256": "([0-9a-f]{64})"', text):
        source = "t1" if match[1] == b"t2" else "t2"
        file = content.get(f"{source}_to_{match[1].decode()}.safetensors", b"")
        text = text.replace(match[2], hashlib.sha256(file).hexdigest().encode())
    return {**content, "model.json": text}


def _state(step: int) -> Weights:
    return {
        "weights": torch.full((5, 7), float(step)),
        "half": torch.full((3,), step, dtype=torch.bfloat16),
        "count": torch.tensor(step),
    }


def _checkpoints() -> Files:
    with tempfile.TemporaryDirectory() as name:
        for step in (3, 4):
            save_checkpoint(Path(name), _state(step), step=step, elapsed=step / 4, identity="abc")
        return {file.name: _in_order(file.read_bytes()) for file in sorted(Path(name).iterdir())}


def _in_order(content: bytes) -> bytes:
    """The same safetensors file with the keys of its header in order, which else differs from run to run."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _full_recipe() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        save_recipe(load_recipe("seeds"), Path(name) / "a.yaml")
        return (Path(name) / "a.yaml").read_bytes()


def _load_original_recipe(sample: Sample) -> Recipe:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.yaml").write_bytes(sample.files["a.yaml"])
        return load_recipe(Path(name) / "a.yaml")


def _hot(content: bytes) -> list[int]:
    """The length before a safetensors header, and where words and numbers begin in the text."""
    head = content[: 8 + int.from_bytes(content[:8], "little")] if content[8:9] == b"{" else content
    return [0, 3, 7, *(match.start() for match in re.finditer(rb"[A-Za-z0-9.]+", head[:100_000]))]
