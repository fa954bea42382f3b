"""Where the slices of a series lie: their order along the normal (row x column), and their affine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans.dicom_headers import Plane
from medgan.scans.scan import Affine

#: Direction cosines of one stack may differ by this much from each other ...
SAME_ORIENTATION = 1e-3
#: ... and their lengths and their product from 1, 1 and 0 (headers round to three decimals at worst).
ORTHONORMAL = 2e-3
#: Slices nearer to each other than this, in mm, lie at one position.
SAME_POSITION = 0.01
#: A slice may lie this fraction of the slice distance away from its place on an even grid.
EVEN = 0.1
#: A slice may lie this fraction of a pixel, and 0.01 mm of rounding, beside the normal through the first one.
UPRIGHT = 0.1

_Vector = npt.NDArray[np.float64]
_LISTED = 6


def arrange(planes: Sequence[Plane]) -> tuple[list[Plane], Affine]:
    """Sort the planes of one stack by their position along its normal and find the affine of the volume.

    Args:
        planes: at least one, with one matrix.

    Returns:
        The planes in ascending order along the normal, and the 4x4 affine from [column, row, slice], as the
        pictures have them, to RAS+ millimetres.

    Raises:
        SeriesChoiceError: several planes at one position.
        InputRefusedError: a plane that has an objection, no sound position, orientation or spacing; missing
            slices, uneven gaps, or a stack that is tilted.
    """
    for plane in planes:
        if plane.objection is not None:
            raise plane.objection
    row, column = _axes(planes)
    spacing = _pixel_spacing(planes)
    normal = np.cross(row, column)
    normal /= np.linalg.norm(normal)
    places = np.array([_position(plane) for plane in planes])
    order = np.argsort(places @ normal, kind="stable")
    ordered, places = [planes[i] for i in order], places[order]
    heights = places @ normal
    _refuse_duplicates(ordered, heights)
    _refuse_gaps(ordered, heights)
    _refuse_tilt(ordered, places, normal, spacing)
    step = (heights[-1] - heights[0]) / (len(ordered) - 1) if len(ordered) > 1 else ordered[0].depth
    affine = np.eye(4)
    # PS3.3 C.7.6.2.1.1; PixelSpacing is between rows, then between columns.
    affine[:3] = np.stack([row * spacing[1], column * spacing[0], normal * step, places[0]], axis=1)
    affine[:2] *= -1  # DICOM's patient axes are LPS, NIfTI's world is RAS
    return ordered, affine


def same_orientation(first: Plane, second: Plane) -> bool:
    """Whether two planes belong to stacks that are parallel; planes without an orientation keep together."""
    a, b = first.orientation, second.orientation
    if a is None or b is None or len(a) != 6 or len(b) != 6:
        return a == b
    return bool(np.allclose(a, b, rtol=0, atol=SAME_ORIENTATION, equal_nan=True))


def plane_name(orientation: tuple[float, ...] | None) -> str:
    """`axial`, `sagittal` or `coronal`, whichever is nearest; `unknown` where no orientation tells."""
    if orientation is None or len(orientation) != 6 or not np.isfinite(orientation).all():
        return "unknown"
    normal = np.abs(np.cross(orientation[:3], orientation[3:]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())] if normal.any() else "unknown"


def place_of(planes: Sequence[Plane]) -> Path:
    """The file or folder that a message about the whole stack should name."""
    return planes[0].file if len({plane.file for plane in planes}) == 1 else planes[0].file.parent


def _axes(planes: Sequence[Plane]) -> tuple[_Vector, _Vector]:
    for plane in planes:
        if plane.orientation is None or len(plane.orientation) != 6:
            raise _refused(
                plane.file, "has no ImageOrientationPatient, so that no one can say which way it faces"
            )
        row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
        lengths = np.linalg.norm(row), np.linalg.norm(column)
        if not max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) <= ORTHONORMAL:
            raise _refused(
                plane.file, "has an ImageOrientationPatient that is not two unit vectors at right angles"
            )
    first = planes[0].orientation or ()
    row, column = np.array(first[:3], dtype=np.float64), np.array(first[3:], dtype=np.float64)
    return row / np.linalg.norm(row), column / np.linalg.norm(column)


def _pixel_spacing(planes: Sequence[Plane]) -> tuple[float, float]:
    for plane in planes:
        spacing = plane.spacing
        if spacing is None or len(spacing) != 2:
            raise _refused(plane.file, "has no PixelSpacing, so that its size is unknown")
        if not (np.isfinite(spacing).all() and min(spacing) > 0):
            raise _refused(
                plane.file, f"has a PixelSpacing of {spacing[0]:g} x {spacing[1]:g} mm, which is no size"
            )
        if not np.allclose(spacing, planes[0].spacing or (), rtol=1e-3):
            raise _refused(place_of(planes), "has slices of different PixelSpacing")
    between_rows, between_columns = planes[0].spacing or (1.0, 1.0)
    return between_rows, between_columns


def _position(plane: Plane) -> tuple[float, ...]:
    if plane.position is None or len(plane.position) != 3 or not np.isfinite(plane.position).all():
        raise _refused(plane.file, "has no ImagePositionPatient, so that no one can say where it lies")
    return plane.position


def _refuse_duplicates(planes: Sequence[Plane], heights: _Vector) -> None:
    twice = np.flatnonzero(np.diff(heights) < SAME_POSITION)
    if not len(twice):
        return
    where = place_of(planes)
    counts = Counter((plane.instance, plane.frame) for plane in planes)
    if any(count > 1 and instance for (instance, _), count in counts.items()):
        raise InputRefusedError(
            "holds images of the series more than once (the same SOPInstanceUID)",
            file=where,
            remedy="Remove the copies, or give a folder that holds the series once.",
        )
    positions = _listed(heights[twice])
    echoes = echo_times(planes)
    if len(echoes) > 1:
        raise SeriesChoiceError(
            f"has slices at one position, with echo times of {_listed(echoes)} ms (at {positions} mm)",
            file=where,
            remedy=f"Choose one with --echo, such as --echo {echoes[-1]:g}, or another series with --series.",
        )
    raise SeriesChoiceError(
        f"has several slices at one position{_what_differs(planes)} (at {positions} mm)",
        file=where,
        remedy="Choose another series with --series, or give a folder with one image for each position.",
    )


def echo_times(planes: Sequence[Plane]) -> list[float]:
    """The different echo times in ms among planes, ascending."""
    return sorted({round(plane.facts["echo_time"], 3) for plane in planes if "echo_time" in plane.facts})


def _what_differs(planes: Sequence[Plane]) -> str:
    for key, word in (
        ("image_type", "image types"),
        ("temporal_position", "time points"),
        ("acquisition_number", "acquisitions"),
    ):
        found = sorted({str(plane.facts.get(key)) for plane in planes})
        if len(found) > 1:
            return f", from {len(found)} {word}"
    return ""


def _refuse_gaps(planes: Sequence[Plane], heights: _Vector) -> None:
    if len(planes) < 3:
        return
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    even = np.linspace(heights[0], heights[-1], len(heights))
    wrong = np.abs(gaps - usual) > EVEN * usual
    if not wrong.any() and (np.abs(heights - even) <= EVEN * usual).all():
        return
    listed = ", ".join(
        f"{heights[i]:.2f} to {heights[i + 1]:.2f}" for i in np.flatnonzero(wrong)[:_LISTED] if wrong.any()
    )
    more = ", ..." if wrong.sum() > _LISTED else ""
    raise InputRefusedError(
        f"has slices missing or unevenly spaced: {len(planes)} slices, mostly {usual:.2f} mm apart, but not "
        f"from {listed or f'{heights[0]:.2f} to {heights[-1]:.2f}'}{more} mm along their normal",
        file=place_of(planes),
        remedy="Export the series again so that it is complete, or choose another one with --series.",
    )


def _refuse_tilt(
    planes: Sequence[Plane], places: _Vector, normal: _Vector, spacing: tuple[float, float]
) -> None:
    shifts = places - places[0]
    beside = np.linalg.norm(shifts - np.outer(shifts @ normal, normal), axis=1)
    if beside.max() <= UPRIGHT * min(spacing) + 0.01:
        return
    far = int(beside.argmax())
    angle = np.degrees(np.arctan2(beside[far], abs(shifts[far] @ normal)))
    raise InputRefusedError(
        f"is tilted: its slices are stacked {angle:.1f} degrees off their normal (gantry tilt or shear)",
        file=place_of(planes),
        remedy="Resample it to a straight stack, for example with dcm2niix, and give medgan the NIfTI file.",
    )


def _listed(numbers: Sequence[float] | _Vector) -> str:
    more = ", ..." if len(numbers) > _LISTED else ""
    return ", ".join(f"{number:g}" for number in np.round(numbers[:_LISTED], 3)) + more


def _refused(file: Path, cause: str) -> InputRefusedError:
    return InputRefusedError(
        cause, file=file, remedy="Export the series again from the scanner or the archive."
    )
