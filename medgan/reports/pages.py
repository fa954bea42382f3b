"""What all pages share: one base template, its settings, and pictures inside of the page."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from medgan import __version__
from medgan.reports.figures import MARK

if TYPE_CHECKING:
    from PIL import Image


def render(template: str, *, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any) -> str:
    """One HTML page without any reference to another file, for light, dark and paper.

    What it is given is escaped; a name that the template uses and that is not given is an error. Every template
    knows `version` and `mark`, and may pass a script to the filter `checksum` for its content security policy.

    Args:
        template: its name in `templates`; it extends `page.html.j2`.
        filters: more of them.
        values: what the template shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("medgan.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"checksum": _checksum, **(filters or {})}
    return pages.get_template(template).render(version=__version__, mark=MARK, **values)


def embedded(picture: Image.Image, **options: Any) -> str:
    """A picture as base64, for `data:image/...;base64,`: a PNG, or what `format` and other options of Pillow say."""
    stream = io.BytesIO()
    settings: dict[str, Any] = {"format": "PNG", "optimize": True} | options
    picture.save(stream, **settings)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _checksum(script: str) -> str:
    """How a content security policy names the one script that it allows."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") + "'"
