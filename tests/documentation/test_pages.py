"""Links lead somewhere, options that pages name exist, and pages that are made from code are what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from snippets import ROOT, anchors, code_spans, docs_module, links, name, pages

from medgan import errors
from medgan.cli.main import cli

OF_OTHERS = {
    *(
        "--nproc-per-node",
        "--max-restarts",
        "--nworkers",
        "--nthreads",
        "--scheduler-file",
        "--local-directory",
    ),
    *("--show", "--jobs", "--keys", "--directive"),  # pipelines/cluster/cohort_slurm.py
    *(
        "--price",
        "--spot",
        "--lost",
        "--slower",
        "--storage",
        "--json",
    ),  # docs/make_planning_page.py, benchmarks
}
"""Options in the text of pages that are of other programs."""


def _options(command: click.Command) -> set[str]:
    found = {one for parameter in command.params for one in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(command, click.Group):
        for one in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), one)
            assert inner is not None
            found |= _options(inner)
    return found | {"--help", "--version"}


def _broken(page: Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    found = []
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            found.append(f"{link}: there is no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            found.append(f"{link}: there is no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    assert _broken(page) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n## Two words\n\n[a](#two-words) [b](#three) [c](other.md) [d](page.md#a-page)\n"
    )
    assert _broken(page) == ["#three: there is no such heading", "other.md: there is no such file"]


@pytest.mark.parametrize("page", pages(), ids=name)
def test_commands_and_options_that_a_page_names_exist(page: Path) -> None:
    commands = set(cli.list_commands(click.Context(cli)))
    known = _options(cli) | OF_OTHERS
    for span in code_spans(page.read_text(encoding="utf-8")):
        words = span.split()
        if words[:1] == ["medgan"] and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
            assert words[1] in commands, f"{span}: there is no such command"
            command = cli.get_command(click.Context(cli), words[1])
            assert command is not None
            for word in words[2:]:
                if word.startswith("--"):
                    assert word.split("=")[0] in _options(command), f"{span}: {words[1]} has no {word}"
        elif span.startswith("--") and not name(page).startswith(("docs/how-to", "pipelines", "CHANGELOG")):
            assert re.split(r"[ =]", span)[0] in known, f"{span}: no command has that option"


def test_the_exit_codes_of_the_command_line_are_those_of_its_errors() -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    known = {
        one.exit_code for _, one in inspect.getmembers(errors, inspect.isclass) if hasattr(one, "exit_code")
    }
    assert told == known | {0, 1}


def test_the_cards_are_those_of_the_model_that_comes_with_medgan() -> None:
    for path, text in docs_module("make_cards").pages().items():
        assert path.read_text(encoding="utf-8") == text, "run python docs/make_cards.py"


def test_the_glossary_has_each_word_once_and_in_a_sentence_or_two() -> None:
    text = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    rows = [
        row
        for row in re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)
        if row[0] not in ("word", "---")
    ]
    words = [word for row in rows for word in row[0].split(", ")]
    assert len(rows) >= 40 and len(words) == len(set(words))
    assert all(len(said) < 260 for _, said in rows)
