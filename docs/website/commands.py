"""The command reference, from the commands themselves: what `medgan COMMAND --help` says, as pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from medgan import errors

_BLOCK = "\b"


def commands(
    group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Each command with its full name, groups before what is in them."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        within = click.Context(command, info_name=name, parent=context)
        yield within.command_path, command, within
        if isinstance(command, click.Group):
            yield from commands(command, within)


def pages(group: click.Group, name: str = "medgan") -> dict[str, str]:
    """File name -> Markdown: a page for each command, and `index.md` with all of them and the exit codes."""
    context = click.Context(group, info_name=name, **group.context_settings)
    found = list(commands(group, context))
    made = {f"{path.replace(' ', '-')}.md": _page(path, command, within) for path, command, within in found}
    lines = ["# Commands", "", *_prose(group.help or ""), ""]
    lines += ["| command | |", "|---|---|"]
    for path, command, _ in found:
        lines.append(
            f"| [`{path}`]({path.replace(' ', '-')}.md) | {_cell(command.get_short_help_str(200))} |"
        )
    lines += ["", "Options that it has itself:", "", *_options(group, context), ""]
    lines += ["## Exit codes", "", *exit_codes(), ""]
    listed = "\n".join(made)
    lines += [f"```{{toctree}}\n:hidden:\n\n{listed}\n```"]
    return {"index.md": "\n".join(lines) + "\n", **made}


def exit_codes() -> list[str]:
    """A table of medgan's errors by their exit codes; each is a class in `medgan.errors`."""
    rows = {0: "Done.", 1: "A fault in medgan: please report it."}
    known = [
        one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.MedganError)
    ]
    for one in known:
        if "exit_code" in vars(one) and one is not errors.MedganError:
            rows[one.exit_code] = f"{inspect.getdoc(one) or ''} (`{one.__name__}`)"
    return ["| code | |", "|---|---|", *(f"| {code} | {_cell(rows[code])} |" for code in sorted(rows))]


def _page(path: str, command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"# {path}", "", *_prose(command.help or ""), "", f"```text\n{path} {usage}\n```", ""]
    lines += [*_options(command, context), "", *_prose(command.epilog or "")]
    return "\n".join(lines) + "\n"


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines = ["| option | what it does |", "|---|---|"]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:  # arguments that speak for themselves are in the usage
            names, said = record
            lines.append(f"| {_names(names)} | {_cell(said)} |")
    return lines


def _names(names: str) -> str:
    return ", ".join(f"`{_one_line(one.strip())}`" for one in re.split(r", (?=-)", names))


def _prose(text: str) -> list[str]:
    r"""Help as Markdown: paragraphs, and blocks after `\b` as they stand, but for a first line that ends in a colon."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.strip(f"\n {_BLOCK}"):
            continue
        if paragraph.lstrip().startswith(_BLOCK):
            lines += _verbatim(paragraph.lstrip().removeprefix(_BLOCK).strip("\n"))
        else:
            lines += [_escaped(" ".join(paragraph.split())), ""]
    return lines


def _verbatim(block: str) -> list[str]:
    first, _, rest = block.partition("\n")
    if rest and first.rstrip().endswith(":"):
        return [first.strip(), "", f"```text\n{inspect.cleandoc(rest)}\n```", ""]
    return [f"```text\n{inspect.cleandoc(block)}\n```", ""]


def _escaped(text: str) -> str:
    """Words with a star or an underscore are no emphasis; options are code, and what is in backticks stays so."""
    parts = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][a-z0-9-]*)", text)
    return "".join(map(_part, parts))


def _part(part: str) -> str:
    if part.startswith("--"):
        return f"`{part}`"
    return part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part)


def _cell(text: str) -> str:
    return _escaped(_one_line(text))


def _one_line(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
