"""FreeSurfer's volumes (.mgz, .mgh) to `Scan`: label maps come so, with their place in scanner coordinates."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spatialimages import HeaderDataError

from medgan.errors import InputRefusedError
from medgan.files import kind_of
from medgan.scans.checks import check_affine, check_shape, check_voxels
from medgan.scans.nifti_file import VOLUME_LIMIT
from medgan.scans.packing import COPY_AGAIN, mgh_suffix, take_bytes, telling, unpacked_head
from medgan.scans.scan import Scan, Source

_VOXELS_AT = 284
"""Where the voxels begin (FreeSurfer's MGH format, version 1)."""
_FLAG = slice(28, 30)
"""Where the header says whether it tells how the volume lies (goodRASFlag)."""
_CORONAL = ((-1, 0, 0), (0, 0, -1), (0, 1, 0))
"""How FreeSurfer takes a volume that does not: voxel axes to the left, down and forward."""


def read_mgh(path: Path) -> Scan:
    """Read a FreeSurfer volume of one frame.

    Returns:
        A scan of the voxels as stored, with the affine from the header's centre and direction cosines (`vox2ras`,
        not the tkregister coordinates that surfaces are in).

    Raises:
        InputRefusedError: missing, damaged, cut short, too large or too small, several frames, one value everywhere,
            or an affine that is not finite or singular.
    """
    if kind_of(path) != "file":
        raise InputRefusedError("there is no such file", file=path, remedy="Check the path.")
    header = _header(path)
    shape, dtype = _layout(header, path)
    size = math.prod(shape) * dtype.itemsize
    with telling(path):
        taken = take_bytes(path, start=_VOXELS_AT, size=size, end=_VOXELS_AT + size, named=path)
    affine = np.array(header.get_affine(), dtype=np.float64)
    check_affine(affine, file=path)
    raw = taken.view(dtype).reshape(shape, order="F")
    voxels, warnings = check_voxels(np.asarray(raw, np.float32), file=path)
    facts = {"dtype": str(dtype.newbyteorder("="))}
    return Scan(
        voxels=voxels,
        affine=affine,
        header=None,
        contrast=None,
        source=Source(
            path=path,
            kind="array",
            stem=path.name.removesuffix(mgh_suffix(path)),
            files=(path,),
            facts=facts,
        ),
        warnings=warnings,
    )


def _header(path: Path) -> MGHHeader:
    block = unpacked_head(path, _VOXELS_AT)
    if len(block) < _VOXELS_AT:
        raise InputRefusedError("is cut short: it has no header", file=path, remedy=COPY_AGAIN)
    try:
        header = MGHHeader(block[: MGHHeader._hdrdtype.itemsize], check=True)
    except (HeaderDataError, ValueError) as error:
        raise InputRefusedError(
            "is not a FreeSurfer volume, or its header is damaged", file=path, remedy=COPY_AGAIN
        ) from error
    if (
        block[_FLAG] == b"\0\0"
    ):  # nibabel 5.4 takes its default for transposed, so that the head stands on its vertex
        header["Mdc"] = _CORONAL
    return header


def _layout(header: MGHHeader, path: Path) -> tuple[tuple[int, int, int], np.dtype[np.generic]]:
    """Shape and type of the voxels."""
    x, y, z, frames = (int(side) for side in header["dims"])
    if min(x, y, z, frames) < 1 or x * y * z > VOLUME_LIMIT:
        raise InputRefusedError(
            f"its header claims {x} x {y} x {z} x {frames} voxels", file=path, remedy=COPY_AGAIN
        )
    if frames > 1:
        raise InputRefusedError(
            f"holds {frames} frames, and a label map has one",
            file=path,
            remedy="Take one out: mri_convert --frame 0 IN.mgz OUT.mgz.",
        )
    check_shape((x, y, z), file=path)
    try:
        return (x, y, z), np.dtype(header.get_data_dtype())
    except KeyError as error:
        raise InputRefusedError(
            f"its voxels have an unknown data type ({error})", file=path, remedy=COPY_AGAIN
        ) from error
