"""How Sphinx builds the site; `make docs` lays out its sources first (staging.py)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.domains.python import PyObject

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

import medgan  # noqa: E402 - found by the line above

project = "medgan"
author = "The medgan maintainers"
project_copyright = ""
version = release = medgan.__version__
language = "en"
smartquotes = False  # options begin with two hyphens

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_number_code_blocks = []
suppress_warnings = ["myst.header"]  # a notebook's or changelog's headings may skip a level

default_role = "literal"  # docstrings are written with `names`
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"medgan {release}"
html_static_path = [str(HERE / "static")]
html_css_files = ["medgan.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style, pygments_dark_style = "friendly", "monokai"


def _plain_bars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Formulas in docstrings have bars for absolute values, which reStructuredText takes for substitutions."""
    lines[:] = ["".join(_without_bars(part) for part in re.split(r"(`[^`]*`)", line)) for line in lines]


def _without_bars(part: str) -> str:
    return part if part.startswith("`") else part.replace("|", r"\|")


def _plain_signature(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Defaults that are made anew, and arrays, in few words."""
    return tuple(_shorter(text) for text in (signature, returned))  # type: ignore[return-value]


_ARRAY = re.compile(r"~?[\w.]*ndarray\[tuple\[~?[\w.]*Any, \.\.\.\], ~?[\w.]*dtype\[~?(?:numpy\.)?(\w+)\]\]")


def _shorter(text: str | None) -> str | None:
    return None if text is None else _ARRAY.sub(r"ndarray[\1]", text.replace("<factory>", "..."))


def _dashes(app: Any, doctree: nodes.document) -> None:
    """What parts a parameter from its meaning is a dash; two hyphens elsewhere begin an option."""
    for text in list(doctree.findall(nodes.Text)):
        if str(text) == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-docstring", _plain_bars)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("doctree-read", _dashes)
