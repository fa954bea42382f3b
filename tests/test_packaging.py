"""What is installed holds what medgan needs at run time: recipes and weights, and nothing hides them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WEIGHTS = ("model.json", "README.md", "t1_to_t2.safetensors", "t2_to_t1.safetensors")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with weights of nothing, as small as can be."""
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("medgan/__init__.py", "medgan/models/catalogue.py", "pipelines/recipes/slices.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    folder = tmp_path / "medgan" / "models" / "weights" / "brain"
    folder.mkdir(parents=True)
    for name in WEIGHTS:
        (folder / name).write_bytes(b"x")
    return tmp_path


def test_a_wheel_holds_weights_and_recipes(project: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(project))
    files = {Path(file.distribution_path).as_posix() for file in builder.recurse_included_files()}
    assert {f"medgan/models/weights/brain/{name}" for name in WEIGHTS} <= files
    forced = builder.config.force_include.values()
    assert "medgan/recipes" in {Path(place).as_posix() for place in forced}


def test_a_source_distribution_holds_them_too(project: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(project))
    files = {Path(file.path).relative_to(project).as_posix() for file in builder.recurse_included_files()}
    assert {f"medgan/models/weights/brain/{name}" for name in WEIGHTS} <= files
    assert "pipelines/recipes/slices.yaml" in files
