"""What medgan sees in files: each scan read once and described, one at a time; a bad one stops nothing.

The data set as a whole is judged in `overview`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast_from_name
from medgan.errors import InputRefusedError, MedganError
from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset
from medgan.scans.finding import Found, find_scans
from medgan.scans.reading import read_scan
from medgan.scans.scan import Scan, Voxels

PERCENTILES = (0.5, 50.0, 99.5)
"""Of the head's intensities; training makes the first and the last the ends of a network's range."""
BINS = 64
_SAMPLES = 1_000_000
_CORNER = 16  # a corner block has this fraction of each axis
_SMALLEST_SHARE = 0.002  # of the frame: less than this is no head
_AXES = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, kw_only=True)
class Intensities:
    """The intensities of one scan, in the file's scaled units.

    Attributes:
        minimum, maximum: of all voxels.
        percentiles: `PERCENTILES` of the head.
        edges: where the histogram begins and ends: the head's percentiles 0.1 and 99.9.
        histogram: how many of a sample of the head's voxels lie in each of `BINS` bins.
    """

    minimum: float
    maximum: float
    percentiles: tuple[float, float, float]
    edges: tuple[float, float]
    histogram: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspected:
    """One scan as medgan sees it; what could not be learnt is None.

    Attributes:
        label: what to call it on screen: its path below the path that the user gave, and a series' number.
        found: what was found, with the series of a DICOM scan.
        contrast: `t1`, `t2` or None where nothing tells.
        contrast_from: what told it, such as `file name`.
        shape: voxels along the file's axes.
        spacing: mm along the same.
        orientation: where they point to, such as `LPS`.
        plane: `axial`, `sagittal` or `coronal`, whichever the slices along the last axis are nearest to.
        data_type: of the stored voxels, such as `uint16`.
        intensities: of the voxels.
        facts: technical facts (echo time in ms, field strength in T, ...); hold no person.
        warnings: what a user should know, one sentence each.
        refusal: why neither training nor synthesis would take it.
    """

    label: str
    found: Found
    contrast: str | None = None
    contrast_from: str | None = None
    shape: tuple[int, int, int] | None = None
    spacing: tuple[float, float, float] | None = None
    orientation: str | None = None
    plane: str | None = None
    data_type: str | None = None
    intensities: Intensities | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: MedganError | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be read and used."""
        return self.refusal is None

    @property
    def canonical_shape(self) -> tuple[int, int, int] | None:
        """Voxels along left-right, back-front and foot-head, so that scans can be compared."""
        return None if self.shape is None else _canonical(self.shape, self.orientation)

    @property
    def canonical_spacing(self) -> tuple[float, float, float] | None:
        """Spacing in mm along left-right, back-front and foot-head."""
        return None if self.spacing is None else _canonical(self.spacing, self.orientation)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A scan that was found, and what to call it on screen."""

    label: str
    found: Found


def find_candidates(paths: Sequence[Path]) -> tuple[list[Candidate], list[MedganError]]:
    """All scans that files and folders hold, each once, and why some of the paths hold none."""
    candidates: list[Candidate] = []
    empty: list[MedganError] = []
    taken: set[tuple[Path | str, ...]] = set()
    for path in paths:
        try:
            found = find_scans(path)
        except InputRefusedError as error:
            empty.append(error)
            continue
        for one in found:
            key = _identity(one)
            if key not in taken:
                taken.add(key)
                candidates.append(Candidate(_label(one, path, several=len(paths) > 1), one))
    return candidates, empty


def inspect_each(
    candidates: Sequence[Candidate], *, look: Callable[[Inspected, Scan], None] | None = None
) -> Iterator[Inspected]:
    """Read and describe the scans in turn, with one volume in memory at a time.

    Args:
        candidates: of `find_candidates`.
        look: is shown each usable scan while it is in memory, for instance to take a picture of it.
    """
    for candidate in candidates:
        try:
            scan = read_scan(candidate.found)
        except MedganError as error:
            yield _refused(candidate, error)
            continue
        inspected = _inspected(candidate, scan)
        if look is not None and inspected.usable:
            look(inspected, scan)
        del scan  # before the next one is read
        yield inspected


def measure_intensities(voxels: Voxels, *, axial: tuple[int, int] = (0, 1)) -> Intensities:
    """The intensities of a scan; those of the head from a coarser grid where it has more than a million voxels.

    The head is what differs from the air in the corners by more than half of Otsu's threshold (Otsu 1979), and
    in each axial slice what has such voxels on all four sides. That is a sketch of `preparation.foreground` in
    a twentieth of its time, for a table: `scans` lies below `preparation`, which would bring torch along.

    Args:
        voxels: shape (I, J, K), finite.
        axial: the two axes of `voxels` that axial slices have.
    """
    sample = _coarser(voxels).astype(np.float64)
    deviation = np.abs(sample - float(np.median(_corners(voxels))))
    bright = deviation > _otsu(deviation.clip(0, np.percentile(deviation, 99.5)).ravel()) / 2
    head = sample[np.logical_and.reduce([_between(bright, axis) for axis in axial]) | bright]
    if head.size < _SMALLEST_SHARE * sample.size:
        head = sample.ravel()
    low, *percentiles, high = (float(value) for value in np.percentile(head, (0.1, *PERCENTILES, 99.9)))
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(head, bins=BINS, range=(low, high))
    return Intensities(
        minimum=float(voxels.min()),
        maximum=float(voxels.max()),
        percentiles=(percentiles[0], percentiles[1], percentiles[2]),
        edges=(low, high),
        histogram=tuple(int(count) for count in counts),
    )


def printable(text: str | Path) -> str:
    """A name that can steer no terminal and be written as UTF-8, whatever the file system allows."""
    decoded = os.fsencode(text).decode("utf-8", errors="replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in decoded)


def _inspected(candidate: Candidate, scan: Scan) -> Inspected:
    found = candidate.found
    shape = (scan.voxels.shape[0], scan.voxels.shape[1], scan.voxels.shape[2])
    facts = dict(scan.source.facts)
    stored = facts.pop("dtype", None) or _stored_type(scan)
    inspected = Inspected(
        label=candidate.label,
        found=found,
        contrast=scan.contrast,
        contrast_from=_contrast_from(found, scan),
        shape=shape,
        spacing=scan.spacing,
        orientation=scan.orientation,
        plane=_PLANES[_AXES[scan.orientation[2]]] if scan.orientation[2] in _AXES else None,
        data_type=stored,
        intensities=measure_intensities(scan.voxels, axial=_axial_axes(scan.orientation)),
        facts=facts,
        warnings=scan.warnings,
        refusal=_no_axial_plane(shape, scan),
    )
    return inspected


def _refused(candidate: Candidate, error: MedganError) -> Inspected:
    """A scan that cannot be read, with what the headers of a DICOM series tell all the same."""
    found, series = candidate.found, candidate.found.series
    if series is None:
        return Inspected(label=candidate.label, found=found, refusal=error)
    return Inspected(
        label=candidate.label,
        found=found,
        contrast=series.contrast,
        contrast_from=_contrast_from_series(found) if series.contrast else None,
        shape=series.shape if all(series.shape) else None,
        plane=series.orientation if series.orientation in _PLANES else None,
        facts=dict(series.facts),
        refusal=error,
    )


def _no_axial_plane(shape: tuple[int, int, int], scan: Scan) -> MedganError | None:
    """A single sagittal or coronal slice, which `preparation` refuses, as networks see axial slices."""
    if 1 not in _canonical(shape, scan.orientation)[:2]:
        return None
    return InputRefusedError(
        f"a single slice with axes {scan.orientation} has no axial plane, which networks see",
        file=scan.source.path,
        remedy="Give the whole volume, or an axial slice.",
    )


def _contrast_from(found: Found, scan: Scan) -> str | None:
    if scan.contrast is None:
        return None
    if found.series is not None:
        return _contrast_from_series(found)
    named = contrast_from_name(found.path)
    if named is not None and named.key == scan.contrast:
        return "file name"
    return "sidecar" if "echo_time" in scan.source.facts else "folder name"


def _contrast_from_series(found: Found) -> str:
    names = found.series.planes[0].names if found.series is not None and found.series.planes else ()
    for name, called in zip(names, ("series description", "protocol name"), strict=False):
        if contrast_from_name(name) is not None:
            return called
    return "echo and repetition time"


def _stored_type(scan: Scan) -> str | None:
    """Of DICOM, whose facts do not have it (PS3.3 C.7.6.3)."""
    tags = ("BitsAllocated", "PixelRepresentation")
    try:
        with pydicom_without_warnings():
            dataset = read_dataset(scan.source.files[0], tags=tags, pixels=False)
        return f"{'int' if dataset.get('PixelRepresentation') else 'uint'}{int(dataset.BitsAllocated)}"
    except UNREADABLE:
        return None


def _canonical(values: tuple[Any, Any, Any], orientation: str | None) -> tuple[Any, Any, Any]:
    """Values along the file's axes put in the order of the canonical axes; left as they are if unknown."""
    places = [_AXES.get(code, -1) for code in orientation or ""]
    if sorted(places) != [0, 1, 2]:
        return values
    sorted_values: list[Any] = [None, None, None]
    for place, value in zip(places, values, strict=True):
        sorted_values[place] = value
    return sorted_values[0], sorted_values[1], sorted_values[2]


def _axial_axes(orientation: str) -> tuple[int, int]:
    """The axes of the file that lie in axial slices."""
    vertical = next((axis for axis, code in enumerate(orientation) if code in "IS"), 2)
    first, second = (axis for axis in range(3) if axis != vertical)
    return first, second


def _coarser(voxels: Voxels) -> Voxels:
    """Every second or third voxel, and so on, along the longest axes until few enough are left."""
    while voxels.size > _SAMPLES:
        longest = int(np.argmax(voxels.shape))
        voxels = voxels[tuple(slice(None, None, 2 if axis == longest else 1) for axis in range(3))]
    return voxels


def _between(mask: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """What has something of the mask before and behind it along an axis."""
    before = np.logical_or.accumulate(mask, axis=axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    return np.asarray(before & behind)


def _corners(voxels: Voxels) -> npt.NDArray[np.float32]:
    """The voxels in the corners of the frame, where there is air."""
    ends = []
    for size in voxels.shape:
        width = max(1, size // _CORNER)
        ends.append(sorted({*range(width), *range(size - width, size)}))
    return voxels[np.ix_(*ends)]


def _otsu(values: npt.NDArray[np.float64]) -> float:
    """The threshold that parts values into two classes of the largest variance between them (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    mass = np.cumsum(counts * centres)
    difference = mass[:-1] / np.maximum(below, 1) - (mass[-1] - mass[:-1]) / np.maximum(above, 1)
    return float(centres[int((below * above * difference**2).argmax())])


def _identity(found: Found) -> tuple[Path | str, ...]:
    """What two findings of the same scan have in common, however the paths were spelt."""
    if found.series is None:
        return (found.path.resolve(),)
    return (found.series.uid, *(file.resolve() for file in found.series.files), str(found.series.shape))


def _label(found: Found, root: Path, *, several: bool) -> str:
    inside = found.path.relative_to(root).as_posix() if found.path != root else ""
    above = root.absolute().name or root.absolute().anchor
    name = "/".join(part for part in (above if several or not inside else "", inside) if part)
    number = f" #{found.series.number}" if found.series is not None and found.series.number is not None else ""
    return printable(name + number)
