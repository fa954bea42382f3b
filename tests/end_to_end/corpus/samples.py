"""Small sound inputs of every kind that medgan reads, as bytes; damage starts from these."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dicom
import nibabel
import numpy as np
from PIL import Image

Files = dict[str, bytes]


@dataclass(frozen=True)
class Sample:
    """A sound input.

    Attributes:
        name: of the sample.
        files: content by file name; damage is done to these.
        entry: what is given to medgan: a file's name, or "." for the folder.
        seal: wraps the damaged files up so that outer checksums hold, and the damage goes deeper.
        exact: checksums cover it: any change is refused or changes nothing.
        hot: offsets of fields that steer a reader, by file.
    """

    name: str
    files: Files
    entry: str
    seal: Callable[[Files], Files] = dict
    exact: bool = False
    hot: dict[str, list[int]] = field(default_factory=dict)


def nifti_samples() -> list[Sample]:
    """NIfTI-1 and -2, single files and pairs, both byte orders, scaled integers, floats, 4D, packed or not."""
    single, big = (
        _nifti(nibabel.Nifti1Image, np.int16, scaled=True),
        _nifti(nibabel.Nifti1Image, np.float32, big=True),
    )
    second = _nifti(nibabel.Nifti2Image, np.float32)
    header, image = _pair(scaled=True)
    sidecar = json.dumps({"EchoTime": 0.1, "RepetitionTime": 4.0, "Modality": "MR"}).encode()
    words = _words(sidecar)
    hot1 = [0, 40, 42, 44, 46, 48, 70, 72, 76, 80, 84, 88, 92, 108, 112, 116, 120, 123, 252, 254, 256, 260, 264, 268,
            280, 284, 288, 296, 312, 320, 344, 347]  # fmt: skip
    hot2 = [
        0,
        4,
        12,
        14,
        16,
        24,
        32,
        40,
        48,
        104,
        112,
        120,
        128,
        168,
        176,
        184,
        344,
        348,
        352,
        376,
        400,
        424,
        500,
    ]
    return [
        Sample("int16 scaled .nii", {"a.nii": single}, "a.nii", hot={"a.nii": hot1}),
        Sample("big-endian .nii", {"a.nii": big}, "a.nii", hot={"a.nii": hot1}),
        Sample("NIfTI-2 .nii", {"a.nii": second}, "a.nii", hot={"a.nii": hot2}),
        Sample("4D .nii", {"a.nii": _nifti(nibabel.Nifti1Image, np.uint8, volumes=2)}, "a.nii", hot={"a.nii": hot1}),
        Sample(".hdr and .img", {"a.hdr": header, "a.img": image}, "a.hdr", hot={"a.hdr": hot1}),
        Sample(".nii.gz", {"a.nii.gz": gzip.compress(single, 6, mtime=0)}, "a.nii.gz", exact=True),
        Sample(".nii.gz, sealed", {"a.nii": single}, "a.nii.gz", seal=_packed, hot={"a.nii": hot1}),
        Sample("sidecar", {"a.nii": single, "a.json": sidecar}, "a.nii", hot={"a.nii": hot1, "a.json": words}),
    ]  # fmt: skip


def dicom_samples() -> list[Sample]:
    """A series in every encoding; one file and several; enhanced multi-frame; JPEG-LS."""
    made: list[tuple[str, Files, str]] = []
    for encoding in dicom.ENCODINGS:
        made.append((f"{encoding} slice", dicom.series(encoding, 1), "0.dcm"))
        made.append((f"{encoding} series", dicom.series(encoding, 3), "."))
    for encoding in ("explicit", "implicit", "rle", "jpeg2000"):
        made.append((f"{encoding} multi-frame", {"a.dcm": dicom.multi_frame(encoding)}, "a.dcm"))
    made.append(("JPEG-LS slice", {"a.dcm": dicom.jpeg_ls()}, "a.dcm"))
    return [
        Sample(name, content, entry, hot={file: dicom.hot_spots(data) for file, data in content.items()})
        for name, content, entry in made
    ]


def picture_samples() -> list[Sample]:
    """PNG of 8 and 16 bits, palette, RGB, interlaced, 1 bit, with transparency; JPEG, plain and progressive."""
    grey = np.random.default_rng(1).integers(0, 256, (12, 16)).astype(np.uint8)
    pictures = {
        "8-bit PNG": Image.fromarray(grey),
        "16-bit PNG": Image.fromarray(grey.astype(np.uint16) * 257),
        "palette PNG": Image.fromarray(grey).convert("P"),
        "RGB PNG": Image.fromarray(np.stack([grey] * 3, axis=-1)),
        "RGBA PNG": Image.fromarray(np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1)),
        "1-bit PNG": Image.fromarray(grey > 100),
    }
    contents = {name: _saved(picture, "PNG") for name, picture in pictures.items()}
    contents["interlaced PNG"] = _interlaced(grey)
    found = []
    for name, content in contents.items():
        hot = _png_chunks(content)
        found.append(Sample(name, {"a.png": content}, "a.png", exact=True, hot={"a.png": hot}))
        found.append(
            Sample(f"{name}, sealed", {"a.png": content}, "a.png", seal=_checksummed, hot={"a.png": hot})
        )
    for progressive in (False, True):
        jpeg = _saved(Image.fromarray(grey), "JPEG", progressive=progressive)
        hot = [
            m.start() + n for m in re.finditer(rb"\xff[\xc0-\xfe]", jpeg, re.DOTALL) for n in (1, 2, 4, 5, 7)
        ]
        name = "progressive JPEG" if progressive else "JPEG"
        found.append(Sample(name, {"a.jpg": jpeg}, "a.jpg", hot={"a.jpg": hot}))
    return found


def zip_samples() -> list[Sample]:
    """A packed NIfTI file and a packed series, as they are and with their members damaged before packing."""
    single = {"a.nii": _nifti(nibabel.Nifti1Image, np.int16, scaled=True)}
    found = []
    for name, content in (("NIfTI", single), ("series", dicom.series("explicit", 3))):
        packed = _zipped(content)["a.zip"]
        hot = [
            m.start() + n
            for m in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", packed, re.DOTALL)
            for n in (6, 8, 10, 14, 16, 18, 20, 22, 24, 26, 28, 30, 42)
        ]
        found.append(Sample(f"zip of {name}", {"a.zip": packed}, "a.zip", hot={"a.zip": hot}))
        found.append(Sample(f"zip of {name}, sealed", content, "a.zip", seal=_zipped))
    return found


def _nifti(kind: Any, dtype: Any, *, big: bool = False, scaled: bool = False, volumes: int = 1) -> bytes:
    header = kind.header_class(endianness=">" if big else "<")
    voxels = np.random.default_rng(2).integers(0, 120, (10, 12, 3, volumes)[: 3 + (volumes > 1)])
    image = kind(voxels.astype(dtype), np.diag([-1.5, 1.0, 2.0, 1.0]), header)
    image.set_data_dtype(np.dtype(dtype).newbyteorder(">" if big else "<"))
    if scaled:
        image.header.set_slope_inter(0.5, 3.0)
    return bytes(image.to_bytes())


def _pair(*, scaled: bool) -> tuple[bytes, bytes]:
    whole = bytearray(_nifti(nibabel.Nifti1Image, np.int16, scaled=scaled))
    header = whole[:348]
    header[108:112], header[344:348] = struct.pack("<f", 0), b"ni1\0"
    return bytes(header) + bytes(4), bytes(whole[352:])


def _packed(content: Files) -> Files:
    return {f"{name}.gz": gzip.compress(data, 6, mtime=0) for name, data in content.items()}


def _zipped(content: Files) -> Files:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(f"folder/{name}"), data, zipfile.ZIP_DEFLATED)
    return {"a.zip": stream.getvalue()}


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _interlaced(grey: Any) -> bytes:
    """Adam7 (PNG specification, section 8.2), which Pillow reads and does not write."""
    passes = (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    )
    lines = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in passes
        for row in grey[top::down, left::across]
        if row.size
    )
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines))
        + _chunk(b"IEND", b"")
    )


def _png_chunks(content: bytes) -> list[int]:
    place, found = 8, list(range(16, 29))
    while place + 12 <= len(content):
        found += [place, place + 4, place + 8]
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return found


def _checksummed(content: Files) -> Files:
    """Put right the checksums of all PNG chunks, and the checksum inside the packed rows with them."""
    sealed = {}
    for name, data in content.items():
        place, out = 8, data[:8]
        while place + 12 <= len(data):
            length = int.from_bytes(data[place : place + 4], "big")
            out += _chunk(
                data[place + 4 : place + 8], data[place + 8 : min(place + 8 + length, len(data) - 4)]
            )
            place += 12 + length
        sealed[name] = out + data[place:]
    return sealed


def _words(content: bytes) -> list[int]:
    """Where words and numbers begin in a text."""
    return [match.start() for match in re.finditer(rb"[A-Za-z0-9]+", content)]


def write(content: Files, folder: Path) -> None:
    """Put files into an empty folder."""
    for name, data in content.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def strangers() -> list[bytes]:
    """Beginnings of files of other kinds, to be spliced into any."""
    return [
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"PK\x03\x04",
        bytes(128) + b"DICM",
        b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os\x94",
        _nifti(nibabel.Nifti1Image, np.uint8),
        *dicom.series("explicit", 1).values(),
    ]
