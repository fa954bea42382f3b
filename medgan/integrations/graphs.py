"""A generator as a graph that needs no medgan: ONNX or TorchScript, for images of any size and number.

    image   float32, (N, slab, X, Y) or, of a 3D network, (N, 1, X, Y, Z), in [-1, 1]
    pred    the same shape, the target contrast; of a slab, its middle slice is the result

Sizes that the network's halvings do not divide are padded with -1 and cropped in the graph. How a scan becomes `image`
and how `pred` becomes a scan is in the graph's metadata, under `medgan`, as JSON (`constants`).
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from medgan import __version__
from medgan.contrasts import contrast, other
from medgan.errors import ModelRefusedError, UsageError
from medgan.models import Model
from medgan.recipe import Recipe

METADATA = "medgan"
"""The key of the constants in an ONNX model's metadata, and the name of TorchScript's extra file."""
_ALLOWED = 1e-4
"""Difference from torch, of a range of 2."""
_WIDE = {2: 200, 3: 56}
"""Side of the image of mostly air that both are compared on, by the network's dimensions."""
_ONNX = ("onnx", "onnxscript", "onnxruntime")


class AnySize(nn.Module):
    """A generator for images of any size: padded with -1 to what its halvings divide, and cropped again.

    Args:
        network: a generator.
        divisor: sizes that it takes are multiples of this.
    """

    def __init__(self, network: nn.Module, divisor: int) -> None:
        super().__init__()
        self.network, self.divisor = network, divisor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, slab, ...) in [-1, 1] -> the same."""
        pads: list[int] = []
        for axis in range(image.dim() - 1, 1, -1):
            pads += [0, (self.divisor - image.shape[axis] % self.divisor) % self.divisor]
        made: torch.Tensor = self.network(functional.pad(image, pads, value=-1.0))
        for axis in range(2, image.dim()):
            made = made.narrow(axis, 0, image.shape[axis])
        return made


def constants(model: Model, target: str) -> dict[str, Any]:
    """What is to be known beside the network, ready for JSON.

    Args:
        model: whose network it is.
        target: key of the contrast that it makes.
    """
    manifest = model.manifest
    recipe = manifest.recipe
    return {
        "notice": manifest.notice,
        "medgan_version": __version__,
        "model": manifest.name,
        "model_sha256": model.digest,
        "source": contrast(other(target).key).label,
        "target": contrast(target).label,
        "input": {
            "name": "image",
            "axes": ["batch", "slab", "x", "y", "z"][: recipe.spatial_dims + 2],
            "orientation": "RAS",
            "slab": manifest.slab,
            "slab_spacing_mm": recipe.sampling.slab_spacing,
            "range": [-1.0, 1.0],
            "outside_the_head": -1.0,
            "patch": recipe.sampling.crop if recipe.spatial_dims == 3 else None,
        },
        "output": {"name": "pred", "range": [-1.0, 1.0], "slice": manifest.slab // 2},
        "preparation": recipe.preparation.model_dump(mode="json"),
        "source_intensity": manifest.domains[other(target).key].intensity.model_dump(),
        "target_intensity": manifest.domains[target].intensity.model_dump(),
        "steps": _steps(recipe),
    }


def _steps(recipe: Recipe) -> list[str]:
    """What becomes of a scan before and after the network, in order."""
    settings, whole = recipe.preparation, recipe.spatial_dims == 3
    resampled = "the volume" if settings.through_plane else "each axial plane"
    return [
        "turn the axes to RAS",
        "find the head",
        *(["correct the bias field by N4 within the head"] if settings.n4 else []),
        "inside the head the intensities at preparation.percentiles become -1 and 1 (pictures of 8 or 16 bits: "
        "source_intensity.low and .high), clipped; outside it -1",
        *(
            [
                f"resample {resampled} to preparation.{'size' if settings.size else 'spacing'} (bicubic, anti-aliased)"
            ]
            if settings.spacing or settings.size
            else []
        ),
        "pad with -1 to a multiple of preparation.divisor",
        "take patches of the side `patch` that overlap by half, and blend what becomes of them by a Gaussian"
        if whole
        else "for each plane stack the slab around it, slab_spacing_mm apart, the outermost plane repeated",
        "undo padding, resampling and turning of the result",
        "-1 and 1 become target_intensity.low and .high; outside the head target_intensity.background",
    ]


def torchscript_graph(model: Model, target: str) -> bytes:
    """TorchScript of the network that makes `target`; `torch.jit.load` reads it.

    Raises:
        ModelRefusedError: the model has no such direction, is damaged, or its graph would not compute what it computes.
    """
    network = _network(model, target)
    buffer = io.BytesIO()
    with _calm(), torch.inference_mode():
        scripted = torch.jit.script(network)
        torch.jit.save(
            scripted, buffer, _extra_files={f"{METADATA}.json": json.dumps(constants(model, target))}
        )
        buffer.seek(0)
        read = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
        _compare(network, read, model)
    return buffer.getvalue()


def onnx_graph(model: Model, target: str) -> bytes:
    """ONNX (opset 20) of the network that makes `target`, weights included.

    Raises:
        ModelRefusedError: the model has no such direction, is damaged, or its graph would not compute what it computes.
        UsageError: medgan[onnx] is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in _ONNX):
        raise UsageError(
            f"ONNX needs the packages {', '.join(_ONNX)}", remedy='Install them: pip install "medgan[onnx]"'
        )
    import onnx
    import onnxruntime
    from torch.export import Dim

    network = _network(model, target)
    exported = _with_steady_norms(copy.deepcopy(network))
    axes = [0, *range(2, 2 + model.manifest.recipe.spatial_dims)]
    with _calm(), torch.inference_mode():
        program = torch.onnx.export(
            exported,
            (_images(model, 2, 3, 1),),
            dynamo=True,
            dynamic_shapes=(dict.fromkeys(axes, Dim.DYNAMIC),),
            input_names=["image"],
            output_names=["pred"],
            opset_version=20,
            verbose=False,
        )
    assert program is not None  # noqa: S101 - None is for exports into a file
    graph = program.model_proto
    onnx.helper.set_model_props(graph, {METADATA: json.dumps(constants(model, target))})
    graph.producer_name, graph.producer_version = "medgan", __version__
    graph.doc_string = model.manifest.notice
    content: bytes = graph.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    _compare(
        network,
        lambda images: torch.from_numpy(session.run(["pred"], {"image": images.numpy()})[0]),
        model,
    )
    return content


class _SteadyNorm(nn.Module):
    """Instance norm whose means are taken along one axis after the other.

    ONNX Runtime's own adds up all pixels of a channel one by one in float32. On a slice of a head, most of which is
    air, that costs three digits of the result; sums of a row, and then of those, keep them.
    """

    def __init__(self, norm: nn.InstanceNorm2d | nn.InstanceNorm3d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features, (N, C, ...)."""
        centred = image - _mean(image)
        normed = centred * torch.rsqrt(_mean(centred * centred) + self.norm.eps)
        if not self.norm.affine:
            return normed
        shape = (1, -1, *[1] * (image.ndim - 2))
        return normed * self.norm.weight.view(shape) + self.norm.bias.view(shape)


def _mean(image: torch.Tensor) -> torch.Tensor:
    for axis in reversed(range(2, image.ndim)):
        image = image.mean(axis, keepdim=True)
    return image


def _with_steady_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, nn.InstanceNorm2d | nn.InstanceNorm3d):
            setattr(network, name, _SteadyNorm(child))
        else:
            _with_steady_norms(child)
    return network


def _network(model: Model, target: str) -> AnySize:
    return AnySize(model.generator(target), model.manifest.recipe.preparation.divisor).eval()


def _images(model: Model, count: int, times: int, more: int) -> torch.Tensor:
    """Noise of a seed of its own, a number of the divisor's multiples wide, and some pixels more."""
    recipe = model.manifest.recipe
    sides = [times * recipe.preparation.divisor + more + axis for axis in range(recipe.spatial_dims)]
    noise = torch.rand((count, model.manifest.slab, *sides), generator=torch.Generator().manual_seed(count))
    return 2 * noise - 1


def _mostly_air(model: Model) -> torch.Tensor:
    """A disc of noise in much air, as wide as a slice of a head is."""
    side = _WIDE[model.manifest.recipe.spatial_dims]
    image = _images(model, 1, 1, max(side - model.manifest.recipe.preparation.divisor, 0))
    squares = torch.meshgrid(
        *[torch.linspace(-1, 1, length) ** 2 for length in image.shape[2:]], indexing="ij"
    )
    return torch.where(torch.stack(squares).sum(0) < 0.15, image, torch.tensor(-1.0))


def _compare(network: nn.Module, graph: Callable[[torch.Tensor], torch.Tensor], model: Model) -> None:
    """Refuse a graph that differs, or that holds for one size or number alone."""
    with torch.inference_mode():
        for images in (_images(model, 1, 2, 0), _images(model, 3, 1, 5), _mostly_air(model)):
            wanted, made = network(images), graph(images)
            if made.shape != wanted.shape or not bool((made - wanted).abs().max() <= _ALLOWED):
                raise ModelRefusedError(
                    "cannot be exported: the graph does not compute what the network computes "
                    f"(images of {tuple(images.shape)})",
                    file=model.folder,
                    remedy="Report this with the versions of torch, onnx and onnxruntime.",
                )


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Without what exporters tell of themselves: that TorchScript is deprecated, that torchvision is not there."""
    exporters = logging.getLogger("torch.onnx")
    level = exporters.level
    exporters.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporters.setLevel(level)
