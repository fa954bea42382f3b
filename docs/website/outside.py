"""What a browser would fetch from elsewhere when it opens a page: there is to be nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"""@import\s+(?:url\()?["']?([^"')]+)|url\(\s*["']?([^"')]+)""", re.IGNORECASE)
_FETCHING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "embed": "src"}
_LINKS = (
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
)


class _Reader(HTMLParser):
    """Collects the addresses that are fetched without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        if tag in _FETCHING:
            self.found.append(values.get(_FETCHING[tag], ""))
            self.found += [part.split()[0] for part in values.get("srcset", "").split(",") if part.split()]
        if tag == "object":
            self.found.append(values.get("data", ""))
        if tag == "link" and set(values.get("rel", "").split()) & set(_LINKS):
            self.found.append(values.get("href", ""))
        self.found += _addresses(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _addresses(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def requests(site: Path) -> Iterator[tuple[str, str]]:
    """Each page or style sheet of a built site with an address elsewhere that it would fetch."""
    for path in sorted(site.rglob("*")):
        if path.suffix == ".html":
            reader = _Reader()
            reader.feed(path.read_text(encoding="utf-8"))
            found = reader.found
        elif path.suffix == ".css":
            found = _addresses(path.read_text(encoding="utf-8"))
        else:
            continue
        for address in found:
            if _ELSEWHERE.match(address):
                yield path.relative_to(site).as_posix(), address


def _addresses(style: str) -> list[str]:
    return [first or second for first, second in _STYLE.findall(style)]
