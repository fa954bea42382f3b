"""Shared by all tests: where real data would lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans (see data/README.md); tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MEDGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set MEDGAN_DATA)")
    return folder
