"""A compiled generator gives the numbers of the plain one; it is kept under its weights' checksum, and checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medgan.errors import ModelRefusedError
from medgan.models import Domain, History, Model, load_model, save_model
from medgan.models import compiled as module
from medgan.models.architecture import build_generator
from medgan.models.compiled import compiled_generator, may_be_compiled
from medgan.preparation import IntensityRange
from medgan.recipe import load_recipe
from medgan.scans import read_scan
from medgan.synthesis import Synthesizer

CPU = torch.device("cpu")
pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install 'medgan[fast]')")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDGAN_COMPILED")
    return tmp_path / "cache"


@pytest.fixture
def always_faster(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """OpenVINO measures faster, whatever the machine does at the moment; gives a line for each conversion."""
    seconds = iter(2.0**number for number in range(500))  # torch, which comes second, takes twice as long
    monkeypatch.setattr(module, "_seconds", lambda run, images: next(seconds))
    converted: list[int] = []
    convert = module._convert

    def counted(*given: Any) -> Any:
        converted.append(1)
        return convert(*given)

    monkeypatch.setattr(module, "_convert", counted)
    return converted


@pytest.fixture
def write_model() -> Callable[..., Path]:
    """Writes a model with small fresh networks."""

    def write(folder: Path, *changes: str) -> Path:
        recipe = load_recipe("slices", ("generator.channels=[4, 8, 8]", "preparation.divisor=8", *changes))
        domain = Domain(
            intensity=IntensityRange(low=0.0, high=1.0, background=0.0),
            scans=1,
            slices=1,
            kinds=("nifti",),
            spacings=((1.0, 1.0),) * 3,
            fingerprint="f" * 64,
        )
        torch.manual_seed(0)
        save_model(
            folder,
            generators={key: build_generator(recipe, slab=1) for key in ("t2", "t1")},
            recipe=recipe,
            slab=1,
            domains={"t1": domain, "t2": domain},
            history=History(steps=1, epochs=1, minutes=0.1, seed=0, device="cpu", precision="float32"),
        )
        return folder

    return write


def run_of(model: Model) -> Callable[[torch.Tensor], torch.Tensor]:
    run = compiled_generator(model, "t2", torch.float32, threads=1)
    assert run is not None
    return run


def test_the_brain_model_compiled_is_equal_to_a_thousandth_at_any_size_and_batch(
    cache: Path, always_faster: list[int]
) -> None:
    model = load_model("brain")
    run, network = run_of(model), model.generator("t2")
    generator = torch.Generator().manual_seed(0)
    for shape in ((1, 3, 64, 80), (3, 3, 96, 64)):
        images = torch.nn.functional.avg_pool2d(torch.rand(shape, generator=generator) * 2 - 1, 5, 1, 2) * 2
        with torch.inference_mode():
            plain = network(images)
        assert (run(images) - plain).abs().max() < 1e-3


def test_every_kind_of_generator_holds_for_any_number_and_size_of_images(
    cache: Path, always_faster: list[int], tmp_path: Path, write_model: Callable[..., Path]
) -> None:
    for kind in ("unet", "resnet", "pix2pix"):
        model = load_model(write_model(tmp_path / kind, f"generator.kind={kind}"))
        run, network = run_of(model), model.generator("t2")
        for shape in ((1, 1, 32, 48), (3, 1, 64, 32), (5, 1, 16, 16)):
            images = torch.rand(shape) * 2 - 1
            with torch.inference_mode():
                plain = network(images)
            assert (run(images) - plain).abs().max() < 1e-3, kind


def test_a_graph_that_does_not_agree_with_torch_is_not_used(
    cache: Path, always_faster: list[int], tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "_ready_of", lambda converted, precision, threads: lambda images: torch.zeros_like(images)
    )
    assert compiled_generator(load_model(tiny_run), "t2", torch.float32, threads=1) is None


def test_the_next_command_finds_it_and_needs_no_conversion(
    cache: Path, always_faster: list[int], tiny_run: Path
) -> None:
    model = load_model(tiny_run)
    images = torch.rand(2, model.manifest.slab, 32, 32) * 2 - 1
    first = run_of(model)(images)
    assert torch.equal(run_of(model)(images), first)
    assert len(always_faster) == 1


@pytest.mark.parametrize("part", ["model.xml", "model.bin", "sums.json"])
def test_what_was_damaged_since_is_converted_again(
    part: str, cache: Path, always_faster: list[int], tiny_run: Path
) -> None:
    model = load_model(tiny_run)
    images = torch.rand(1, model.manifest.slab, 32, 32) * 2 - 1
    first = run_of(model)(images)
    (file,) = cache.glob(f"openvino-*/{part}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert torch.equal(run_of(model)(images), first)
    assert len(always_faster) == 2


def test_a_model_whose_weights_are_damaged_is_refused_though_a_compiled_one_is_there(
    cache: Path, always_faster: list[int], tiny_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "model", tmp_path / "model")
    model = load_model(tmp_path / "model")
    run_of(model)
    weights = tmp_path / "model" / model.check("t2").file_name
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelRefusedError):
        compiled_generator(model, "t2", torch.float32, threads=1)


def test_where_it_is_no_faster_torch_stays_and_that_is_remembered(
    cache: Path, always_faster: list[int], tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(2.0**-number for number in range(500))
    monkeypatch.setattr(module, "_seconds", lambda run, images: next(seconds))
    model = load_model(tiny_run)
    assert compiled_generator(model, "t2", torch.float32, threads=1) is None
    assert compiled_generator(model, "t2", torch.float32, threads=1) is None
    assert len(always_faster) == 1 and not list(cache.glob("openvino-*/model.bin"))


def test_a_scan_comes_out_as_without_it(
    cache: Path,
    always_faster: list[int],
    tiny_run: Path,
    head: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan, made = read_scan(head(tmp_path / "sub-01_T1w.nii.gz", "t1", 1)), {}
    for compiled in ("1", "0"):
        monkeypatch.setenv("MEDGAN_COMPILED", compiled)
        assert may_be_compiled(CPU) is (compiled == "1")
        synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")
        made[compiled] = synthesizer(scan).scan.voxels
        assert (synthesizer.translator.compiled is not None) is (compiled == "1")
    span = float(np.ptp(made["0"]))
    assert np.abs(made["1"] - made["0"]).mean() < 0.005 * span  # both may round to bfloat16


_ONE_AFTER_THE_OTHER = """
import gc, os, signal
import numpy, openvino, torch
from openvino import opset13
from medgan.models.compiled import _ready_of

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have begun this with Ctrl-C ignored
given = opset13.parameter([1, 4], numpy.float32)
graph = openvino.Model([opset13.relu(given)], [given])
both = [_ready_of(graph, torch.float32, 1) for _ in range(2)]
while both:
    both.pop(0)(torch.zeros(1, 4))
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as POSIX does")
def test_ctrl_c_is_heard_after_both_contrasts_were_made_and_are_done_with() -> None:
    """OpenVINO takes away the stack that signals are handled on: what comes after was written over, or crashed."""
    ended = subprocess.run([sys.executable, "-c", _ONE_AFTER_THE_OTHER], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr
