"""The site holds every page of the repository, and what is made from code says what the code says."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from snippets import ROOT

from medgan.cli.main import cli

WEBSITE = ROOT / "docs" / "website"


@pytest.fixture(scope="module")
def website() -> Iterator[SimpleNamespace]:
    """The modules of docs/website."""
    sys.path.insert(0, str(WEBSITE))
    try:
        import commands
        import notebook_pages
        import outside
        import pages
        import staging

        yield SimpleNamespace(
            commands=commands, notebook_pages=notebook_pages, outside=outside, pages=pages, staging=staging
        )
    finally:
        sys.path.remove(str(WEBSITE))


@pytest.fixture(scope="module")
def sources(website: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's sources, laid out."""
    out: Path = tmp_path_factory.mktemp("site") / "source"
    website.staging.stage(ROOT, out)
    return out


def _listed(sources: Path) -> set[str]:
    """All pages that a menu leads to."""
    found = {"index.md"}
    for page in sources.rglob("*.md"):
        for tree in re.findall(
            r"```\{toctree\}\n:hidden:\n\n(.*?)\n```", page.read_text(encoding="utf-8"), re.DOTALL
        ):
            for entry in tree.split("\n"):
                file = page.parent / entry
                file = file if file.suffix in (".md", ".rst") and file.exists() else Path(f"{file}.rst")
                found.add(file.relative_to(sources).as_posix())
    return found


def test_every_page_is_in_the_menu(sources: Path, website: SimpleNamespace) -> None:
    listed = _listed(sources)
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]:
        assert website.pages.place(page.relative_to(ROOT)).as_posix() in listed
    made = {
        path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.suffix in (".md", ".rst")
    }
    assert {name for name in made - listed if not name.startswith("project/files/")} == set()


def test_links_of_the_laid_out_pages_lead_somewhere(sources: Path) -> None:
    for page in sources.rglob("*.md"):
        text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page} links to {target}"


def test_the_reference_has_every_command_with_every_option(sources: Path) -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        page = (sources / "reference" / "commands" / f"medgan-{name}.md").read_text(encoding="utf-8")
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            assert all(f"`{one}" in page for one in parameter.opts if one.startswith("-"))


def test_the_reference_of_python_has_what_medgan_says_is_public(sources: Path) -> None:
    import medgan

    page = (sources / "reference" / "python" / "medgan.rst").read_text(encoding="utf-8")
    assert all(f":: medgan.{name}\n" in page for name in medgan.__all__ if not name.startswith("__"))
    protocol = (sources / "reference" / "python" / "medgan.evaluation.rst").read_text(encoding="utf-8")
    assert "The rules that figures are made by" in protocol


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("docs/reference/cli.md", "evaluation.md#grids", "evaluation.md#grids"),
        ("docs/reference/cli.md", "../../SECURITY.md", "../project/security.md"),
        ("docs/reference/cli.md", "../decisions", "../decisions/index.md"),
        ("docs/index.md", "../README.md", "index.md"),
        ("docs/index.md", "tutorials/cyclegan.ipynb", "tutorials/cyclegan.md"),
        ("docs/index.md", "../LICENSE", "project/files/LICENSE.md"),
        ("data/README.md", "make_sample_data.py", "files/data/make_sample_data.py.md"),
        ("CONTRIBUTING.md", "docs/explanation/architecture.md", "../explanation/architecture.md"),
        ("docs/index.md", "https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_a_link_is_led_to_its_place_in_the_site(
    page: str, link: str, led: str, website: SimpleNamespace
) -> None:
    shown: list[Path] = []
    text = website.pages.relinked(f"[x]({link})", Path(page), ROOT, shows=shown.append)
    assert text == f"[x]({led})"
    assert [path.as_posix() for path in shown] == (
        [link.replace("../", "")] if "LICENSE" in link else []
    ) or shown


def test_what_stands_in_a_block_is_left_as_it_is_and_a_link_to_nothing_is_refused(
    website: SimpleNamespace,
) -> None:
    text = "```text\n[x](nowhere.md)\n```\n"
    page = Path("docs/index.md")
    assert website.pages.relinked(text, page, ROOT, shows=print) == text
    with pytest.raises(website.pages.BrokenLinkError, match=r"nowhere\.md"):
        website.pages.relinked("[x](nowhere.md)", page, ROOT, shows=print)


def test_a_notebook_becomes_a_page_with_its_code_and_pictures(
    tmp_path: Path, website: SimpleNamespace
) -> None:
    outputs = [
        {"output_type": "stream", "text": ["said\n"]},
        {"output_type": "display_data", "data": {"image/png": "aGVhZA=="}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n"]},
        {"cell_type": "code", "source": ["print('said')"], "outputs": outputs},
    ]
    notebook = tmp_path / "one.ipynb"
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    page = website.notebook_pages.page(notebook, tmp_path, linked=str.upper)
    assert page.startswith("# TITLE\n") and "```python\nprint('said')\n```" in page
    assert "```text\nsaid\n```" in page and (tmp_path / "one-1-1.png").read_bytes() == b"head"


def test_what_a_page_would_fetch_is_found_and_what_it_links_to_is_not(
    tmp_path: Path, website: SimpleNamespace
) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="https://a.example"></a><link rel="canonical" href="https://b.example">'
        '<script src="https://c.example/x.js"></script><img src="here.png" srcset="//d.example/2x.png 2x">'
        '<link rel="stylesheet" href="https://e.example/x.css"><style>@import url(https://f.example)</style>'
        '<p style="background: url(https://g.example)"></p>',
        encoding="utf-8",
    )
    (tmp_path / "a.css").write_text("@font-face { src: url('https://h.example/font') }", encoding="utf-8")
    found = {re.sub(r"^(https?:)?//|\..*", "", address) for _, address in website.outside.requests(tmp_path)}
    assert found == {"c", "d", "e", "f", "g", "h"}


def test_the_picture_of_the_architecture_has_every_room_and_only_true_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import make_figures

    picture = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    assert html.escape(make_figures.in_words(), quote=False) in picture, (
        "run python docs/make_figures.py architecture.svg"
    )
    edges = make_figures.imports()
    kept = make_figures.direct(edges)
    assert {one for one, _ in kept} <= edges.keys() and all(low in edges[high] for high, low in kept)
    assert make_figures.direct({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == [("a", "b"), ("b", "c")]
    placed = make_figures.arranged([["a"], ["b", "d"], ["c"]], [("a", "b"), ("b", "c"), ("a", "d")], starts=2)
    assert placed.keys() == set("abcd") and placed["a"].y < placed["b"].y == placed["d"].y < placed["c"].y
