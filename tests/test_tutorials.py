"""The notebook runs from top to bottom, and what it shows is what the package does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def run(path: Path, folder: Path, **parameters: object) -> dict[str, Any]:
    """Execute a notebook's code as a script, with other parameters, and give its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(path):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}:{cell['id']}", "exec"), names)  # noqa: S102
        if "parameters" in cell["metadata"].get("tags", []):
            names |= {"FOLDER": folder} | parameters
    return names


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (notebook,) = NOTEBOOKS
    monkeypatch.setenv("MPLBACKEND", "agg")
    try:
        names = run(notebook, tmp_path, EPOCHS=1)
    finally:
        plt.close("all")
    for key, image in names["made"].items():
        assert image.shape == names["truth"][key].shape
        assert np.isfinite(image.get_fdata()).all()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_comes_with_its_pictures_and_without_its_writers_folders(path: Path) -> None:
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 8
    assert "/home/" not in json.dumps(outputs) and "/tmp/" not in json.dumps(outputs)  # noqa: S108
    assert path.stat().st_size < 3_000_000
