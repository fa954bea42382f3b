"""Lay out the site's sources: the pages of the repository in their places, and those that are made from code."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import api
import commands
import notebook_pages
import pages


def stage(root: Path, out: Path) -> list[str]:
    """Write the sources of the site under `out`, a new folder; gives the names of all pages.

    Raises:
        BrokenLinkError: a page links to a file that is not there.
    """
    out.mkdir(parents=True)
    shown: set[Path] = set()
    found = list(pages.documents(root))
    for path in found:
        target = out / pages.place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        linked = functools.partial(pages.relinked, page=path, root=root, shows=shown.add)
        target.write_text(_text(root / path, target, linked), encoding="utf-8")
    shutil.copytree(root / "docs" / "images", out / "images")
    for path in sorted(shown):
        _show(root, path, out)
    _write(out / "reference" / "commands", commands.pages(_group()))
    _write(out / "reference" / "python", api.pages(root))
    for section in pages.SECTIONS:
        _index(out, section)
    _project(out)
    _menu(out)
    return sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.suffix in (".md", ".rst")
    )


def _group() -> commands.click.Group:
    from medgan.cli.main import cli

    return cli


def _text(path: Path, target: Path, linked: Callable[[str], str]) -> str:
    if path.suffix != ".ipynb":
        return linked(path.read_text(encoding="utf-8"))
    pictures = target.parent / "pictures"
    pictures.mkdir(exist_ok=True)
    return notebook_pages.page(path, pictures, linked=linked)


def _show(root: Path, path: Path, out: Path) -> None:
    """A page with a file of the repository, which is in no menu."""
    target = out / "project" / "files" / f"{path.as_posix()}.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    text = (root / path).read_text(encoding="utf-8").rstrip()
    target.write_text(
        f"---\norphan: true\n---\n\n# `{path.as_posix()}`\n\n````{pages.language(path)}\n{text}\n````\n",
        encoding="utf-8",
    )


def _write(folder: Path, made: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def _index(out: Path, section: str) -> None:
    """The page of a section: what is in it, by title."""
    heading, said = pages.SECTIONS[section]
    folder = out / section
    titles = {path.name: pages.title(path.read_text(encoding="utf-8")) for path in folder.glob("*.md")}
    names = pages.ordered(section, titles)
    listed = [f"- [{titles[name]}]({name})" for name in names]
    if section == "reference":  # what is made from code stands first
        listed = ["- [Commands](commands/index.md)", "- [Python](python/index.md)", *listed]
        names = ["commands/index.md", "python/index.md", *names]
    (folder / "index.md").write_text(_listing(heading, said, listed, names), encoding="utf-8")


def _project(out: Path) -> None:
    folder = out / "project"
    titles = {path.name: pages.title(path.read_text(encoding="utf-8")) for path in folder.glob("*.md")}
    names = [pages.place(Path(name)).name for name in pages.PROJECT]
    names = [name for name in names if name in titles] + sorted(titles.keys() - set(names))
    listed = [f"- [{titles[name]}]({name})" for name in names]
    said = "How it changes, how to take part, what is safe, where data come from."
    (folder / "index.md").write_text(_listing("Project", said, listed, names), encoding="utf-8")


def _menu(out: Path) -> None:
    """The first page leads to the sections, in the menu on the left."""
    sections = "\n".join(f"{section}/index.md" for section in (*pages.SECTIONS, "project"))
    with (out / "index.md").open("a", encoding="utf-8") as file:
        file.write(f"\n```{{toctree}}\n:hidden:\n\n{sections}\n```\n")


def _listing(heading: str, said: str, listed: list[str], names: list[str]) -> str:
    items, tree = "\n".join(listed), "\n".join(names)
    return f"# {heading}\n\n{said}\n\n{items}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
