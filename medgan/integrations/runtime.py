"""A copy of those modules of medgan that a bundle needs, under a name of their own, so that it runs without medgan.

Which they are follows from their imports. A package's `__init__`, which gathers public names, is not copied: in modules
that are taken along, each name comes from the module that defines it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from medgan import __version__
from medgan.files import write_text

PACKAGE = "medgan_runtime"
_ROOT = Path(__file__).parents[1]
_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)medgan\b", re.MULTILINE)
_HEADER = '"""Part of medgan {version} (Apache License 2.0), copied by `medgan export`: change it there, not here."""\n'


def copy_runtime(folder: Path, modules: Iterable[str]) -> None:
    """Write a package with some modules and all of medgan that they import.

    Args:
        folder: where the package `medgan_runtime` is made.
        modules: such as `medgan.networks.generators`.
    """
    for module, file in sorted(closure(modules).items()):
        copy = folder.joinpath(PACKAGE, *module.split(".")[1:]).with_suffix(".py")
        write_text(copy, _IMPORT.sub(rf"\1{PACKAGE}", file.read_text(encoding="utf-8")))
        for package in [place for place in copy.parents if place.is_relative_to(folder / PACKAGE)]:
            if not (package / "__init__.py").exists():
                version = f'\n__version__ = "{__version__}"\n' if package == folder / PACKAGE else ""
                write_text(package / "__init__.py", _HEADER.format(version=__version__) + version)


def closure(modules: Iterable[str]) -> dict[str, Path]:
    """The modules and all of medgan that they import, with their files; packages' `__init__` left out."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        file = _ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
        if module not in found and file.is_file():
            found[module] = file
            waiting += _imports(file)
    return found


def _imports(file: Path) -> Iterator[str]:
    """The modules of medgan that a file imports when it runs; those that are for type checkers alone are not."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_checkers = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_checkers:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "medgan":
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
