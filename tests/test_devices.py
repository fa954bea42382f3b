"""The device is the one asked for, or the best there is, with a reason; and precision follows the hardware."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medgan.devices import choose_device, choose_precision, memory_errors
from medgan.errors import ResourceError, UsageError


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Pretended GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(2, False, "cuda:0"), (1, True, "cuda:0"), (0, True, "mps"), (0, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_the_cpu(
    cuda: int, mps: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    choice = choose_device("auto")
    assert str(choice.device) == chosen
    assert "CUDA" in choice.reason or "MPS" in choice.reason


def test_a_numbered_cuda_device_is_taken_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2, mps=False)
    assert str(choose_device("cuda:1").device) == "cuda:1"
    assert "Pretended GPU" in choose_device("cuda").reason
    with pytest.raises(ResourceError, match="CUDA devices: 2"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_a_matter_of_resources(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=0, mps=False)
    with pytest.raises(ResourceError, match=name) as caught:
        choose_device(name)
    assert caught.value.exit_code == 6
    assert "--device auto" in caught.value.remedy


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "cuda:-1", "", "CUDA "])
def test_a_name_that_is_no_device_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("able", "dtype"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
    ],
)
def test_a_cpu_computes_in_bfloat16_where_it_multiplies_it_natively(
    able: dict[str, Any], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_precision("auto", torch.device("cpu")) is dtype


@pytest.mark.parametrize(
    ("capability", "dtype"), [((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16), ((7, 5), torch.float32)]
)
def test_a_gpu_does_so_from_ampere_on(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda", 0)) is dtype


def test_a_precision_that_is_asked_for_is_taken() -> None:
    assert choose_precision("float32", torch.device("cuda", 0)) is torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) is torch.bfloat16


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    ],
    ids=repr,
)
def test_memory_that_runs_out_is_a_resource_error_in_all_words(error: Exception) -> None:
    with pytest.raises(ResourceError, match="memory ran out"), memory_errors():
        raise error


def test_another_error_passes_through_unchanged() -> None:
    with pytest.raises(RuntimeError, match="sizes"), memory_errors():
        raise RuntimeError("sizes do not match")
