"""NIfTI files and nibabel images to `Scan`: scaled float32 voxels, nibabel's affine, the header as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.files import kind_of
from medgan.scans.checks import check_affine, check_shape, check_voxels
from medgan.scans.hints import hints_for
from medgan.scans.nifti_file import description_of, nifti_suffix, read_stored
from medgan.scans.nifti_writing import has_sound_qform, is_sheared, to_image, write_nifti
from medgan.scans.scan import Affine, Scan, Source, Voxels

__all__ = ["read_nifti", "scan_from_image", "to_image", "write_nifti"]

_DISAGREEMENT = 0.1
"""Millimetres that a corner of the grid may lie apart by sform and by qform before it is told."""
_UNITS = {1: "metres", 3: "micrometres"}
_CONVERT_AGAIN = "Copy the file again, or convert the original again."


def read_nifti(
    path: Path,
    *,
    volume: int | None = None,
    nan_to_zero: bool = False,
    inherited: Sequence[Path] = (),
) -> Scan:
    """Read one volume of a NIfTI-1 or NIfTI-2 file (`.nii`, `.nii.gz`, `.hdr`/`.img`; either byte order).

    Args:
        path: the file; of a pair either one.
        volume: which volume of a file with several, counted from 0 over all axes after the third.
        nan_to_zero: take NaN and infinite voxels as 0, with a warning, instead of refusing them.
        inherited: as in `Found`.

    Returns:
        A scan whose voxels are scaled by `scl_slope` and `scl_inter`, and whose affine is nibabel's: the
        sform where its code is not 0, else the qform, else the spacing alone.

    Raises:
        InputRefusedError: missing, damaged, truncated, too large or too small, complex or colour voxels,
            NaN or infinite voxels, one value everywhere, or an affine that is not finite or singular.
        SeriesChoiceError: the file has several volumes and `volume` does not choose one of them.
    """
    if kind_of(path) != "file":
        raise InputRefusedError("there is no such file", file=path, remedy="Check the path.")
    stored = read_stored(path, volume=volume)
    header = stored.header
    check_shape(stored.raw.shape, file=path)
    affine, geometry_warnings = _geometry(header, stored.raw.shape, path)
    try:
        if np.isinf(header["scl_slope"]):  # which nibabel takes for no scaling, as it does NaN and 0
            raise HeaderDataError("scl_slope is infinite")
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise InputRefusedError(
            f"its scaling is damaged: {error}", file=path, remedy=_CONVERT_AGAIN
        ) from error
    voxels, voxel_warnings = check_voxels(
        _scaled(stored.raw, slope, inter), file=path, nan_to_zero=nan_to_zero
    )
    suffix = nifti_suffix(path)
    stem = path.name.removesuffix(suffix)
    sidecar = path.with_name(stem + ".json")
    hints = hints_for(path, sidecar=sidecar, inherited=inherited, description=description_of(header))
    facts = {
        "dtype": str(stored.raw.dtype.newbyteorder("=")),
        "volumes": stored.volumes,
        "sform_code": int(header["sform_code"]),
        "qform_code": int(header["qform_code"]),
    }
    return Scan(
        voxels=voxels,
        affine=affine,
        header=header,
        contrast=hints.contrast,
        source=Source(path=path, kind="nifti", stem=stem, files=(path,), facts=facts | hints.facts),
        warnings=stored.notes + geometry_warnings + voxel_warnings + hints.warnings,
    )


def scan_from_image(image: Any, *, stem: str = "image", nan_to_zero: bool = False) -> Scan:
    """Take a nibabel image in memory as a scan of kind `array`; its header is copied.

    Args:
        image: a nibabel spatial image, 2D, 3D, or 4D with one volume.
        stem: the name that outputs are called after; the contrast is guessed from it.
        nan_to_zero: take NaN and infinite voxels as 0 instead of refusing them.

    Raises:
        InputRefusedError: as `read_nifti`, the image called by its stem.
        SeriesChoiceError: the image has several volumes.
    """
    named = Path(stem)
    raw = np.asanyarray(image.dataobj)
    if raw.dtype.kind not in "iufb":
        raise InputRefusedError(
            f"its voxels are {raw.dtype}, not one real number each",
            file=named,
            remedy="Convert it to a magnitude image in an integer or float type.",
        )
    if raw.size != int(np.prod((*raw.shape, 1, 1)[:3])):
        raise SeriesChoiceError(
            f"holds {int(np.prod(raw.shape[3:]))} volumes",
            file=named,
            remedy="Pass one: image.slicer[..., n].",
        )
    raw = raw.reshape((*raw.shape, 1, 1)[:3])
    check_shape(raw.shape, file=named)
    is_nifti = isinstance(image, nibabel.Nifti1Pair)
    header = image.header.copy() if is_nifti else None
    warnings: tuple[str, ...] = ()
    if header is not None:
        _, warnings = _geometry(header, raw.shape, named)
    affine = np.array(image.affine, dtype=np.float64)
    check_affine(affine, file=named)
    voxels, voxel_warnings = check_voxels(_scaled(raw, None, None), file=named, nan_to_zero=nan_to_zero)
    hints = hints_for(named, description=description_of(header) if header is not None else "")
    return Scan(
        voxels=voxels,
        affine=affine,
        header=header,
        contrast=hints.contrast,
        source=Source(path=named, kind="array", stem=stem, facts={"dtype": str(raw.dtype)} | hints.facts),
        warnings=warnings + voxel_warnings + hints.warnings,
    )


def _scaled(raw: npt.NDArray[Any], slope: float | None, inter: float | None) -> Voxels:
    """float32 of `raw * slope + inter`, computed in float64, plane by plane to spare memory."""
    voxels = np.empty(raw.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if slope is None:
            voxels[...] = raw
        else:
            for k in range(raw.shape[2]):
                voxels[..., k] = raw[..., k].astype(np.float64) * slope + (inter or 0.0)
    return voxels


def _geometry(header: Any, shape: tuple[int, ...], file: Path) -> tuple[Affine, tuple[str, ...]]:
    """nibabel's affine, and what is odd about it."""
    warnings: list[str] = []
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    try:
        affine = np.array(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise InputRefusedError(f"its qform is damaged: {error}", file=file, remedy=_CONVERT_AGAIN) from error
    check_affine(affine, file=file)
    if sform_code == qform_code == 0:
        warnings.append(
            "Neither sform nor qform is set, so left and right are a guess; the output leaves both unset too."
        )
    if sform_code and not has_sound_qform(header):
        warnings.append(
            "The qform or the spacing is damaged; the output has the sform alone, with qform code 0."
        )
    elif sform_code and is_sheared(affine):
        warnings.append("The sform is sheared; the output keeps it as it is, with qform code 0.")
    elif sform_code and qform_code and not _qform_agrees(header, affine, shape):
        warnings.append("The sform and the qform disagree; the sform was taken, and the output keeps both.")
    if (unit := int(header["xyzt_units"]) & 7) in _UNITS:
        warnings.append(f"The header counts in {_UNITS[unit]}; its numbers were taken as millimetres.")
    return affine, tuple(warnings)


def _qform_agrees(header: Any, affine: Affine, shape: tuple[int, ...]) -> bool:
    """Whether sform and qform put all corners of the grid to the same places, to `_DISAGREEMENT` mm."""
    difference = affine - header.get_qform()
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * [
        *(size - 1 for size in shape[:3]),
        1,
    ]
    distances = np.linalg.norm(corners @ difference[:3].T, axis=1)
    return bool((distances <= _DISAGREEMENT).all())
