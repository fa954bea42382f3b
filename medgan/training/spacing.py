"""One pixel size for both contrasts: networks cannot tell a thick cortex from a fine grid."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError

from medgan.recipe import Recipe
from medgan.scans import Found, find_scans
from medgan.scans.orientation import closest_turns


def settle_spacing(recipe: Recipe, folders: Iterable[Path]) -> Recipe:
    """Put a number in the place of `spacing: auto`: the coarser of the contrasts' median pixel sizes.

    The finer contrast is averaged rather than the coarser one blown up. Headers alone are read. Pictures do not
    count: their pixel size is not known, and they are never resampled by it.
    """
    if recipe.preparation.spacing != "auto":
        return recipe
    medians = []
    for folder in folders:
        sizes = [size for found in find_scans(folder) if (size := pixel_size(found)) is not None]
        if sizes:
            medians.append(statistics.median(sizes))
    spacing = round(max(medians), 3) if medians else None
    preparation = recipe.preparation.model_copy(update={"spacing": spacing})
    return recipe.model_copy(update={"preparation": preparation})


def pixel_size(found: Found) -> float | None:
    """Size in mm of a scan's smallest pixel side in the axial plane (DICOM: in its own), from its header.

    None for a picture, and where the header cannot be read; reading the scan will say why.
    """
    if found.refusal is not None or found.kind == "picture":
        return None
    if found.series is not None:
        sizes = found.series.planes[0].spacing or ()
        return min(sizes) if sizes else None
    try:
        affine = nibabel.load(found.path).affine
    except (OSError, EOFError, ValueError, ImageFileError):
        return None
    if not np.isfinite(affine).all():
        return None
    turned = voxel_sizes(affine)
    axes = closest_turns(affine)[:, 0]
    in_plane = [float(size) for size, axis in zip(turned, axes, strict=True) if axis in (0, 1)]
    return min(in_plane) if in_plane and np.isfinite(in_plane).all() and min(in_plane) > 0 else None
