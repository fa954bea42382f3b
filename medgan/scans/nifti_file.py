"""The bytes of a NIfTI file: a header that is checked, and voxels unpacked no further than it claims."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.files import kind_of
from medgan.scans.hints import says_synthetic
from medgan.scans.packing import COPY_AGAIN, take_bytes, telling, unpacked_head
from medgan.texts import printable

NIFTI_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz", ".img.gz")
VOLUME_LIMIT = 2**30
"""Voxels that one volume may have: 1024 x 1024 x 1024."""
_MAGIC = {
    (348, b"n+1\0"): Nifti1Header,
    (348, b"ni1\0"): Nifti1PairHeader,
    (540, b"n+2\0"): Nifti2Header,
    (540, b"ni2\0"): Nifti2PairHeader,
}


@dataclass(frozen=True, eq=False)
class Stored:
    """One volume as a NIfTI file stores it.

    Attributes:
        header: nibabel's header object, checked.
        raw: shape (I, J, K), in the file's dtype, not scaled.
        volumes: how many volumes the file holds.
        notes: what nibabel had to repair in the header, one sentence each.
    """

    header: Any
    raw: npt.NDArray[Any]
    volumes: int
    notes: tuple[str, ...]


def nifti_suffix(path: Path) -> str:
    """The NIfTI suffix of a name as it is spelt there (`.nii.gz`, `.NII`), or an empty string."""
    for suffix in NIFTI_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[-len(suffix) :]
    return ""


def read_stored(path: Path, *, volume: int | None = None) -> Stored:
    """Read the header and one volume of `.nii`, `.nii.gz` or a `.hdr`/`.img` pair.

    Args:
        path: the file; of a pair either one.
        volume: which volume of several, counted from 0.

    Raises:
        InputRefusedError: damaged, truncated, larger than the limits, or of a kind that is not supported.
        SeriesChoiceError: there are several volumes and `volume` does not choose one of them.
    """
    header_file, image_file = _pair(path)
    header, notes = _read_header(header_file, named=path)
    shape, volumes = _layout(header, path)
    chosen = _choose(volumes, volume, path)
    dtype = _voxel_type(header, path)
    size = math.prod(shape) * dtype.itemsize
    start = _offset(header, path)
    with telling(image_file):
        taken = take_bytes(
            image_file, start=start + chosen * size, size=size, end=start + volumes * size, named=path
        )
    return Stored(header, taken.view(dtype).reshape(shape, order="F"), volumes, notes)


def read_header(path: Path) -> Any:
    """nibabel's header object of a file, checked; of a pair either file tells.

    Raises:
        InputRefusedError: it is no NIfTI file, or its header is damaged.
    """
    return _read_header(_pair(path)[0], named=path)[0]


def description_of(header: Any) -> str:
    """What a header says of its image: `descrip`, or `aux_file` where that has medgan's mark.

    dcm2niix writes the image comments of a DICOM series, which a derived one has, into `aux_file`.
    """
    texts = [bytes(header[field].item()).decode("latin-1") for field in ("descrip", "aux_file")]
    return next((text for text in texts if says_synthetic(text)), texts[0])


def _pair(path: Path) -> tuple[Path, Path]:
    """The files that hold the header and the voxels: the same one, or a `.hdr`/`.img` pair."""
    suffix = nifti_suffix(path)
    stem = path.name.removesuffix(suffix)
    if suffix.lower().startswith((".hdr", ".img")):
        found = []
        for part in (".hdr", ".img"):
            names = [path.with_name(stem + part + packing) for packing in ("", ".gz")]
            names = [path, *names] if suffix.lower().startswith(part) else names
            existing = [name for name in names if kind_of(name) == "file"]
            if not existing:
                raise InputRefusedError(
                    f"{printable(stem)}{part} is missing beside it",
                    file=path,
                    remedy="A .hdr and an .img belong together: keep both in one folder.",
                )
            found.append(existing[0])
        return found[0], found[1]
    return path, path


def _read_header(path: Path, *, named: Path) -> tuple[Any, tuple[str, ...]]:
    block = unpacked_head(path, 540)
    for endianness in "<>":
        length = int(np.frombuffer(block[:4].ljust(4), f"{endianness}i4")[0])
        magic = block[4:8] if length == 540 else block[344:348]
        if (kind := _MAGIC.get((length, magic))) is not None and len(block) >= length:
            return _checked(kind(block[:length], endianness=endianness, check=False), named)
        if length == 348 and len(block) >= 348:
            raise InputRefusedError(
                "is an Analyze 7.5 file, which does not say which side is left",
                file=named,
                remedy="Convert the original to NIfTI, for instance with dcm2niix.",
            )
    raise InputRefusedError("is not a NIfTI file, or its header is cut short", file=named, remedy=COPY_AGAIN)


class _Notes(logging.Handler):
    """Keeps what nibabel's header checks say; WARNING and above are repairs a user should know of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"The header was repaired in reading: {record.getMessage()}.")


def _checked(header: Any, named: Path) -> tuple[Any, tuple[str, ...]]:
    """Run nibabel's header checks, which repair small faults and refuse great ones."""
    notes = _Notes()
    logger = logging.Logger("medgan.nifti")
    logger.addHandler(notes)
    if not 0 <= float(header["vox_offset"]) <= 2**40:
        raise InputRefusedError(
            "its header is damaged: no sensible vox_offset", file=named, remedy=COPY_AGAIN
        )
    try:
        header.check_fix(logger=logger, error_level=40)
    except (HeaderDataError, ValueError, OverflowError) as error:
        raise InputRefusedError(f"its header is damaged: {error}", file=named, remedy=COPY_AGAIN) from error
    return header, tuple(said for said in notes.said if "SPM" not in said)


def _layout(header: Any, named: Path) -> tuple[tuple[int, int, int], int]:
    """The shape of one volume and how many there are, from `dim`."""
    dimensions = [int(size) for size in header["dim"]]
    rank = dimensions[0]
    if not 1 <= rank <= 7 or any(size < 1 for size in dimensions[1 : rank + 1]):
        raise InputRefusedError(
            f"its header claims impossible dimensions: {dimensions}", file=named, remedy=COPY_AGAIN
        )
    sizes = [*dimensions[1 : rank + 1], 1, 1][: max(rank, 3)]
    shape = (sizes[0], sizes[1], sizes[2])
    if math.prod(shape) > VOLUME_LIMIT:
        raise InputRefusedError(
            f"its header claims {shape[0]} x {shape[1]} x {shape[2]} voxels; medgan's limit is 2^30",
            file=named,
            remedy="Check the header; crop or resample the image if it is really that large.",
        )
    return shape, math.prod(sizes[3:])


def _choose(volumes: int, volume: int | None, named: Path) -> int:
    if volume is None and volumes == 1:
        return 0
    if volume is None or not 0 <= volume < volumes:
        has = "1 volume" if volumes == 1 else f"{volumes} volumes"
        raise SeriesChoiceError(
            f"holds {has}" + ("" if volume is None else f"; there is no volume {volume}"),
            file=named,
            remedy=f"Choose one with --volume N, where N is counted from 0 (0 to {volumes - 1}).",
        )
    return volume


def _voxel_type(header: Any, named: Path) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
        label = str(header.get_value_label("datatype"))
    except (HeaderDataError, KeyError) as error:
        raise InputRefusedError(
            f"its voxels have an unknown data type ({error})", file=named, remedy=COPY_AGAIN
        ) from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputRefusedError(
            f"its voxels are {label}, not one real number each",
            file=named,
            remedy="Convert it to a magnitude image in an integer or float type.",
        )
    return dtype


def _offset(header: Any, named: Path) -> int:
    """Where the voxels start; 0 in a single file means right after header and extension flag."""
    offset = int(header["vox_offset"])
    if header.is_single:
        return offset or int(header.single_vox_offset)
    return offset
