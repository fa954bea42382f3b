"""Write docs/reference/robustness.md from a run of the tests that prove it: python docs/make_robustness_page.py.

Arguments are passed to pytest, such as `-n 2`. A test names its line by `@pytest.mark.robustness("bad-01")`; what
each line says is in docs/reference/robustness_rows.yaml.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from medgan import __version__

HERE = Path(__file__).parent
PAGE = HERE / "reference" / "robustness.md"
ROWS = HERE / "reference" / "robustness_rows.yaml"

_HEAD = """# What has been tried to break it

One line for each kind of bad input, of geometry, of crash, of hostile file, and for what must not leak. *How many*
counts the test cases that ran and passed; where a test draws examples at random, the line says how many it draws.
Written by `python docs/make_robustness_page.py`, which runs the tests (medgan {version}, Python {python}, {system}).
"""


class Tally:
    """A pytest plugin that counts the cases of each line by their outcome."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        rows = [value for key, value in report.user_properties if key == "robustness"]
        for row in rows:
            if report.failed:
                self.failed[row] += 1
            elif report.skipped:
                self.skipped[row] += 1
            elif report.when == "call":
                self.passed[row] += 1


def rows() -> dict[str, dict[str, dict[str, str]]]:
    """Section -> line -> `tried` and `out`."""
    content: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    return content


def page(tally: Tally) -> str:
    """The page's Markdown."""
    lines = [_HEAD.format(version=__version__, python=platform.python_version(), system=platform.system())]
    for section, entries in rows().items():
        lines.append(
            f"\n## {section}\n\n| line | what was tried | how many | what came out |\n|---|---|---|---|\n"
        )
        for row, text in entries.items():
            count = text.get("count") or str(tally.passed[row])
            if tally.skipped[row]:
                count += f" ({tally.skipped[row]} skipped)"
            lines.append(f"| `{row}` | {text['tried']} | {count} | {text['out']} |\n")
    return "".join(lines)


def main(arguments: list[str]) -> int:
    """Run the tests; write the page if all of them pass."""
    tally = Tally()
    root = HERE.parent
    code = pytest.main(
        ["-m", "robustness", "-q", "--rootdir", str(root), str(root / "tests"), *arguments], plugins=[tally]
    )
    if code == 0:
        PAGE.write_text(page(tally), encoding="utf-8", newline="\n")
    shutil.rmtree(root / ".hypothesis", ignore_errors=True)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
