"""What is installed holds what medgan needs at run time, and what builds and publishes it is fixed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

import medgan

ROOT = Path(__file__).parents[1]
WEIGHTS = ("model.json", "README.md", "t1_to_t2.safetensors", "t2_to_t1.safetensors")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with weights of nothing, as small as can be."""
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (
        "medgan/__init__.py",
        "medgan/models/catalogue.py",
        "pipelines/recipes/slices.yaml",
        "pipelines/bundle/configs/inference.json",
    ):
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
    assert {"medgan/recipes", "medgan/bundle"} <= {Path(place).as_posix() for place in forced}


def test_a_source_distribution_holds_them_too(project: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(project))
    files = {Path(file.path).relative_to(project).as_posix() for file in builder.recurse_included_files()}
    assert {f"medgan/models/weights/brain/{name}" for name in WEIGHTS} <= files
    assert "pipelines/recipes/slices.yaml" in files


def test_the_version_is_stated_once() -> None:
    stated = f'__version__ = "{medgan.__version__}"'
    assert stated in (ROOT / "medgan" / "__init__.py").read_text(encoding="utf-8")
    assert f'version = "{medgan.__version__}"' not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"\nversion: {medgan.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_take_actions_by_commit_and_have_no_rights_but_those_they_need(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    steps = [step for job in content["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used and all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in used), used
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for step in steps:
        if step.get("run", "").startswith("make "):
            assert step["run"].split()[1] in targets


def test_the_workflows_check_build_document_and_release() -> None:
    assert {path.stem for path in WORKFLOWS} == {"ci", "docs", "release"}
