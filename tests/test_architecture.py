"""Imports run down only, and only the rooms that may do so write files, print or exit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "medgan"
FLOORS = [
    {
        "lazy",
        "errors",
        "contrasts",
        "files",
        "archives",
        "plain_yaml",
        "texts",
        "devices",
        "machine",
        "memory",
        "launch",
        "networks",
        "simulation",
    },
    {"scans", "cyclegan"},
    {"preparation", "evaluation", "reports", "sample_data"},
    {"recipe", "models", "uncertainty"},
    {"training", "synthesis"},
    {"demonstration", "assessment", "integrations"},
    {"cli"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or "__" not in path.name)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("medgan."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_its_own_floor_and_below(path: Path) -> None:
    assert room(path) in FLOOR_OF, "a new room needs a floor"
    for imported in imported_rooms(path):
        assert FLOOR_OF[imported] <= FLOOR_OF[room(path)], f"{room(path)} may not import {imported}"


@pytest.mark.parametrize(("wing", "other"), [("synthesis", "training"), ("training", "synthesis")])
def test_training_and_synthesis_do_not_know_each_other(wing: str, other: str) -> None:
    for path in (PACKAGE / wing).rglob("*.py"):
        assert other not in set(imported_rooms(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints_and_exits(path: Path) -> None:
    if room(path) == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit", "eval", "exec"}
