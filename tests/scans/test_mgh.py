"""FreeSurfer volumes are read with their place in the scanner, and what is damaged is refused by name."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.scans import find_scans
from medgan.scans.mgh import read_mgh

TURN = np.array([[0.9, 0.05, -0.43, 30], [-0.1, 0.99, -0.08, -20], [0.42, 0.12, 0.9, 11], [0, 0, 0, 1]])
#: FreeSurfer's own grid: axes to the left, down and forward.
CONFORMED = np.array([[-1.0, 0, 0, 6], [0, 0, 1, -7], [0, -1, 0, 8], [0, 0, 0, 1]])


def labels(dtype: Any = np.int32) -> Any:
    """Small numbers in which every axis and corner is told apart."""
    return (np.arange(12 * 14 * 16).reshape(12, 14, 16) % 251).astype(dtype)


def write(path: Path, *, values: Any = None, affine: Any = CONFORMED) -> Path:
    nibabel.save(nibabel.MGHImage(labels() if values is None else values, affine), path)
    return path


@pytest.mark.parametrize("affine", [CONFORMED, TURN], ids=["conformed", "oblique"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_voxels_and_their_places_are_those_that_were_written(affine: Any, dtype: Any, tmp_path: Path) -> None:
    scan = read_mgh(write(tmp_path / "aseg.mgz", values=labels(dtype), affine=affine))
    assert np.array_equal(scan.voxels, labels())
    np.testing.assert_allclose(scan.affine, affine, atol=1e-4)
    assert scan.source.stem == "aseg"


def test_an_unpacked_volume_reads_as_a_packed_one(tmp_path: Path) -> None:
    packed, plain = (read_mgh(write(tmp_path / name)) for name in ("a.mgz", "a.mgh"))
    assert np.array_equal(packed.voxels, plain.voxels)
    np.testing.assert_array_equal(packed.affine, plain.affine)


def test_a_volume_that_does_not_say_how_it_lies_is_taken_as_freesurfer_takes_it(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "a.mgh").read_bytes())
    content[28:30] = b"\0\0"  # goodRASFlag
    (tmp_path / "a.mgh").write_bytes(content)
    assert nibabel.aff2axcodes(read_mgh(tmp_path / "a.mgh").affine) == ("L", "I", "A")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("a.mgh", cut, "cut"),
        ("a.mgz", cut, "cut"),
        ("a.mgh", lambda content: content[:20], "no header"),
        ("a.mgz", lambda content: b"labels" * 100, "not a FreeSurfer volume"),
        ("a.mgh", lambda content: content[:4] + b"\x7f\xff\xff\xff" * 3 + content[16:], "claims"),
        ("a.mgh", lambda content: content[:4] + b"\0" * 12 + content[16:], "claims"),
        ("a.mgh", lambda content: content[:20] + b"\0\0\0\x63" + content[24:], "data type"),
        ("a.mgh", lambda content: content[:30] + b"\x7f\xc0\0\0" * 3 + content[42:], "NaN"),
        ("a.mgz", lambda content: gzip.compress(gzip.decompress(content) + bytes(2**21)), "more than"),
    ],
)
def test_what_is_damaged_is_refused_by_name(name: str, change: Any, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputRefusedError, match=said) as refused:
        read_mgh(path)
    assert refused.value.file == path and refused.value.remedy


def test_several_frames_and_no_file_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "two.mgz", values=np.stack([labels()] * 2, axis=3))
    with pytest.raises(InputRefusedError, match="2 frames"):
        read_mgh(path)
    with pytest.raises(InputRefusedError, match="no such file"):
        read_mgh(tmp_path / "none.mgz")


def test_a_scan_in_freesurfers_format_is_told_the_way_to_nifti(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="FreeSurfer volume") as refused:
        find_scans(write(tmp_path / "orig.mgz"))
    assert "mri_convert" in refused.value.remedy
