"""Heads made by code, on any grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from medgan.scans.scan import Scan, Source

Floats = npt.NDArray[np.float32]
MakeScan = Callable[..., Scan]


def head(shape: tuple[int, int, int] = (32, 40, 24)) -> Floats:
    """A skin of 300, a dark skull, a brain of 100 to 200 with a ventricle, and a lesion that tells the sides.

    Canonical axes; the background is exactly zero.
    """
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    radius = np.sqrt((x / 0.85) ** 2 + (y / 0.85) ** 2 + (z / 1.1) ** 2)
    voxels = np.where(radius < 1, 300.0, 0.0)
    voxels[radius < 0.9] = 12.0
    brain = radius < 0.8
    voxels[brain] = (150 + 50 * np.sin(4 * x + 1) * np.cos(3 * y) * np.cos(2 * z))[brain]
    voxels[np.sqrt(x**2 + (y - 0.1) ** 2 + z**2) < 0.2] = 20.0
    voxels[np.sqrt((x - 0.4) ** 2 + (y + 0.3) ** 2 + (z - 0.2) ** 2) < 0.2] = 260.0
    return voxels.astype(np.float32)


def scan_of(voxels: Floats, affine: npt.ArrayLike = (1.0, 1.0, 1.0)) -> Scan:
    """A scan in memory; `affine` is a matrix or three spacings."""
    matrix = np.asarray(affine, dtype=np.float64)
    matrix = np.diag([*matrix, 1.0]) if matrix.ndim == 1 else matrix
    source = Source(path=Path("head.nii"), kind="array", stem="head")
    header = nibabel.Nifti1Header()
    return Scan(voxels=voxels, affine=matrix, header=header, contrast="t1", source=source)


@pytest.fixture
def make_head() -> Callable[..., Floats]:
    return head


@pytest.fixture
def make_scan() -> MakeScan:
    return scan_of
