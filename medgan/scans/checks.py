"""What voxels must be before anything is done with them, whatever kind of file they came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgan.errors import InputRefusedError
from medgan.scans.scan import Affine, Voxels

SMALLEST_AXIS = 8
"""Voxels that at least two axes must have."""


def check_shape(shape: tuple[int, ...], *, file: Path) -> None:
    """Refuse an image in which fewer than two axes have `SMALLEST_AXIS` voxels.

    Raises:
        InputRefusedError: the image is too small to show a head.
    """
    if sum(size >= SMALLEST_AXIS for size in shape) < 2:
        size = " x ".join(map(str, shape))
        raise InputRefusedError(
            f"an image of {size} voxels is too small to show a head",
            file=file,
            remedy=f"At least two axes need {SMALLEST_AXIS} voxels or more.",
        )


def check_affine(affine: Affine, *, file: Path) -> None:
    """Refuse an affine (4x4, voxel index to mm) that is not finite or cannot be inverted.

    Raises:
        InputRefusedError: NaN, infinity, or axes that are zero or lie in one plane.
    """
    if not np.isfinite(affine).all():
        raise InputRefusedError(
            "its affine holds NaN or infinity, so no voxel has a place",
            file=file,
            remedy="Repair the header (sform, qform, pixdim), for instance by converting the original again.",
        )
    with np.errstate(over="ignore"):
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(spacing).all():
        raise InputRefusedError(
            "its affine has axes of a length beyond all measure",
            file=file,
            remedy="Repair the header (sform, qform, pixdim), for instance by converting the original again.",
        )
    if (spacing <= 0).any() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-4:
        raise InputRefusedError(
            "its affine is singular: two of its axes coincide or one has no length",
            file=file,
            remedy="Repair the header (sform, qform, pixdim), for instance by converting the original again.",
        )


def check_voxels(voxels: Voxels, *, file: Path, nan_to_zero: bool = False) -> tuple[Voxels, tuple[str, ...]]:
    """Give finite voxels and what to warn of.

    Args:
        voxels: float32, shape (I, J, K); changed in place where `nan_to_zero` finds something to change.
        file: named in the refusal.
        nan_to_zero: take NaN and infinite voxels as 0 instead of refusing them.

    Raises:
        InputRefusedError: voxels that are not finite, or one value everywhere.
    """
    bad = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    warnings: tuple[str, ...] = ()
    if bad:
        counted = f"{bad} of {voxels.size} voxels"
        if not nan_to_zero:
            raise InputRefusedError(
                f"{counted} are NaN or infinite",
                file=file,
                remedy="Repair the image; `medgan synthesize --nan-to-zero` takes those voxels as 0.",
            )
        np.nan_to_num(voxels, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        warnings = (f"{counted} were NaN or infinite and were taken as 0.",)
    if voxels.min() == voxels.max():
        raise InputRefusedError(
            f"every voxel is {voxels.flat[0]:g}: there is nothing to see",
            file=file,
            remedy="Check that this is the image you meant, and that its export went well.",
        )
    return voxels, warnings
