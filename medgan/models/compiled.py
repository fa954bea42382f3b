"""A generator compiled for this machine's processor by OpenVINO, where that is installed and measures faster.

Converting takes seconds, so what comes of it is kept among what medgan keeps of this machine, under the checksum of the
weights that it was made from, and found there by the next command, which then needs neither MONAI nor the conversion.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medgan import __version__
from medgan.devices import autocast
from medgan.errors import OutputNotWrittenError
from medgan.files import sha256, whole_folder, write_json
from medgan.machine import keep, place_of, processor, recall

if TYPE_CHECKING:
    from medgan.models.folder import Model

Run = Callable[[torch.Tensor], torch.Tensor]

_PARTS = ("model.xml", "model.bin")
_SUMS = "sums.json"
_SIDE, _IMAGES, _TIMED = 192, 2, 3
"""Of the images that both are timed on, in 2D; a quarter of the side in 3D."""
_GAIN = 0.9
"""At most so much of torch's time."""
_ONE = threading.Lock()
_ALLOWED = {torch.float32: 2e-3, torch.bfloat16: 5e-2}
"""Mean difference from torch, of a range of 2: far more than rounding makes, far less than a wrong graph."""


def may_be_compiled(device: torch.device) -> bool:
    """Whether networks run on the CPU, OpenVINO is there (not loaded yet), and MEDGAN_COMPILED is not 0."""
    if os.environ.get("MEDGAN_COMPILED") == "0":
        return False
    return device.type == "cpu" and importlib.util.find_spec("openvino") is not None


def compiled_generator(model: Model, target: str, precision: torch.dtype, *, threads: int) -> Run | None:
    """The network that makes `target`, on the CPU; None where OpenVINO is no faster than torch.

    Args:
        model: whose network it is.
        target: contrast.
        precision: that convolutions may compute in.
        threads: of the network; several threads of the program may call it.

    Raises:
        ModelRefusedError: the model has no such direction, or is damaged.
    """
    facts = _facts(model, target, precision, threads)
    kept = recall("openvino", facts)
    if kept is not None and kept.get("better") is not True:
        return None
    found = _read(place_of("openvino", facts)) if kept is not None and _intact(model) else None
    if found is not None:
        return _ready(*found, precision, threads)
    network = model.generator(target)
    converted = _convert(network, _example(model))
    run, eager = _ready_of(converted, precision, threads), _eager(network, precision)
    better = _agree(run, eager, model, precision)
    better = better and _seconds(run, _example(model)) < _GAIN * _seconds(eager, _example(model))
    if better:
        _write(converted, place_of("openvino", facts))
    keep("openvino", facts, {"better": better})
    return run if better else None


def engine() -> str:
    """What runs a compiled network, for the record."""
    import openvino

    return f"OpenVINO {openvino.__version__.split('-')[0]}"


def _intact(model: Model) -> bool:
    """Whether the weights of both directions are what the manifest states; who reads them says what is wrong."""
    try:
        files = {weights.file_name: weights.sha256 for weights in model.manifest.directions}
        return all(sha256(model.folder / name) == digest for name, digest in files.items())
    except OSError:
        return False


def _agree(run: Run, eager: Run, model: Model, precision: torch.dtype) -> bool:
    """Whether both give the same of images of several numbers and sizes, as far as the precision allows."""
    allowed = _ALLOWED[precision]
    for count, times in ((1, 1), (3, 2)):
        images = _example(model, count=count, side=times * model.manifest.recipe.preparation.divisor)
        try:
            made = run(images)
        except RuntimeError:  # of a graph that holds for one size alone
            return False
        if made.shape != images.shape or not bool((made - eager(images)).abs().mean() < allowed):
            return False
    return True


def _facts(model: Model, target: str, precision: torch.dtype, threads: int) -> dict[str, Any]:
    import openvino

    return {
        "weights": model.check(target).sha256,
        "generator": model.manifest.recipe.generator.model_dump(mode="json"),
        "precision": str(precision).removeprefix("torch."),
        "medgan": __version__,
        "libraries": [openvino.__version__, torch.__version__, importlib.metadata.version("monai")],
        "processor": processor(),
        "threads": threads,
    }


def _example(model: Model, *, count: int = _IMAGES, side: int | None = None) -> torch.Tensor:
    """Images with something in them: a ramp, a disc and a ground."""
    dims = model.manifest.recipe.spatial_dims
    side = side or (_SIDE if dims == 2 else _SIDE // 4)
    ramp = torch.linspace(-1, 1, side)
    axes = torch.meshgrid(*[ramp] * dims, indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.7
    image = torch.where(torch.as_tensor(inside), torch.sin(9 * axes[0] * axes[-1]), torch.tensor(-1.0))
    return image.expand(count, model.manifest.slab, *image.shape).contiguous()


def _convert(network: nn.Module, example: torch.Tensor) -> Any:
    import openvino

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.jit, which is traced with, and of sizes, which stay free
        return openvino.convert_model(network, example_input=example)


def _write(converted: Any, place: Path) -> None:
    """Keep it for the next command, with its checksums; where there is no room, it is converted again."""
    import openvino

    try:
        with whole_folder(place) as folder:
            openvino.save_model(converted, folder / _PARTS[0], compress_to_fp16=False)
            write_json(folder / _SUMS, {name: sha256(folder / name) for name in _PARTS})
    except (OutputNotWrittenError, OSError, RuntimeError):
        pass


def _read(place: Path) -> tuple[bytes, bytes] | None:
    """What was kept, if it is as it was written."""
    try:
        sums = json.loads((place / _SUMS).read_text(encoding="utf-8"))
        text, weights = ((place / name).read_bytes() for name in _PARTS)
        whole = [hashlib.sha256(content).hexdigest() for content in (text, weights)]
        return (text, weights) if whole == [sums[name] for name in _PARTS] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _ready(text: bytes, weights: bytes, precision: torch.dtype, threads: int) -> Run:
    return _ready_of(_core().read_model(model=text, weights=weights), precision, threads)


def _core() -> Any:
    """OpenVINO's core, one for the whole process, and kept until it ends.

    Each core's plugin for processors gives the thread that loads it another stack to handle signals on, and takes that
    away when it goes. Of two that go in the order in which they came, the second puts the first one's stack back, which
    is no more; Ctrl-C then writes over whatever lies there since, or ends the process.
    """
    with _ONE:
        return _only_core()


@functools.cache
def _only_core() -> Any:
    import openvino

    return openvino.Core()


def _ready_of(converted: Any, precision: torch.dtype, threads: int) -> Run:
    compiled = _core().compile_model(
        converted,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )
    own = threading.local()

    def run(images: torch.Tensor) -> torch.Tensor:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return torch.from_numpy(own.request.infer([images.contiguous().numpy()])[0].copy())

    return run


def _eager(network: nn.Module, precision: torch.dtype) -> Run:
    def run(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), autocast(torch.device("cpu"), precision):
            made: torch.Tensor = network(images)
        return made

    return run


def _seconds(run: Run, images: torch.Tensor) -> float:
    run(images)
    seconds = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        run(images)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
