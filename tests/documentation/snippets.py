"""Pages of the documentation, taken apart: fenced blocks with what is said about running them, links, headings."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
RUN = ("bash", "python")
SHOWN = ("text", "yaml", "json", "toml", "dockerfile", "ini", "javascript", "html", "xml")
"""Languages of blocks that are looked at: output, trees of files, formulas, configuration."""
ELSEWHERE = {
    "pipelines/default_model/README.md": "its commands are the stages of a training of hours on real scans"
}
"""Pages of which no block is run, and why."""
_MARK = re.compile(r"<!--\s*(not run|needs):\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: where its fence opens, counted from 1.
        language: what stands after the fence; `` where nothing does, `indented` of code that is not fenced.
        code: what is in it.
        not_run: why it is not run; empty where it is.
        needs: programs and Python modules without which it is not run.
    """

    line: int
    language: str
    code: str
    not_run: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What it needs and this machine has not."""
        return [name for name in self.needs if not _is_there(name)]


def pages() -> list[Path]:
    """All Markdown that users read: the README, docs/, and what they lead to."""
    found = [
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "data/README.md")
    ]
    found += [*(ROOT / "pipelines").glob("*/README.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(found)


def name(page: Path) -> str:
    """A page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[Block]:
    """All blocks of code of a page, in their order."""
    mark: tuple[str, str] | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in ("fence", "code_block"):
            kind, said = mark or ("", "")
            yield Block(
                line=(token.map or [0])[0] + 1,
                language=token.info.strip() if token.type == "fence" else "indented",
                code=token.content,
                not_run=said if kind == "not run" else None,
                needs=tuple(re.split(r"[,\s]+", said)) if kind == "needs" else (),
            )
        mark = None
        if token.type == "html_block" and (match := _MARK.search(token.content)):
            mark = (match[1], match[2])


def complaints(page: Path) -> Iterator[str]:
    """What is wrong with the blocks of a page, before any is run."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(text):
        where = f"{name(page)}:{block.line}"
        if block.language == "indented":
            yield f"{where}: code that is indented; fence it, and say its language"
        elif block.language not in RUN + SHOWN:
            yield f"{where}: {block.language or 'no'} language; it is one of {', '.join(RUN + SHOWN)}"
        elif block.language == "text" and re.search(
            r"^\$ |^\s*(medgan [a-z]+( |$)|make [a-z]+$|pip install)", block.code, re.MULTILINE
        ):
            yield f"{where}: a command in a block of text; commands are bash"
        if block.not_run is not None and len(block.not_run.split()) < 2:
            yield f"{where}: it says that it is not run, and not why"
        if block.needs and not all(block.needs):
            yield f"{where}: it needs something that has no name"
        if (block.not_run is not None or block.needs) and block.language not in RUN:
            yield f"{where}: blocks of {block.language} are never run"
    marks = list(re.finditer(r"<!--(.*?)-->", text, re.DOTALL))
    used = sum(block.not_run is not None or bool(block.needs) for block in blocks(text))
    if len(marks) != used:
        yield f"{name(page)}: a comment that is not `not run: REASON` or `needs: NAMES` right before a block"


def runs(page: Path) -> bool:
    """Whether a page has something to run."""
    return name(page) not in ELSEWHERE and any(
        block.language in RUN for block in blocks(page.read_text(encoding="utf-8"))
    )


def _is_there(wanted: str) -> bool:
    if shutil.which(wanted):
        return True
    try:
        return importlib.util.find_spec(wanted) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def links(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                yield str(target)


def anchors(text: str) -> set[str]:
    """The names that the headings of a page have as targets of links."""
    found: set[str] = set()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in following.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            number = sum(
                one == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", one) is not None for one in found
            )
            found.add(f"{slug}-{number}" if slug in found else slug)
    return found


def code_spans(text: str) -> Iterator[str]:
    """What stands in single backticks."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content


def docs_module(file: str) -> Any:
    """A script of docs/, by its name without `.py`."""
    spec = importlib.util.spec_from_file_location(file, ROOT / "docs" / f"{file}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
