"""Heads as scans, and heads that are not quite the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medgan.scans import Scan, read_nifti

Made = Callable[..., Scan]


@pytest.fixture
def made(head: Callable[..., Path], tmp_path: Path) -> Made:
    """A procedural head as a scan: `made("t2", 1)`; `noise` spoils it, options of `head` change its grid."""

    def make(contrast: str, person: int = 1, *, noise: float = 0.0, seed: int = 0, **grid: object) -> Scan:
        name = f"sub-{person:02d}_{contrast.upper()}w.nii.gz"
        scan = read_nifti(head(tmp_path / "made" / name, contrast, person, **grid))
        spoilt = np.random.default_rng(seed).normal(
            0, max(noise, 1e-9) * scan.voxels.std(), scan.voxels.shape
        )
        return replace(scan, voxels=scan.voxels + np.where(scan.voxels > 0, spoilt, 0).astype(np.float32))

    return make
