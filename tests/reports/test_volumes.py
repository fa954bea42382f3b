"""A page holds volumes that lie where the scans lie, small enough for a browser, and nothing of their headers."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medgan.reports import volumes
from medgan.reports.volumes import halvings, to_viewer
from medgan.scans.scan import Scan, Source


def scan(shape: tuple[int, int, int], affine: np.ndarray | None = None) -> Scan:
    voxels = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
    where = np.diag([1.0, 1.0, 2.0, 1.0]) if affine is None else affine
    return Scan(voxels=voxels, affine=where, source=Source(path=Path("a"), kind="array", stem="a"))


def unpacked(packed: str) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(packed)))


def test_the_viewer_gets_the_scans_values_and_place_in_8_bits() -> None:
    affine = np.array([[0, -1.2, 0.1, 4], [1, 0, 0, -9], [0, 0.1, 3, 7], [0, 0, 0, 1.0]])
    one = scan((9, 8, 7), affine)
    image = unpacked(to_viewer(one, low=5.0, high=90.0))
    assert image.get_data_dtype() == np.uint8
    assert np.allclose(image.affine, affine, atol=1e-5)
    assert np.abs(image.get_fdata() - one.voxels).max() < 100 / 255
    assert (image.header["cal_min"], image.header["cal_max"]) == (5.0, 90.0)


def test_what_lies_far_beyond_the_window_takes_no_levels_from_what_is_seen() -> None:
    one = scan((9, 8, 7))
    one.voxels[0, 0, 0] = 1e6
    image = unpacked(to_viewer(one, low=0.0, high=100.0))
    assert np.abs(image.get_fdata() - one.voxels).ravel()[1:].max() < 0.5
    assert image.get_fdata().max() == pytest.approx(130)


@pytest.mark.parametrize("shape", [(16, 12, 6), (15, 11, 5), (16, 12, 1)])
def test_a_large_volume_is_halved_and_stays_where_it_was(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "MOST_VOXELS", 300 if shape[2] > 1 else 50)
    one = scan(shape, np.array([[2, 0, 0, -5], [0, 0, 3, 0], [0, 2, 0, 8], [0, 0, 0, 1.0]]))
    halved = halvings(one)
    assert halved == (2, 2, 1)
    image = unpacked(to_viewer(one, low=0.0, high=100.0, halved=halved))
    block = one.voxels[2:4, 4:6, 0].mean()
    assert abs(image.get_fdata()[1, 2, 0] - block) < 0.5
    centre = one.affine @ [2.5, 4.5, 0, 1]
    assert np.allclose(image.affine @ [1, 2, 0, 1], centre)


def test_the_finest_voxels_are_halved_first_and_no_axis_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "MOST_VOXELS", 4000)
    assert halvings(scan((20, 20, 20), np.diag([1.0, 1.0, 0.5, 1.0]))) == (1, 1, 2)
    assert halvings(scan((4100, 1, 1))) == (4, 1, 1)
    monkeypatch.undo()
    assert halvings(replace(scan((2, 2, 2)), voxels=np.zeros((256, 256, 192), np.float32))) == (1, 1, 1)


def test_equal_voxels_are_no_trouble() -> None:
    one = replace(scan((4, 4, 4)), voxels=np.full((4, 4, 4), 7.0, np.float32))
    assert np.allclose(unpacked(to_viewer(one, low=7.0, high=8.0)).get_fdata(), 7.0)
