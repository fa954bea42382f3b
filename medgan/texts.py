"""Texts of others (names of files, words of headers) as they may be shown, and the order that people expect."""

from __future__ import annotations

import re
from pathlib import Path


def printable(text: str | Path) -> str:
    r"""A text of one line that can steer no terminal and be written as UTF-8, whatever a file system allows.

    What breaks a line, steers a terminal, is not seen or is no Unicode is written as an escape, such as `\x1b`.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in str(text)
    )


def printable_lines(text: str) -> str:
    """As `printable`, for a text whose lines are meant."""
    return "\n".join(printable(line) for line in text.split("\n"))


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers inside of names by their value."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)
