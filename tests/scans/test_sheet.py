"""Claims about contact sheets: the right way round, square pixels, and a mark that can be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgan.errors import OutputNotWrittenError, UsageError
from medgan.scans.scan import Scan, Source
from medgan.scans.sheet import _tiles, contact_sheet

MARK = "SYNTHETIC T2w from T1w - research only"


def volume(shape: tuple[int, int, int] = (20, 30, 12), affine: np.ndarray | None = None) -> Scan:
    voxels = np.zeros(shape, np.float32)
    return Scan(
        voxels=voxels,
        affine=np.eye(4) if affine is None else affine,
        source=Source(path=Path("a"), kind="array", stem="a"),
    )


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_the_patients_right_is_on_the_left_and_the_front_is_up(flip: tuple[int, int, int]) -> None:
    scan = volume(affine=np.diag([*flip, 1.0]))
    patient_right = slice(15, 20) if flip[0] > 0 else slice(0, 5)
    front = slice(25, 30) if flip[1] > 0 else slice(0, 5)
    top = slice(6, 12) if flip[2] > 0 else slice(0, 6)
    scan.voxels[patient_right, front, top] = 1
    tiles = [np.asarray(tile) for tile in _tiles(scan, low=0, high=1)]
    assert all(tile.max() == 0 for tile in tiles[:6])
    for tile in tiles[6:]:
        height, width = tile.shape
        assert tile[: height // 12, : width // 8].min() == 255
        assert tile[height // 2 :].max() == 0
        assert tile[:, width // 2 :].max() == 0


def test_a_sagittal_acquisition_is_shown_in_axial_slices_too() -> None:
    sagittal = np.array([[0, 0, 4.0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    tiles = _tiles(volume((64, 40, 16), sagittal), low=0, high=1)
    assert len(tiles) == 30
    assert tiles[0].size == (192, 192)


def test_pixels_are_square_whatever_the_spacing() -> None:
    assert _tiles(volume((20, 40, 3), np.diag([2.0, 1, 5, 1])), low=0, high=1)[0].size == (192, 192)
    assert _tiles(volume((20, 40, 3)), low=0, high=1)[0].size == (96, 192)


@pytest.mark.parametrize(("depth", "shown"), [(1, 1), (30, 30), (31, 30), (256, 30)])
def test_at_most_thirty_slices_are_shown(depth: int, shown: int) -> None:
    assert len(_tiles(volume((10, 10, depth)), low=0, high=1)) == shown


@pytest.mark.parametrize("shape", [(20, 30, 12), (10, 10, 1), (200, 10, 40)])
@pytest.mark.parametrize("mark", [MARK, "x" * 90, "two\nlines", "é → ü"])
def test_the_mark_is_visible_above_the_slices(tmp_path: Path, shape: tuple[int, int, int], mark: str) -> None:
    contact_sheet(volume(shape), tmp_path / "s.png", low=0, high=1, mark=mark)
    image = Image.open(tmp_path / "s.png")
    pixels = np.asarray(image)
    assert image.mode == "L"
    assert pixels[:40].max() > 200
    assert pixels[:, -2:].max() == 0  # no letter is cut off at the edge
    assert image.text["Description"] == mark


def test_a_sheet_without_mark_or_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        contact_sheet(volume(), tmp_path / "s.png", low=0, high=1, mark=" ")
    with pytest.raises(UsageError):
        contact_sheet(volume(), tmp_path / "s.png", low=1, high=1, mark=MARK)
    with pytest.raises(OutputNotWrittenError):
        contact_sheet(volume(), tmp_path / "s.jpg", low=0, high=1, mark=MARK)
    assert list(tmp_path.iterdir()) == []
