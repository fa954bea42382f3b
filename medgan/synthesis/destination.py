"""Where results go: the files that one will be, and whether they may be written there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medgan.contrasts import contrast
from medgan.errors import InputRefusedError, UsageError
from medgan.files import kind_of
from medgan.scans.marks import MAPS, PREVIEW
from medgan.scans.naming import bids_folder, output_stem
from medgan.scans.reading import Reading, as_folder, reference_series
from medgan.synthesis.derivative import check_place

if TYPE_CHECKING:  # pydicom takes its time, and most results are NIfTI
    from medgan.scans.deidentification import Deidentifier
    from medgan.scans.dicom_series import Series

Format = Literal["nifti", "png", "dicom"]
Extra = Literal["preview", "report"]
_SUFFIX: dict[Format, str] = {"nifti": ".nii.gz", "png": ".png", "dicom": ""}
_EXTRA_SUFFIX: dict[Extra, str] = {"preview": PREVIEW, "report": ".html"}
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_ALL_SUFFIXES = (*_NIFTI_SUFFIXES, ".png")
_LONGEST_NAME = 255  # bytes, on all usual file systems
_ERROR_MAP = "errormap"  # BIDS has no suffix for it, and T2w would say that it is an image


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where results go, and as what.

    Attributes:
        out: a folder, or the image file itself where its name ends like one.
        wanted: the format asked for; by the input's kind where it is None.
        reference: the DICOM series that a NIfTI input belongs to, for `dicom`.
        deidentifier: takes the identity out of DICOM results.
        extras: what is wanted beside each image, to look at.
        raw: the root of the raw BIDS data set that the scans are of; `out` is then a derivative of it, in which
            results lie as their scans do there.
    """

    out: Path
    wanted: Format | None = None
    reference: Series | None = None
    deidentifier: Deidentifier | None = None
    extras: tuple[Extra, ...] = ()
    raw: Path | None = None

    @property
    def is_file(self) -> bool:
        """Whether `out` is the image file itself, rather than a folder."""
        return _format_named_by(self.out) is not None

    @property
    def folder(self) -> Path:
        """The folder that results are written into."""
        return self.out.parent if self.is_file else self.out

    def folder_of(self, stem: str) -> Path:
        """The folder that the result of a scan of that name is written into: as BIDS has it, in a derivative."""
        below = None if self.raw is None else bids_folder(stem)
        return self.folder if below is None else self.folder / below


@contextlib.contextmanager
def open_destination(
    out: Path,
    *,
    wanted: Format | None = None,
    reference: Path | None = None,
    series: str | None = None,
    deidentify: bool = False,
    force: bool = False,
    extras: Sequence[Extra] = (),
    raw: Path | None = None,
) -> Iterator[Destination]:
    """A destination whose reference is found, as long as the block lasts.

    Args:
        out, wanted, extras, raw: as in `Destination`.
        reference: a DICOM folder or file, or a zip archive.
        series: SeriesInstanceUID or SeriesNumber, to choose among the series of the reference.
        deidentify: take the identity out of DICOM results; all of one destination by one key.
        force: take a reference that is synthetic itself.

    Raises:
        InputRefusedError: the reference cannot be read, or is synthetic.
        UsageError: it is no DICOM series; or `out` is a file where a folder is needed, or does not go with
            the format; or it cannot be a derivative of `raw`.
    """
    _refuse_file_for_folder(out)
    formats = formats_for("nifti", wanted, out)
    if raw is not None:
        _refuse_unfit_for_bids(out, formats)
        check_place(out, raw)
    deidentifier = None
    if deidentify:
        from medgan.scans.deidentification import Deidentifier

        deidentifier = Deidentifier()
    plain = Destination(out=out, wanted=wanted, deidentifier=deidentifier, extras=tuple(extras), raw=raw)
    if reference is None:
        yield plain
        return
    with as_folder(reference) as place:
        found = reference_series(place, Reading(series=series))
        if found.facts.get("synthetic") and not force:
            raise InputRefusedError(
                "is a synthetic series, so no scan was converted from it",
                file=reference,
                remedy="Give the series that was acquired with --reference, or insist with --force.",
            )
        yield replace(plain, reference=found)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The files that one result will be.

    Attributes:
        images: by format; for `dicom` a folder.
        sidecar: beside them.
        extras: pages and previews.
        maps: NIfTI of how far the image may be off: `expected` and `bound`, where they were asked for.
    """

    images: Mapping[Format, Path]
    sidecar: Path
    extras: Mapping[Extra, Path] = field(default_factory=dict)
    maps: Mapping[str, Path] = field(default_factory=dict)

    @property
    def told(self) -> tuple[Path, ...]:
        """What the sidecar tells of: images, then what is beside them."""
        return (*self.images.values(), *self.maps.values(), *self.extras.values())

    @property
    def files(self) -> tuple[Path, ...]:
        """Images first, sidecar last."""
        return (*self.told, self.sidecar)


def plan_outputs(
    stem: str,
    kind: str,
    destination: Destination,
    *,
    source_contrast: str,
    target: str,
    maps: bool = False,
) -> Plan:
    """Which files a scan's result will be.

    Args:
        stem: the name that the scan's results are called after.
        kind: of the scan, as in `Source.kind`.
        destination: where they go.
        source_contrast, target: keys of the contrasts.
        maps: whether there will be maps of the uncertainty.

    Raises:
        UsageError: the destination does not go with the scan, or its name is too long.
    """
    formats = formats_for(kind, destination.wanted, destination.out)
    if "dicom" in formats:
        _refuse_unfit_for_dicom(kind, destination)
    out = destination.out
    if destination.is_file:
        ending = next(suffix for suffix in _ALL_SUFFIXES if out.name.lower().endswith(suffix))
        name = out.name[: -len(ending)]
        plan = _plan(out.parent, name, {formats[0]: out}, destination)
        return replace(
            plan, maps={one: out.with_name(f"{name}_desc-medgan{MAPS[one]}.nii.gz") for one in MAPS if maps}
        )
    name = output_stem(stem, source_contrast=source_contrast, target=target)
    there, out = contrast(target).label, destination.folder_of(stem)
    of_map = there if destination.raw is None else _ERROR_MAP
    beside = {
        one: out / f"{name.removesuffix(f'_{there}')}{MAPS[one]}_{of_map}.nii.gz" for one in MAPS if maps
    }
    suffixes = (".nii.gz", *(_EXTRA_SUFFIX[one] for one in destination.extras))
    longest = max(
        (*(f"{name}{suffix}" for suffix in suffixes), *(path.name for path in beside.values())), key=len
    )
    if len(os.fsencode(longest)) > _LONGEST_NAME:
        raise UsageError(
            f"has a name of {len(stem)} letters, to which nothing can be added",
            remedy="Rename it, or name the result with --out.",
        )
    plan = _plan(out, name, {one: out / f"{name}{_SUFFIX[one]}" for one in formats}, destination)
    return replace(plan, maps=beside)


def _plan(folder: Path, name: str, images: Mapping[Format, Path], destination: Destination) -> Plan:
    plan = Plan(images=images, sidecar=folder / f"{name}.json")
    names = extra_names(plan)
    return replace(plan, extras={one: folder / names[one] for one in destination.extras})


def extra_names(plan: Plan) -> dict[Extra, str]:
    """What the preview and the page of a result are called, whether they are wanted or not."""
    return {extra: f"{plan.sidecar.stem}{suffix}" for extra, suffix in _EXTRA_SUFFIX.items()}


def formats_for(kind: str, wanted: Format | None, out: Path) -> tuple[Format, ...]:
    """Which formats to write of a scan of that kind.

    Raises:
        UsageError: `out` ends like a file of another format than the one asked for.
    """
    if (named := _format_named_by(out)) is not None:
        if wanted not in (None, named):
            raise UsageError(
                f"--format {wanted} does not go with the name of --out",
                file=out,
                remedy="Give a folder as --out.",
            )
        return (named,)
    if wanted is not None:
        return (wanted,)
    return ("nifti", "png") if kind == "picture" else ("nifti",)


def _format_named_by(out: Path) -> Format | None:
    """The format whose ending `out` has; a folder that is there names none, whatever it is called."""
    if kind_of(out) == "folder":
        return None
    if out.name.lower().endswith(_NIFTI_SUFFIXES):
        return "nifti"
    return "png" if out.suffix.lower() == ".png" else None


def _refuse_file_for_folder(out: Path) -> None:
    if kind_of(out) == "file" and _format_named_by(out) is None:
        raise UsageError(
            "is a file, and results need a folder or a name that ends in .nii.gz, .nii or .png",
            file=out,
            remedy="Give another --out.",
        )


def _refuse_unfit_for_bids(out: Path, formats: Sequence[Format]) -> None:
    if formats != ("nifti",):
        raise UsageError(
            "a BIDS data set holds MR images as NIfTI",
            remedy="Leave out --format, or --bids for other formats.",
        )
    if _format_named_by(out) is not None:
        raise UsageError(
            "is the name of an image, and a data set is a folder",
            file=out,
            remedy="Give a folder as --out, or leave it out: BIDS_ROOT/derivatives/medgan is taken.",
        )


def _refuse_unfit_for_dicom(kind: str, destination: Destination) -> None:
    """A DICOM series is of a patient and lies in a study, which NIfTI and pictures do not know."""
    if kind == "picture":
        raise UsageError(
            "a picture has no place in a patient, so no DICOM series can be made of it",
            remedy="Leave out --format dicom.",
        )
    if kind != "dicom" and destination.reference is None:
        raise UsageError(
            "NIfTI does not say whose it is and in which study, so --format dicom needs a series that does",
            remedy="Give the DICOM series that the image was converted from with --reference.",
        )
