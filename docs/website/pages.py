"""Which pages the site has, where each lies in it, and how their links are led there.

Pages are written for whoever reads the repository: links are relative to the file they are in. Here each file gets its
place in the site: `docs/how-to/bids.md` becomes `how-to/bids.md`, what lies elsewhere goes to `project/`, and a file of
code that a page links to becomes a page that shows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

SECTIONS = {
    "tutorials": ("Tutorials", "To learn by doing, from the first command to the last, in the order given."),
    "how-to": ("How-to guides", "To get one thing done."),
    "reference": ("Reference", "To look things up: commands, settings, figures, formats, the Python API."),
    "explanation": ("Explanation", "To understand why it is as it is, what has been measured, and what not."),
    "decisions": ("Decisions", "What was decided, on what grounds, and what follows from it."),
}
FIRST = {
    "tutorials": ("first-synthesis.md", "your-own-slices.md"),
    "reference": ("cli.md", "python.md", "recipes.md"),
    "explanation": ("architecture.md", "limits-and-safety.md", "measured.md", "default-model.md"),
}
"""What comes first in a section; all else follows by title, decisions by number."""
PROJECT = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "data/README.md",
    "pipelines/default_model/README.md",
)
"""Pages beside docs/ that the site holds, in this order; pages that are found elsewhere follow."""
SUFFIXES = (".md", ".ipynb")
_SHOWN = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".cff": "yaml", ".toml": "toml", ".json": "json"}
_SHELL = (".sbatch", ".sh")
_LINK = re.compile(r"(?P<start>\]\()(?P<target>[^)\s]+)(?P<end>\))")
_FENCE = re.compile(r"^\s*(```|~~~)")


class BrokenLinkError(Exception):
    """A link leads to no file."""


def documents(root: Path) -> Iterator[Path]:
    """All pages of docs/, and those beside it that the site holds; relative to the repository."""
    for path in sorted((root / "docs").rglob("*")):
        if path.suffix in SUFFIXES and "website" not in path.parts:
            yield path.relative_to(root)
    for name in PROJECT:
        if (root / name).exists():
            yield Path(name)
    for path in sorted((root / "pipelines").glob("*/README.md")):
        if (found := path.relative_to(root)).as_posix() not in PROJECT:
            yield found


def place(path: Path) -> PurePosixPath:
    """Where a file of the repository lies in the site's sources."""
    posix = PurePosixPath(path.as_posix())
    if posix.parts[0] == "docs":
        return PurePosixPath(*posix.parts[1:]).with_suffix(
            ".md" if posix.suffix in SUFFIXES else posix.suffix
        )
    if posix.suffix == ".md":
        name = "-".join(posix.parts).lower().replace("-readme", "")
        return PurePosixPath("project") / name
    return PurePosixPath("project/files") / f"{posix}.md"


def language(path: Path) -> str:
    """What to highlight a shown file as."""
    if path.name.startswith("Makefile"):
        return "make"
    return "bash" if path.suffix in _SHELL else _SHOWN.get(path.suffix, "text")


def relinked(text: str, page: Path, root: Path, *, shows: Callable[[Path], None]) -> str:
    """A page's Markdown with links that hold in the site.

    Args:
        text: the Markdown.
        page: the file it is of, relative to `root`.
        root: the repository.
        shows: called with each file, relative to `root`, that is linked to and is no page itself.

    Raises:
        BrokenLinkError: a link to a file that is not there.
    """
    here = place(page).parent

    def led(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        found = Path(os.path.normpath(page.parent / target))
        if not (root / found).exists():
            raise BrokenLinkError(f"{page} links to {target}, which is not there")
        there = _there(found, root, shows)
        path = os.path.relpath(there, here).replace(os.sep, "/")
        return f"{match['start']}{path}{'#' if anchor else ''}{anchor}{match['end']}"

    fenced, lines = False, []
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else _LINK.sub(led, _escaped(line)))
    return "\n".join(lines)


def _escaped(line: str) -> str:
    """Lines that begin with a percent sign are comments in MyST, and text everywhere else."""
    return f"\\{line}" if line.startswith("%") else line


def _there(found: Path, root: Path, shows: Callable[[Path], None]) -> PurePosixPath:
    if found.as_posix() == "README.md":
        return PurePosixPath("index.md")
    if (root / found).is_dir():
        section = place(found / "index.md")
        return section if found.parts[0] == "docs" else PurePosixPath("project/index.md")
    if found.suffix not in SUFFIXES and "images" not in found.parts:
        shows(found)
        return (
            place(found)
            if found.parts[0] != "docs"
            else PurePosixPath("project/files") / f"{found.as_posix()}.md"
        )
    if found.suffix == ".md" and found not in set(documents(root)):
        raise BrokenLinkError(
            f"{found} is linked to and is no page of the site: list it in docs/website/pages.py"
        )
    return place(found)


def title(text: str) -> str:
    """The first heading of a page."""
    match = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return match[1].strip() if match else ""


def ordered(section: str, titles: dict[str, str]) -> list[str]:
    """The pages of a section, by name: those of `FIRST`, then by title; decisions by number."""
    first = [name for name in FIRST.get(section, ()) if name in titles]
    rest = [name for name in titles if name not in first and name != "index.md"]
    return first + sorted(rest, key=lambda name: name if section == "decisions" else titles[name].lower())
