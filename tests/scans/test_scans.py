"""Claims about the room's door: every public name is there, and opening it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

import medgan.scans


def test_every_public_name_is_a_thing_and_no_module() -> None:
    for name in medgan.scans.__all__:
        assert callable(getattr(medgan.scans, name)), name
        assert not isinstance(getattr(medgan.scans, name), types.ModuleType)
    with pytest.raises(AttributeError, match="nothing"):
        _ = medgan.scans.nothing


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import medgan.scans", ("nibabel", "PIL", "pydicom", "torch", "monai")),
        ("from medgan.scans import read_scan, write_nifti, write_sidecar", ("torch", "monai")),
    ],
)
def test_nothing_heavy_is_imported(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}; import sys; sys.exit(any(name in sys.modules for name in {absent!r}))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
