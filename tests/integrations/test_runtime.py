"""What a bundle takes along of medgan is all that it imports, and nothing that imports medgan itself."""

from __future__ import annotations

import ast
from pathlib import Path

from medgan.integrations.runtime import PACKAGE, closure, copy_runtime

ENTRY = "medgan.integrations.bundle_parts"


def test_all_that_is_imported_is_taken_along_and_nothing_heavy() -> None:
    taken = closure([ENTRY])
    assert {ENTRY, "medgan.preparation.prepare", "medgan.scans.nifti", "medgan.models.translator"} <= set(
        taken
    )
    for room in ("training", "cli", "simulation", "reports", "models.folder", "recipe", "scans.reading"):
        assert not any(module.startswith(f"medgan.{room}") for module in taken), room


def test_the_copy_imports_itself_and_never_medgan(tmp_path: Path) -> None:
    copy_runtime(tmp_path, [ENTRY])
    files = list(tmp_path.rglob("*.py"))
    assert (tmp_path / PACKAGE / "integrations" / "bundle_parts.py") in files
    for file in files:
        assert (file.parent / "__init__.py").is_file()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [name.name for name in node.names]
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
                assert not any(module.split(".")[0] == "medgan" for module in modules), file.name
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                    home = tmp_path.joinpath(*node.module.split(".")).with_suffix(".py")
                    is_for_checkers = not home.is_file() and home.with_suffix("").is_dir()
                    assert home.is_file() or node.module == PACKAGE or is_for_checkers, (
                        file.name,
                        node.module,
                    )
