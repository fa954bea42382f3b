"""A notebook as a page: its Markdown, its code, and what it showed when it was last run."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def page(notebook: Path, pictures: Path, *, linked: Callable[[str], str]) -> str:
    """The notebook's Markdown.

    Args:
        notebook: the file (nbformat 4).
        pictures: an existing folder beside the page, which gets what it shows.
        linked: leads the links of Markdown.
    """
    content = json.loads(notebook.read_text(encoding="utf-8"))
    parts = []
    for number, cell in enumerate(content["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(linked(source))
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += _shown(cell.get("outputs", []), pictures, f"{notebook.stem}-{number}")
    return "\n\n".join(parts) + "\n"


def _shown(outputs: list[dict[str, Any]], pictures: Path, name: str) -> list[str]:
    parts, said = [], ""
    for index, output in enumerate(outputs):
        if output["output_type"] == "stream":
            said += "".join(output["text"])
            continue
        data = output.get("data", {})
        if "image/png" in data:
            file = pictures / f"{name}-{index}.png"
            file.write_bytes(base64.b64decode("".join(data["image/png"])))
            parts.append(f"![what the code above shows]({pictures.name}/{file.name})")
        elif "text/html" in data:
            parts.append("".join(data["text/html"]).replace("\n\n", "\n"))
        elif "text/plain" in data:
            said += "".join(data["text/plain"]) + "\n"
    if said.strip():
        parts.insert(0, f"```text\n{_ANSI.sub('', said).rstrip()}\n```")
    return parts
