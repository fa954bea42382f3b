"""Each error has its own documented exit code, and names the file, the cause and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgan import errors
from medgan.errors import MedganError


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("MedganError", 1),
        ("UsageError", 2),
        ("InputRefusedError", 3),
        ("SeriesChoiceError", 3),
        ("ModelRefusedError", 4),
        ("OutputNotWrittenError", 5),
        ("ResourceError", 6),
        ("InterruptedByUserError", 130),
    ],
)
def test_exit_codes_are_those_documented(name: str, code: int) -> None:
    kind = getattr(errors, name)
    assert kind("why").exit_code == code
    assert issubclass(kind, MedganError)


def test_an_error_says_file_cause_and_way_out_in_this_order() -> None:
    error = MedganError("is cut short", file="scans/a.nii.gz", remedy="Copy it again.")
    assert str(error) == f"{Path('scans/a.nii.gz')}: is cut short\nCopy it again."
    assert error.file == Path("scans/a.nii.gz")


def test_an_error_without_file_and_remedy_is_its_cause_alone() -> None:
    assert str(MedganError("makes no sense")) == "makes no sense"
