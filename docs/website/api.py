"""The Python reference: a page for each package that says by `__all__` what is public, from its docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import sys
from pathlib import Path

WITHOUT = ("medgan.cli",)
"""Whose `__all__` is for no one's programs: the command line has pages of its own."""
ALSO = ("medgan.errors", "medgan.recipe", "medgan.contrasts")
"""Single modules that the packages' functions take, raise or return things of."""


def packages(root: Path) -> list[str]:
    """medgan, and its packages that say what is public."""
    found = []
    for path in sorted((root / "medgan").glob("*/__init__.py")):
        name = f"medgan.{path.parent.name}"
        if "__all__" in path.read_text(encoding="utf-8") and name not in WITHOUT:
            found.append(name)
    return ["medgan", *sorted({*found, *ALSO})]


def pages(root: Path) -> dict[str, str]:
    """File name -> reStructuredText, which autodoc fills; and `index.md` with all of them."""
    names = packages(root)
    made = {f"{name}.rst": _page(name) for name in names}
    lines = [
        "# Python",
        "",
        "What is public, from the docstrings. Everything else may change without notice.",
        "",
    ]
    lines += ["| | |", "|---|---|"]
    for name in names:
        lines.append(f"| [`{name}`]({name}.rst) | {_first_sentence(name)} |")
    listed = "\n".join(names)
    lines += ["", f"```{{toctree}}\n:hidden:\n\n{listed}\n```"]
    return {"index.md": "\n".join(lines) + "\n", **made}


def _page(name: str) -> str:
    # The package's own members by their names: what it only imports for itself is not of the reference.
    module = importlib.import_module(name)
    public = [one for one in getattr(module, "__all__", _own(name)) if not one.startswith("__")]
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    for one in sorted(public, key=str.lower):
        thing = getattr(module, one)
        if inspect.isclass(thing):
            lines += [f".. autoclass:: {name}.{one}", "   :members:", "   :show-inheritance:"]
            lines += ["   :no-index:", ""] if name == "medgan" else [""]  # told once more by its own package
        elif callable(thing):
            lines += [f".. autofunction:: {name}.{one}", ""]
        else:
            lines += [f".. py:data:: {name}.{one}", "", f"   {_said_of(name, one, thing)}", ""]
    return "\n".join(lines)


def _said_of(package: str, name: str, thing: object) -> str:
    """The words after a constant, in the module that defines it."""
    for module in sorted(sys.modules):
        if not module.startswith(package) or vars(sys.modules[module]).get(name) is not thing:
            continue
        body = ast.parse(inspect.getsource(sys.modules[module])).body
        for statement, following in itertools.pairwise(body):
            targets = (
                statement.targets
                if isinstance(statement, ast.Assign)
                else [getattr(statement, "target", None)]
            )
            named = any(isinstance(one, ast.Name) and one.id == name for one in targets)
            if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                return " ".join(str(following.value.value).split())
    return ""


def _own(name: str) -> list[str]:
    """What a module without `__all__` defines and does not begin with an underscore."""
    module = importlib.import_module(name)
    return [
        one
        for one, thing in vars(module).items()
        if not one.startswith("_") and getattr(thing, "__module__", None) == name
    ]


def _first_sentence(name: str) -> str:
    said = inspect.getdoc(importlib.import_module(name)) or ""
    return said.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
