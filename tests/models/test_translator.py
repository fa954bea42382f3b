"""A volume goes through a generator slice by slice, slab by slab or patch by patch, and every voxel comes back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from medgan.models.translator import Translator

CPU = torch.device("cpu")


class Pick(nn.Module):
    """Gives a slab in which every slice is one of the slab that it got; counts its calls."""

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel = channel
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(x.shape))
        return x[:, self.channel : self.channel + 1].expand_as(x)


class Multiply(nn.Module):
    """Keeps the size and changes the values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -0.5 * x


def through(generator: nn.Module, image: torch.Tensor, *, step: int = 1, **more: Any) -> torch.Tensor:
    settings = {
        "spatial_dims": 2,
        "slab": 1,
        "patch": None,
        "device": CPU,
        "precision": torch.float32,
        **more,
    }
    return Translator(generator, **settings)(image, slab_step=step, advance=lambda done, total: None)


def numbered(depth: int = 7) -> torch.Tensor:
    """A volume whose slices are 0, 1, 2, ..."""
    return torch.arange(float(depth)).expand(1, 4, 6, depth).contiguous()


def test_every_slice_is_translated_in_its_place() -> None:
    image = torch.randn(1, 8, 12, 5)
    assert torch.equal(through(Multiply(), image), -0.5 * image)


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_of_a_translated_slab_the_middle_slice_is_kept(depth: int) -> None:
    image = torch.randn(1, 8, 12, depth)
    assert torch.equal(through(Multiply(), image, slab=3), -0.5 * image)


@pytest.mark.parametrize(
    ("channel", "step", "seen"),
    [
        (0, 1, [0, 0, 1, 2, 3, 4, 5]),
        (1, 1, [0, 1, 2, 3, 4, 5, 6]),
        (2, 1, [1, 2, 3, 4, 5, 6, 6]),
        (0, 2, [0, 0, 0, 1, 2, 3, 4]),
        (2, 3, [3, 4, 5, 6, 6, 6, 6]),
    ],
)
def test_a_slab_holds_the_slices_below_and_above_and_repeats_the_last_at_the_ends(
    channel: int, step: int, seen: list[int]
) -> None:
    made = through(Pick(channel), numbered(), slab=3, step=step)
    assert made[0, 0, 0].tolist() == seen


def test_large_volumes_go_through_in_groups_of_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgan.models.translator._PIXELS_AT_ONCE", 4 * 6 * 3)
    generator, told = Pick(0), []
    translator = Translator(
        generator, spatial_dims=2, slab=1, patch=None, device=CPU, precision=torch.float32
    )
    made = translator(numbered(), slab_step=1, advance=lambda done, total: told.append((done, total)))
    assert torch.equal(made, numbered())
    assert [shape[0] for shape in generator.shapes] == [3, 3, 1]
    assert told == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize("size", [(20, 24, 28), (8, 30, 5), (16, 16, 16), (5, 4, 3)])
def test_3d_patches_are_blended_without_a_seam_and_cover_any_size(size: tuple[int, int, int]) -> None:
    image = torch.rand(1, *size)
    made = through(Multiply(), image, spatial_dims=3, patch=16)
    assert made.shape == image.shape
    assert torch.allclose(made, -0.5 * image, atol=1e-5)


def test_a_generator_that_trains_differently_is_set_to_use() -> None:
    dropout = nn.Dropout(0.5).train()
    image = torch.ones(1, 4, 4, 2)
    assert torch.equal(through(dropout, image), image)


def test_bfloat16_gives_float32_back() -> None:
    made = through(nn.Conv2d(1, 1, 3, padding=1), torch.rand(1, 8, 8, 3), precision=torch.bfloat16)
    assert made.dtype == torch.float32


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux tells it")
def test_3d_patches_take_the_memory_of_a_few_volumes_however_many_patches_there_are() -> None:
    code = (
        "import pathlib, re, torch; from torch import nn; from medgan.models.translator import Translator\n"
        "import monai.inferers\n"
        "image = torch.zeros(1, 224, 224, 224)\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        "one = Translator(nn.Identity(), spatial_dims=3, slab=1, patch=64, device=torch.device('cpu'), "
        "precision=torch.float32)\n"
        "made = one(image, slab_step=1)\n"
        "print((peak() - before) * 1024 / image.nbytes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 < float(done.stdout) < 6
