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


@dataclass(frozen=True, kw_only=True)
class Slicing:
    """How the pictures of a DICOM series lie in `voxels`.

    Attributes:
        axes: the axes of `voxels` that run from slice to slice, down the rows and along the columns of the
            pictures.
        reverse: whether `voxels` run backwards along each of these.
    """

    axes: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]

    @property
    def slice_axis(self) -> int:
        """The axis of `voxels` along which the slices lie."""
        return self.axes[0]

    @property
    def slice_reversed(self) -> bool:
        """Whether the last slice comes first along `slice_axis`."""
        return self.reverse[0]

    def pictures(self, voxels: Voxels) -> Voxels:
        """A view of shape (slices, rows, columns): item k is the k-th slice, its pixels as its file has them.

        Writing into it writes into `voxels`.
        """
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.reverse)
        pictures: Voxels = voxels.transpose(self.axes)[steps]
        return pictures


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """Where a scan came from; holds no name and no ID of a person.

    Attributes:
        path: the file or folder that the user named (for a series in a folder: the folder).
        kind: `nifti`, `dicom`, `picture` (PNG, JPEG), or `array` (an image in memory).
        stem: the name that outputs are called after.
        files: the files that were read; for DICOM in the order of their position along the normal (row x
            column), one for multi-frame. `slicing` tells where in `voxels` each of them is.
        series: SeriesInstanceUID, for DICOM.
        slicing: how the files' pictures lie in `voxels`, for DICOM: `slicing.pictures(voxels)[k]` are the
            pixels of `files[k]` (of the k-th frame by position, for multi-frame).
        bits: bits per pixel of a picture (8 or 16).
        facts: technical facts for reports: modality, echo times, field strength, dtype ...
    """

    path: Path
    kind: Kind
    stem: str
    files: tuple[Path, ...] = ()
    series: str | None = None
    slicing: Slicing | None = None
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
        from nibabel.orientations import ornt2axcodes

        from medgan.scans.orientation import closest_turns

        return "".join(code or "?" for code in ornt2axcodes(closest_turns(self.affine)))
