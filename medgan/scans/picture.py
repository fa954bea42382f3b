"""Pictures (PNG, JPEG) to `Scan` and back: grey values exactly as stored, 8 or 16 bits, nothing turned.

A picture says nothing of a patient's axes. It is taken as an axial slice in radiological display: its right
is the patient's left, its lower edge the back of the head, its pixels 1 mm (so the axes are LPS).
"""

from __future__ import annotations

import contextlib
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from medgan.contrasts import contrast_from_name, spells_other_contrast
from medgan.errors import InputRefusedError, OutputNotWrittenError, UsageError
from medgan.files import kind_of, whole_file
from medgan.scans.checks import check_shape, check_voxels
from medgan.scans.hints import hints_for
from medgan.scans.scan import Scan, Source
from medgan.scans.sheet import contact_sheet

__all__ = ["PICTURE_SUFFIXES", "contact_sheet", "read_picture", "write_picture"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
PIXEL_LIMIT = 64 * 2**20
"""Pixels that a picture may have (8192 x 8192), checked before anything is decoded."""
_DENSEST = {"PNG": 8 * 1032, "JPEG": 2048}
"""Bits of PNG rows (deflate's limit), or pixels of JPEG (it spends a bit on a block of 64), for a byte of a file."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_EXIF_ORIENTATION = 0x0112
_PILLOW_RAISES = (
    OSError, SyntaxError, ValueError, IndexError, KeyError, EOFError, OverflowError, struct.error, zlib.error,
)  # fmt: skip
"""For damaged files, as seen."""
_COPY_AGAIN = "Copy or download the file again, or export the original again."


def read_picture(path: Path) -> Scan:
    """Read a grey PNG or JPEG as one axial slice.

    Returns:
        A scan of voxels (W, H, 1) in the file's own values (0 to 255 or 65535), affine diag(-1, -1, 1, 1).
        Its contrast is what the file's name spells, else what the folder's name does.

    Raises:
        InputRefusedError: missing, damaged or cut short; more than `PIXEL_LIMIT` pixels; several frames;
            channels that differ (colour); an alpha channel that is not constant; 16 bits with several
            channels; stored turned (EXIF orientation); too small; one value everywhere.
    """
    if kind_of(path) != "file":
        raise InputRefusedError("there is no such file", file=path, remedy="Check the path.")
    with _opened(path) as image:
        kind = image.format
        image.verify()  # compares the checksums of all PNG chunks; the image has to be opened anew after it
    with _opened(path) as image:
        _check_kind(image, path)
        grey, bits = _grey(image, path)
        description = str(image.info.get("Description", ""))
    voxels = np.ascontiguousarray(grey.T[..., np.newaxis], dtype=np.float32)
    check_shape(voxels.shape, file=path)
    voxels, notes = check_voxels(voxels, file=path)
    hints = hints_for(path, sidecar=path.with_suffix(".json"), description=description)
    if kind == "JPEG":
        notes += ("A JPEG has lost detail; use PNG, NIfTI or DICOM where there is one.",)
    return Scan(
        voxels=voxels,
        affine=np.diag([-1.0, -1.0, 1.0, 1.0]),
        contrast=hints.contrast or (None if spells_other_contrast(path) else _contrast_of_folder(path)),
        source=Source(
            path=path,
            kind="picture",
            stem=path.name[: -len(path.suffix)] if path.suffix else path.name,
            files=(path,),
            bits=bits,
            facts={"format": kind, "dtype": f"uint{bits}"} | hints.facts,
        ),
        warnings=notes + hints.warnings,
    )


def write_picture(
    scan: Scan, path: Path, *, low: float, high: float, bits: int, text: Mapping[str, str]
) -> None:
    """Write a scan of one slice as a grey PNG of the same width and height, whole or not at all.

    Args:
        scan: voxels (W, H, 1).
        path: ends in `.png`.
        low: the value that becomes 0; what lies below is clipped.
        high: the value that becomes 2^bits - 1; what lies above is clipped.
        bits: 8 or 16.
        text: what the file says of itself (PNG tEXt, or iTXt where Latin-1 does not suffice): that it is
            synthetic, by what it was made. Read back by `read_picture` from the key `Description`.

    Raises:
        UsageError: `bits`, or `low` and `high`, make no sense, or the scan has several slices.
        OutputNotWrittenError: voxels that are not finite, another suffix, or the disk refuses.
    """
    if bits not in (8, 16):
        raise UsageError(f"a picture has 8 or 16 bits, not {bits}")
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(f"low ({low:g}) must be less than high ({high:g})")
    if scan.voxels.shape[2] != 1:
        raise UsageError(f"a picture shows one slice, and this scan has {scan.voxels.shape[2]}")
    if path.suffix.lower() != ".png":
        raise OutputNotWrittenError(
            "pictures are written as PNG, which loses nothing", file=path, remedy="Let the name end in .png."
        )
    if not np.isfinite(scan.voxels).all():
        raise OutputNotWrittenError("the result has voxels that are NaN or infinite", file=path)
    levels = 2**bits - 1
    scaled = (scan.voxels[..., 0].T.astype(np.float64) - low) * (levels / (high - low))
    pixels = np.rint(np.clip(scaled, 0, levels)).astype(np.uint8 if bits == 8 else np.uint16)
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    with whole_file(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG", pnginfo=chunks)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, its size checked; whatever Pillow raises inside the block becomes a refusal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                if image.width * image.height > PIXEL_LIMIT:
                    raise Image.DecompressionBombError
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputRefusedError(
            f"claims more than {PIXEL_LIMIT} pixels, which is medgan's limit",
            file=path,
            remedy="Scale the picture down, if it is really that large.",
        ) from error
    except UnidentifiedImageError as error:
        raise InputRefusedError("is not a PNG or JPEG file", file=path, remedy=_COPY_AGAIN) from error
    except _PILLOW_RAISES as error:
        raise InputRefusedError(f"is damaged or cut short: {error}", file=path, remedy=_COPY_AGAIN) from error


def _check_kind(image: Image.Image, path: Path) -> None:
    """Refuse what Pillow would decode to something else than the one grey image that is meant."""
    depth, colour_type = 8, 0
    if image.format == "PNG":
        with path.open("rb") as stream:
            depth, colour_type = stream.read(26)[24:26]  # IHDR of the PNG specification
    _check_claim(
        image, path, bits=depth * _CHANNELS.get(colour_type, 1)
    )  # before the rest makes Pillow decode it
    if getattr(image, "n_frames", 1) != 1:
        raise InputRefusedError("is an animation", file=path, remedy="Export one picture for each slice.")
    if image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1):
        raise InputRefusedError(
            "is stored turned or mirrored (EXIF orientation), so its left and right are uncertain",
            file=path,
            remedy="Save it upright, without EXIF orientation.",
        )
    if depth == 16 and colour_type != 0:
        raise InputRefusedError(
            "has 16 bits in several channels, which would be cut to 8 bits",
            file=path,
            remedy="Save it as 16-bit grey without alpha.",
        )


def _check_claim(image: Image.Image, path: Path, *, bits: int) -> None:
    """Refuse a picture of more pixels than its file can hold, before memory is made ready for them."""
    size = path.stat().st_size
    claimed = image.width * image.height * (bits if image.format == "PNG" else 1)
    if claimed > _DENSEST[image.format or "PNG"] * size:
        raise InputRefusedError(
            f"claims {image.width} x {image.height} pixels, more than {size} bytes can hold",
            file=path,
            remedy=_COPY_AGAIN,
        )


def _grey(image: Image.Image, path: Path) -> tuple[npt.NDArray[Any], int]:
    """The grey values (H, W) and their bits. `convert("L")` clips 16 bits to 8, so it never sees them."""
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        transparent = image.info.get("transparency")
        if transparent is not None:
            _check_alpha(grey != transparent, path)
        return grey, 16
    if image.mode == "1":
        return np.asarray(image.convert("L")), 8
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image), 8
    if image.mode not in ("L", "LA", "P", "PA", "RGB", "RGBA"):
        raise InputRefusedError(
            f"has the colour space {image.mode}", file=path, remedy="Save it as 8-bit or 16-bit grey PNG."
        )
    red, green, blue, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
    if (red != green).any() or (red != blue).any():
        raise InputRefusedError(
            "is a colour picture: its channels differ",
            file=path,
            remedy="Export the grey image itself, without colour map, labels or annotations.",
        )
    _check_alpha(alpha, path)
    return red, 8


def _check_alpha(alpha: npt.NDArray[Any], path: Path) -> None:
    if alpha.min() != alpha.max():
        raise InputRefusedError(
            "is partly transparent, so its values depend on what lies behind it",
            file=path,
            remedy="Save it without alpha channel.",
        )


def _contrast_of_folder(path: Path) -> str | None:
    """The contrast that the folder's name spells, also in the middle of a word such as `TrainT1`."""
    folder = path.absolute().parent.name
    found = contrast_from_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder))
    return found.key if found is not None else None
