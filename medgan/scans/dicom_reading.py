"""A DICOM series -> `Scan`, on the grid that dcm2niix gives it by default (see `dicom_layout`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from medgan.contrasts import is_of_another_contrast
from medgan.errors import InputRefusedError
from medgan.scans.dicom_geometry import arrange, place_of
from medgan.scans.dicom_headers import Plane
from medgan.scans.dicom_layout import lay_out
from medgan.scans.dicom_pixels import stored_pixels
from medgan.scans.dicom_series import Series, choose_echo, list_series
from medgan.scans.hints import ALREADY_SYNTHETIC, OTHER_CONTRAST
from medgan.scans.scan import Scan, Slicing, Source, Voxels

__all__ = ["Series", "choose_echo", "list_series", "read_series"]


def read_series(series: Series, *, path: Path, stem: str) -> Scan:
    """Read the voxels of a series.

    Args:
        series: one of `list_series`, or a part of one from `choose_echo`.
        path: the file or folder that the user named.
        stem: the name that outputs are called after.

    Returns:
        A scan whose voxels are rescaled slice by slice; `source.slicing` tells where in them the slices of
        `source.files` are (or the frames of a multi-frame file, by position).

    Raises:
        SeriesChoiceError: several images lie at one position.
        InputRefusedError: the series has an objection, a faulty geometry, or pixels that cannot be used.
    """
    if series.refusal is not None:
        raise series.refusal
    planes, of_pictures = arrange(series.planes)
    shape = (planes[0].columns, planes[0].rows, len(planes))
    affine, slicing = lay_out(of_pictures, shape, volumetric=all(plane.volumetric for plane in planes))
    voxels = _voxels(planes, slicing)
    where = place_of(planes)
    if not np.isfinite(voxels).all():
        raise InputRefusedError(
            "has values that are not finite once rescaled", file=where, remedy="Export the series again."
        )
    if voxels.min() == voxels.max():
        raise InputRefusedError(
            f"is blank: every voxel is {voxels.flat[0]:g}",
            file=where,
            remedy="Choose another series with --series.",
        )
    return Scan(
        voxels=voxels,
        affine=affine,
        contrast=series.contrast,
        source=Source(
            path=path,
            kind="dicom",
            stem=stem,
            files=tuple(dict.fromkeys(plane.file for plane in planes)),
            series=series.uid,
            slicing=slicing,
            facts=dict(series.facts),
        ),
        warnings=tuple(_warnings(planes)),
    )


def _voxels(planes: list[Plane], slicing: Slicing) -> Voxels:
    first = planes[0]
    sizes = dict(zip(slicing.axes, (len(planes), first.rows, first.columns), strict=True))
    voxels = np.empty((sizes[0], sizes[1], sizes[2]), dtype=np.float32)
    pictures = slicing.pictures(voxels)
    slices_of: dict[Path, list[int]] = {}
    for k, plane in enumerate(planes):
        slices_of.setdefault(plane.file, []).append(k)
    for file, slices in slices_of.items():
        frames = [planes[k].frame for k in slices]
        for k, pixels in zip(
            slices, stored_pixels(file, frames, rows=first.rows, columns=first.columns), strict=True
        ):
            with np.errstate(over="ignore"):  # infinite ones are refused afterwards
                pictures[k] = (pixels * planes[k].slope + planes[k].intercept).astype(np.float32)
    return voxels


def read_pictures(planes: Sequence[Plane]) -> Iterator[Voxels]:
    """The pictures of some slices, one by one and rescaled: shape (rows, columns), as their files have them.

    Raises:
        InputRefusedError: pixels that cannot be used.
    """
    for plane in planes:
        stored = stored_pixels(plane.file, [plane.frame], rows=plane.rows, columns=plane.columns)
        with np.errstate(over="ignore"):
            yield (next(stored) * plane.slope + plane.intercept).astype(np.float32)


def _warnings(planes: list[Plane]) -> list[str]:
    found = []
    if any(plane.synthetic for plane in planes):
        found.append(ALREADY_SYNTHETIC)
    if any(plane.lossy for plane in planes):
        found.append("The images have been compressed lossily before.")
    first = planes[0]
    if not first.synthetic and is_of_another_contrast(
        first.names,
        echo_time=first.facts.get("echo_time"),
        inversion_time=first.facts.get("inversion_time"),
    ):
        found.append(OTHER_CONTRAST)
    kinds = {word for plane in planes for word in str(plane.facts.get("image_type", "")).split("\\")[2:]}
    if kinds & {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY"} and not kinds & {"M", "MAGNITUDE"}:
        found.append("The images are not magnitude images, so they are neither T1w nor T2w.")
    return found
