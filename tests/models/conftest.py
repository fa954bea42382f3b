"""A medgan that came with a small model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medgan.models import About, catalogue, load_model
from medgan.models.parts import Figures, Material
from medgan.models.publishing import publish_model


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
