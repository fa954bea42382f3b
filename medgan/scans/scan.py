"""`Scan`: an image of a head as medgan carries it from reading to writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Voxels = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]
Kind = Literal["nifti", "dicom", "picture", "array"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """Where a scan came from; holds no name and no ID of a person.

    Attributes:
        path: the file or folder that the user named (for a series in a folder: the folder).
        kind: `nifti`, `dicom`, `picture` (PNG, JPEG), or `array` (an image in memory).
        stem: the name that outputs are called after.
        files: the files that were read, for DICOM in the order of `voxels`' last axis (one for multi-frame).
        series: SeriesInstanceUID, for DICOM.
        bits: bits per pixel of a picture (8 or 16).
        facts: technical facts for reports: modality, echo times, field strength, dtype ...
    """

    path: Path
    kind: Kind
    stem: str
    files: tuple[Path, ...] = ()
    series: str | None = None
    bits: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scan:
    """One image, 2D or 3D, on its own grid.

    Attributes:
        voxels: float32, shape (I, J, K), finite, in the file's scaled units; a picture has K = 1, with I
            along its width (left to right) and J along its height (top to bottom).
        affine: 4x4, voxel index to RAS+ millimetres (NIfTI's convention).
        header: the NIfTI header that it was read with, or None for other kinds.
        contrast: `t1`, `t2` or None where nothing tells.
        source: where it came from.
        warnings: what a user should know, one sentence each.
    """

    voxels: Voxels
    affine: Affine
    source: Source
    header: Any | None = None
    contrast: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along the three axes of `voxels`."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @property
    def orientation(self) -> str:
        """Where the three axes of `voxels` point to, such as `LPS`."""
        import nibabel

        return "".join(code or "?" for code in nibabel.aff2axcodes(self.affine))
