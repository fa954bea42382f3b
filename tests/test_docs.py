"""What the documentation says is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def docs_module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_recipes_is_what_the_settings_say() -> None:
    module = docs_module("make_recipes_page")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_recipes_page.py"


def test_every_line_of_the_robustness_page_is_proved_by_tests_and_every_such_test_has_a_line() -> None:
    module = docs_module("make_robustness_page")
    entries = {row: text for section in module.rows().values() for row, text in section.items()}
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    marked = set(re.findall(r'robustness\("([^"]+)"', tests))
    assert marked - entries.keys() == set()
    unproved = {row for row, text in entries.items() if "count" not in text and f'"{row}"' not in tests}
    assert unproved == set()
    page = module.PAGE.read_text(encoding="utf-8")
    for row, text in entries.items():
        assert f"| `{row}` | {text['tried']} |" in page, "run python docs/make_robustness_page.py"


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "data" / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
