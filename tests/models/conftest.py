"""A small model with fresh weights, and a medgan that came with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from medgan.models import About, Domain, History, catalogue, load_model, save_model
from medgan.models.architecture import build_generator
from medgan.models.parts import Figures, Material
from medgan.models.publishing import publish_model
from medgan.preparation import IntensityRange
from medgan.recipe import load_recipe

SMALL = ("generator.channels=[4, 8]", "generator.residual_units=1", "preparation.divisor=8")


@pytest.fixture
def about() -> About:
    """All that can be said of a model."""
    return About(
        purpose="T1w and T2w scans of procedural brains",
        materials=(Material(name="Label maps of nobody", licence="Apache-2.0", used_for="simulated pairs"),),
        protocol="Inside the head, each image scaled by its own percentiles.",
        figures=(Figures(source="t1", target="t2", scans="one head", scores={"SSIM": 0.8125, "r": 0.9}),),
        limits=("Lesions were never shown to it.",),
    )


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a model of a slab, 1 if not given; returns its folder."""

    def write(*, slab: int = 1, name: str = "model") -> Path:
        recipe = load_recipe("slices", SMALL)
        torch.manual_seed(slab)
        domain = Domain(
            intensity=IntensityRange(low=0, high=800, background=0),
            scans=3,
            slices=60,
            kinds=("nifti",),
            spacings=((1.0, 1.0), (1.0, 1.0), (3.0, 3.0)),
            fingerprint="f" * 64,
        )
        save_model(
            tmp_path / name,
            generators={key: build_generator(recipe, slab=slab) for key in ("t2", "t1")},
            recipe=recipe,
            slab=slab,
            domains={"t1": domain, "t2": domain},
            history=History(steps=1, epochs=1, minutes=0.5, seed=7, device="cpu", precision="float32"),
        )
        return tmp_path / name

    return write


@pytest.fixture
def bundled(
    small_model: Callable[..., Path], about: About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of the models that come with medgan: the default one, and `other`."""
    weights = tmp_path / "weights"
    for name in ("other", catalogue.DEFAULT):
        publish_model(load_model(small_model()), weights / name, name=name, about=about)
    monkeypatch.setattr(catalogue, "WEIGHTS", weights)
    return weights


@pytest.fixture
def none_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A medgan without weights."""
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "no weights")
