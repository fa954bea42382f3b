"""`Scan` to NIfTI, on the source's own grid and with the source's own header codes.

The header starts as the source's, so that sform, qform, both codes, units and spacing stay as they were;
what belonged to the source's voxels (type, scaling, window) is set anew, and what may name a person
(auxiliary file, database name, extensions) is left out.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from medgan.errors import OutputNotWrittenError
from medgan.files import whole_file
from medgan.scans.scan import Affine, Scan, Voxels

_SHEAR = 1e-4
"""Cosine between two axes from which on an affine counts as sheared: 0.03 mm at 256 mm from the origin."""
_NOT_KEPT = dict.fromkeys(("aux_file", "db_name", "data_type", "intent_name", "unused_str"), b"") | {
    "glmin": 0,
    "glmax": 0,
}
"""What may name a person, and the source's range in Analyze's way, with what they are set to; not all versions
have all of them."""
_DESCRIP_BYTES = 79
"""NIfTI's `descrip` has 80 bytes; one ends the text."""


def is_sheared(affine: Affine) -> bool:
    """Whether the axes of a 4x4 affine are not at right angles, so that no quaternion can express them."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(directions.T @ directions - np.eye(3)).max() > _SHEAR)


def has_sound_qform(header: Any) -> bool:
    """Whether the spacing, and the qform where it has a code, are numbers from which a transform follows."""
    try:
        told = header.get_qform() if int(header["qform_code"]) else header["pixdim"][1:4]
        return bool(np.isfinite(told).all())
    except (HeaderDataError, ValueError):
        return False


def to_image(scan: Scan, *, description: str = "") -> nibabel.Nifti1Image | nibabel.Nifti2Image:
    """Make a nibabel image of a scan: float32, unscaled, little-endian, without extensions.

    With a source header, both codes, both transforms, units and spacing are the source's; NIfTI-2 stays
    NIfTI-2 and a 2D image stays 2D. A sheared sform is exact and its qform code 0, as is that of a qform beside
    an sform that is no transform. Where `scan.affine` is not the header's any more (a resampled scan) both
    transforms are set to it under the source's codes, or under 2 where those were 0. Without one, codes and
    units are: DICOM 1/1 (scanner), mm and s; a picture 2/2 (aligned: a convention, no scanner's coordinates),
    no units, since its pixel size is not known; an array 2/2 and mm.

    Args:
        scan: voxels (I, J, K) and affine.
        description: goes to `descrip`, cut to 79 bytes; must name no person.

    Raises:
        OutputNotWrittenError: voxels that are not finite.
    """
    if not np.isfinite(scan.voxels).all():
        raise OutputNotWrittenError("the result has voxels that are NaN or infinite, so it was not written")
    header = _fresh_header(scan) if scan.header is None else _header_of_source(scan)
    header.set_data_dtype(np.float32)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"], header["cal_max"] = _window(scan.voxels)
    header["descrip"] = description.encode()[:_DESCRIP_BYTES].decode(errors="ignore").encode()
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    return kind(scan.voxels.reshape(header.get_data_shape()), header.get_best_affine(), header)


def write_nifti(scan: Scan, path: Path, *, description: str) -> None:
    """Write `to_image(scan)`, whole or not at all; the same scan gives the same bytes.

    A `.nii.gz` is packed by isal where that is installed, in an eighth of the time: other bytes, the same voxels.

    Args:
        scan: what to write.
        path: ends in `.nii` or `.nii.gz`.
        description: what the image is, such as `medgan 1.0 synthetic T2w from T1w`.

    Raises:
        OutputNotWrittenError: voxels that are not finite, another suffix, or the disk refuses.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise OutputNotWrittenError(
            "is not the name of a NIfTI file", file=path, remedy="Let it end in .nii or .nii.gz."
        )
    try:
        image = to_image(scan, description=description)
    except OutputNotWrittenError as error:
        raise OutputNotWrittenError(error.cause, file=path) from error
    with whole_file(path) as temporary:
        if path.name.lower().endswith(".gz"):
            with temporary.open("wb") as file, _packing(file) as stream:
                image.to_stream(stream)
        else:
            image.to_filename(temporary)


def _packing(file: BinaryIO) -> gzip.GzipFile:
    """What packs into a file, without a name or a time in it."""
    try:
        from isal.igzip import IGzipFile as Packing
    except ImportError:
        Packing = gzip.GzipFile  # noqa: N806 - a class
    stream: gzip.GzipFile = Packing(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0)
    return stream


def _header_of_source(scan: Scan) -> Any:
    header = _single_file_header(scan.header)
    shape: tuple[int, ...] = scan.voxels.shape
    if int(header["dim"][0]) == 2 and shape[2] == 1:
        shape = shape[:2]
    if header.get_data_shape() != shape:
        header.set_data_shape(shape)  # also sets the pixdim of axes that are gone to 1
        header["toffset"] = 0
        for name in ("slice_code", "slice_start", "slice_end", "slice_duration"):
            header[name] = 0
    for name, empty in _NOT_KEPT.items():
        if name in header.keys():  # noqa: SIM118 - a NIfTI header iterates over its keys but has no `in`
            header[name] = empty
    header.set_intent("none")
    _place(header, scan.affine)
    return header


def _single_file_header(source: Any) -> Any:
    """A little-endian copy of a header, for one `.nii` file, whether the source was one or a pair."""
    ordered = source.as_byteswapped("<")
    kind = nibabel.Nifti2Header if isinstance(source, nibabel.Nifti2Header) else nibabel.Nifti1Header
    header = kind(ordered.binaryblock, endianness="<", check=False)
    header["magic"] = kind.single_magic
    header["vox_offset"] = 0  # nibabel sets it to the end of the header on writing
    return header


def _place(header: Any, affine: Affine) -> None:
    """Leave sform and qform as they are where they say `affine` already; else set both to it."""
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    sheared = is_sheared(affine)
    if not np.allclose(header.get_best_affine(), affine, rtol=1e-5, atol=1e-6):
        header.set_sform(affine, code=sform_code or qform_code or 2)
        header.set_qform(affine, code=0 if sheared else qform_code)
    elif sform_code and not has_sound_qform(header):
        header.set_qform(affine, code=0)  # with the spacing, which may be no number
    elif sheared:
        header["qform_code"] = 0


def _fresh_header(scan: Scan) -> Any:
    header = nibabel.Nifti2Header() if max(scan.voxels.shape) > 32767 else nibabel.Nifti1Header()
    header.set_data_shape(scan.voxels.shape)
    code = 1 if scan.source.kind == "dicom" else 2
    header.set_sform(scan.affine, code=code)
    header.set_qform(scan.affine, code=0 if is_sheared(scan.affine) else code)
    if scan.source.kind == "dicom":
        header.set_xyzt_units("mm", "sec")
    elif scan.source.kind == "array":
        header.set_xyzt_units("mm")
    return header


def _window(voxels: Voxels) -> tuple[float, float]:
    """The range that viewers show first: from the 0.5th to the 99.5th percentile, of every nth voxel."""
    some = voxels.ravel()[:: max(1, voxels.size // 1_000_000)]
    low, high = np.percentile(some, (0.5, 99.5))
    return float(low), float(high)
