"""Damage that medgan once met badly, by kind of corpus; each is tried first in every run."""

from __future__ import annotations

from mutations import Operation

FOUND: dict[str, tuple[tuple[str, int, list[Operation]], ...]] = {
    "nifti": (
        # inspect: a histogram of values that are huge and all but equal
        ("big-endian .nii", 0, [("cut", 29878, 0, b""), ("extend", 0, 602, b"\x7f")]),
        # an affine whose axes are too long to be measured in floats
        ("NIfTI-2 .nii", 0, [("insert", 349, 0, b"\0")]),
    ),
    "dicom": (
        # a value that claims 800 MiB, which Python allocated before it looked what there was
        ("JPEG-LS slice", 0, [("zero", 132, 32, b"")]),
        ("JPEG-LS slice", 0, [("delete", 156, 1, b"")]),
    ),
    "pictures": (
        # 8191 x 8191 pixels in a file of a few hundred bytes, for which Pillow makes room
        ("8-bit PNG, sealed", 0, [("put", 16, 0, b"\0\0\x1f\xff\0\0\x1f\xff")]),
    ),
    "zip": (
        # a message that quoted three kilobytes of the archive
        ("zip of series", 0, [("put hot", 9, 0, b"\x00\x0b")]),
    ),
    "models": (
        # a checkpoint that says it is of another step, and one whose tensor has another shape
        ("checkpoints", 1, [("put", 163, 0, b"9")]),
        ("checkpoints", 1, [("put", 407, 0, b"7, 5")]),
        # values that PyYAML's safe loader answers with ValueError, IndexError, KeyError and AttributeError
        ("recipe", 0, [("insert", 0, 0, b"name: 2001-99-99\n")]),
        ("recipe", 0, [("insert", 0, 0, b"name: !!int ''\n")]),
        ("recipe", 0, [("insert", 0, 0, b"name: !!bool perhaps\n")]),
        ("recipe", 0, [("insert", 0, 0, b"name: !!timestamp never\n")]),
        ("recipe", 0, [("insert", 0, 0, b"name: " + b"9" * 5000 + b"\n")]),
    ),
}
