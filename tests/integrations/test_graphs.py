"""An exported graph computes what the network computes, for any size and number, and says how scans go in and out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medgan.errors import ModelRefusedError, UsageError
from medgan.integrations import graphs
from medgan.integrations.graphs import AnySize, constants, onnx_graph, torchscript_graph
from medgan.models import Model, load_model

KINDS = {
    "unet of a slab": {"slab": 3},
    "resnet": {
        "changes": (
            "generator.kind=resnet",
            "generator.channels=[4, 8]",
            "generator.residual_units=1",
            "generator.finest_skip=0",
        )
    },
    "pix2pix": {"recipe": "seeds", "changes": ("generator.channels=[4, 8]", "preparation.divisor=16")},
    "3D": {
        "recipe": "volumes",
        "changes": ("generator.channels=[4, 8]", "generator.residual_units=1", "sampling.crop=24"),
    },
}
"""Settings of small models by what is special in them."""
SIZES = ((1, 16, 24, 32), (3, 37, 21, 19), (2, 65, 48, 10))
"""Numbers and sides, some of which no halving divides."""


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, small_model: Callable[..., Path]) -> Model:
    """A small model of each kind of network."""
    return load_model(small_model(**KINDS[request.param]))


def images_of(model: Model) -> list[torch.Tensor]:
    dims = model.manifest.recipe.spatial_dims
    return [torch.rand((count, model.manifest.slab, *sides[:dims])) * 2 - 1 for count, *sides in SIZES]


def assert_same_as_network(run: Callable[[torch.Tensor], torch.Tensor], model: Model, target: str) -> None:
    network = AnySize(model.generator(target), model.manifest.recipe.preparation.divisor).eval()
    for images in images_of(model):
        with torch.inference_mode():
            wanted, made = network(images), run(images)
        assert made.shape == images.shape
        assert float((made - wanted).abs().max()) < 1e-4
    assert float(wanted.amax() - wanted.amin()) > 1e-3  # something to compare


def test_torchscript_is_the_network_for_any_size_and_number(model: Model) -> None:
    extra = {"medgan.json": ""}
    graph = torch.jit.load(io.BytesIO(torchscript_graph(model, "t1")), _extra_files=extra)
    assert json.loads(extra["medgan.json"]) == constants(model, "t1")
    assert_same_as_network(graph, model, "t1")


@pytest.mark.parametrize("model", ["unet of a slab", "3D"], indirect=True)
def test_onnx_is_the_network_for_any_size_and_number(model: Model) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    content = onnx_graph(model, "t2")
    graph = onnx.load_from_string(content)
    onnx.checker.check_model(graph, full_check=True)
    assert json.loads({one.key: one.value for one in graph.metadata_props}["medgan"]) == constants(
        model, "t2"
    )
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [one.name for one in (*session.get_inputs(), *session.get_outputs())] == ["image", "pred"]
    assert_same_as_network(
        lambda images: torch.from_numpy(session.run(None, {"image": images.numpy()})[0]), model, "t2"
    )


def test_onnx_keeps_its_digits_on_a_small_head_in_much_air() -> None:
    """ONNX Runtime's own instance norm is some thousandths off there."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = load_model("default")
    session = runtime.InferenceSession(onnx_graph(model, "t2"), providers=["CPUExecutionProvider"])
    network = AnySize(model.generator("t2"), model.manifest.recipe.preparation.divisor).eval()
    empty = torch.full((1, model.manifest.slab, 240, 256), -1.0)
    small = empty.clone()
    small[:, :, 100:150, 90:150] = torch.rand((1, model.manifest.slab, 50, 60)) * 2 - 1
    for images in (empty, small):
        with torch.inference_mode():
            wanted = network(images)
        made = torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
        assert float((made - wanted).abs().max()) < 1e-4


def test_the_steps_are_those_of_the_model(small_model: Callable[..., Path]) -> None:
    plain = constants(load_model(small_model()), "t2")["steps"]
    assert not any("N4" in step for step in plain) and any("stack the slab" in step for step in plain)
    changes = ("preparation.n4=true", "preparation.through_plane=true", "preparation.spacing=2")
    whole = KINDS["3D"]["changes"] + changes
    steps = constants(load_model(small_model(name="3D", recipe="volumes", changes=whole)), "t2")["steps"]
    assert any("N4" in step for step in steps) and any("resample the volume" in step for step in steps)
    assert any("patches" in step for step in steps) and not any("slab" in step for step in steps)


def test_the_constants_are_those_that_medgan_prepares_with(small_model: Callable[..., Path]) -> None:
    model = load_model(small_model(slab=3, changes=("slab_spacing=2.5", "preparation.divisor=8")))
    known: Any = constants(model, "t2")
    assert known["preparation"] == model.manifest.recipe.preparation.model_dump(mode="json")
    assert (known["input"]["slab"], known["input"]["slab_spacing_mm"]) == (3, 2.5)
    assert (known["source"], known["target"]) == ("T1w", "T2w")
    assert known["target_intensity"] == {"low": 0.0, "high": 800.0, "background": 0.0}
    assert known["output"]["slice"] == 1
    assert "not for diagnosis" in known["notice"]


def test_a_graph_that_computes_something_else_is_refused(
    small_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(small_model())
    monkeypatch.setattr(torch.jit, "load", lambda file: AnySize(model.generator("t1"), 8).eval())
    with pytest.raises(ModelRefusedError, match="does not compute what the network computes"):
        torchscript_graph(model, "t2")


def test_onnx_without_its_packages_says_what_to_install(
    small_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as refused:
        onnx_graph(load_model(small_model()), "t2")
    assert "medgan[onnx]" in refused.value.remedy
