"""A wheel that lacks something, is too large or holds what is not medgan's is not released."""

from __future__ import annotations

import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "pipelines" / "release" / "check_wheel.py"


@pytest.fixture(scope="module")
def check() -> Any:
    """pipelines/release/check_wheel.py."""
    spec = spec_from_file_location("check_wheel", FILE)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(
    folder: Path, check: Any, *, without: str = "", more: tuple[str, ...] = (), version: str = "1.2"
) -> Path:
    path = folder / "medgan-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*check._NEEDED, *more):
            if name != without:
                archive.writestr(name, "x")
        archive.writestr("medgan-1.2.dist-info/METADATA", f"Name: medgan\nVersion: {version}\n")
    return path


def test_a_whole_wheel_passes(check: Any, tmp_path: Path) -> None:
    assert check.problems(wheel(tmp_path, check), version="1.2") == []


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ({"without": "medgan/models/weights/brain/t1_to_t2.safetensors"}, "t1_to_t2.safetensors is missing"),
        ({"more": ("tests/conftest.py",)}, "is not of medgan"),
        ({"more": ("medgan/scan.nii.gz",)}, "may be a patient's image"),
        ({"version": "1.3"}, "metadata does not say 1.2"),
    ],
)
def test_what_is_wrong_is_told(check: Any, tmp_path: Path, built: dict[str, Any], said: str) -> None:
    assert said in " ".join(check.problems(wheel(tmp_path, check, **built), version="1.2"))


def test_a_large_wheel_is_told(check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LARGEST", 10)
    assert "are more than" in check.problems(wheel(tmp_path, check), version="1.2")[0]
