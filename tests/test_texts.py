"""Claims about texts of others: shown, they steer nothing and hide nothing; sorted, numbers count."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgan.errors import InputRefusedError
from medgan.texts import natural_order, printable, printable_lines


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mb\nc", "a\\x1b[31mb\\nc"),
        ("b\udcff", "b\\udcff"),
        ("gnp\u202e.nii", "gnp\\u202e.nii"),
        ("Höhe 山\\x", "Höhe 山\\x"),
    ],
)
def test_what_steers_a_terminal_is_escaped_and_all_else_stays(name: str, shown: str) -> None:
    assert printable(name) == printable(Path(name)) == shown
    shown.encode()


def test_lines_that_are_meant_stay_lines() -> None:
    assert printable_lines("a\n\x1bb\n") == "a\n\\x1bb\n"


def test_an_error_shows_its_file_on_one_line() -> None:
    assert str(InputRefusedError("is cut", file="a\nb\x1b.nii")) == "a\\nb\\x1b.nii: is cut"


def test_natural_order_counts_numbers_and_ignores_case() -> None:
    names = ["b2", "B10", "a", "10", "9", "b2a", "²"]
    assert sorted(names, key=natural_order) == ["9", "10", "a", "b2", "b2a", "B10", "²"]
