"""What medgan sees in files: each scan read once and described, one at a time; a bad one stops nothing.

The data set as a whole is judged in `overview` and `advice`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgan.contrasts import contrast_from_name, contrast_from_times
from medgan.errors import InputRefusedError, MedganError
from medgan.scans.dicom_files import UNREADABLE, pydicom_without_warnings, read_dataset
from medgan.scans.finding import Found, personal_places_of, search
from medgan.scans.intensities import Intensities, measure_intensities
from medgan.scans.reading import read_scan
from medgan.scans.scan import Scan
from medgan.scans.shown_paths import nameless

_AXES = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}
_THICKER = 1.2
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspected:
    """One scan as medgan sees it; what could not be learnt is None.

    Attributes:
        label: what to call it on screens and pages: its path below the path that the user gave, and a series'
            number; folders and files that are called after the patient of a DICOM series are told by their place.
        found: what was found, with the series of a DICOM scan.
        contrast: `t1`, `t2` or None where nothing tells.
        contrast_from: what told it, such as `file name`.
        shape: voxels along the file's axes.
        spacing: mm along the same.
        orientation: where they point to, such as `LPS`.
        plane: `axial`, `sagittal` or `coronal`, whichever the slices are nearest to: of DICOM, of a single
            slice and of slices that are thicker than their pixels.
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
    """All scans that files and folders hold, each once, and why some of the paths hold none.

    Results of medgan are among them, since a user may want to see what they are.
    """
    candidates: list[Candidate] = []
    empty: list[MedganError] = []
    taken: set[tuple[Path | str, ...]] = set()
    for path in paths:
        try:
            held = search(path)
        except InputRefusedError as error:
            empty.append(error)
            continue
        found = (*held.scans, *held.results)
        personal = personal_places_of(found)
        for one in found:
            key = _identity(one)
            if key not in taken:
                taken.add(key)
                candidates.append(Candidate(_label(one, path, personal, several=len(paths) > 1), one))
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


def _inspected(candidate: Candidate, scan: Scan) -> Inspected:
    found = candidate.found
    shape = (scan.voxels.shape[0], scan.voxels.shape[1], scan.voxels.shape[2])
    facts = dict(scan.source.facts)
    stored = facts.pop("dtype", None) or _stored_type(scan)
    return Inspected(
        label=candidate.label,
        found=found,
        contrast=scan.contrast,
        contrast_from=_contrast_from(found, scan),
        shape=shape,
        spacing=scan.spacing,
        orientation=scan.orientation,
        plane=_plane(found, scan),
        data_type=stored,
        intensities=measure_intensities(scan.voxels, axial=_axial_axes(scan.orientation)),
        facts=facts,
        warnings=scan.warnings,
        refusal=_no_axial_plane(shape, scan),
    )


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
        plane=_plane(found),
        facts=dict(series.facts),
        refusal=error,
    )


def _plane(found: Found, scan: Scan | None = None) -> str | None:
    if found.series is not None:
        return found.series.orientation if found.series.orientation in _PLANES else None
    if scan is None:
        return None
    spacing = _canonical(scan.spacing, scan.orientation)
    single = [axis for axis, size in enumerate(_canonical(scan.voxels.shape, scan.orientation)) if size == 1]
    thick = [axis for axis in range(3) if spacing[axis] > _THICKER * sorted(spacing)[1]]
    return next((_PLANES[axis] for axis in single + thick), None)


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
    times = (scan.source.facts.get(f"{name}_time") for name in ("echo", "repetition", "inversion"))
    return "sidecar" if contrast_from_times(*times) is not None else "folder name"


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


def _canonical(values: tuple[Any, ...], orientation: str | None) -> tuple[Any, Any, Any]:
    """Values along the file's axes put in the order of the canonical axes; left as they are if unknown."""
    places = [_AXES.get(code, -1) for code in orientation or ""]
    if sorted(places) != [0, 1, 2]:
        places = [0, 1, 2]
    by_place = dict(zip(places, values, strict=True))
    return by_place[0], by_place[1], by_place[2]


def _axial_axes(orientation: str) -> tuple[int, int]:
    """The axes of the file that lie in axial slices."""
    vertical = next((axis for axis, code in enumerate(orientation) if code in "IS"), 2)
    first, second = (axis for axis in range(3) if axis != vertical)
    return first, second


def _identity(found: Found) -> tuple[Path | str, ...]:
    """What two findings of the same scan have in common, however the paths were spelt."""
    if found.series is None:
        return (found.path.resolve(),)
    return (found.series.uid, *(file.resolve() for file in found.series.files), str(found.series.shape))


def _label(found: Found, root: Path, personal: Collection[Path], *, several: bool) -> str:
    """The path below `root`; of several roots with the root before it, as far as the user typed it."""
    inside = nameless(found.path, personal, below=root)
    above = ""
    if several and not root.is_absolute():
        above = nameless(root, personal)
    elif several or not inside:
        above = nameless(root.absolute(), personal, below=root.absolute().parent)
    number = (
        f" #{found.series.number}" if found.series is not None and found.series.number is not None else ""
    )
    return "/".join(part for part in (above, inside) if part) + number
