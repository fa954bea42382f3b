"""Source and result are shown in the same planes, as radiologists see them, and the result says what it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgan.reports.figures import MARK
from medgan.reports.side_by_side import AXIAL, CORONAL, SAGITTAL, SideBySide, notebook_html, save_preview
from medgan.scans import Scan, Source, read_nifti, read_picture
from medgan.scans.marks import is_synthetic_image


def shown(source: Scan, result: Scan | None = None, high: float = 1.0) -> SideBySide:
    return SideBySide(
        source,
        replace(result or source, contrast="t2"),
        source_window=(0.0, high),
        result_window=(0.0, high),
        source_contrast="t1",
    )


def volume(voxels: np.ndarray, affine: np.ndarray | None = None) -> Scan:
    return Scan(
        voxels=voxels.astype(np.float32),
        affine=np.eye(4) if affine is None else affine,
        source=Source(path=Path("scan_T1w.nii.gz"), kind="nifti", stem="scan_T1w"),
    )


def pixels(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))).astype(int)


@pytest.mark.parametrize(
    ("axis", "spot"),
    [(AXIAL, (29, 35, 20)), (CORONAL, (29, 20, 35)), (SAGITTAL, (20, 35, 35))],
    ids=["axial: right, front", "coronal: right, up", "sagittal: front, up"],
)
@pytest.mark.parametrize("axes", ["RAS", "PIL"])
def test_what_is_right_front_or_up_is_shown_above_and_on_the_left(
    axis: int, spot: tuple[int, int, int], axes: str
) -> None:
    voxels = np.full((32, 40, 40), 0.3)
    voxels[spot[0] - 2 : spot[0] + 3, spot[1] - 2 : spot[1] + 3, spot[2] - 2 : spot[2] + 3] = 1
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    turn = nibabel.orientations.axcodes2ornt(axes)
    image = image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(np.eye(4)), turn))
    view = shown(volume(image.get_fdata(), image.affine))
    plane = next(one for one in view.planes(axis, 40) if abs(one.index - spot[axis]) < 2)
    tile = pixels(view.tiles(plane, 80)[0])
    row, column = np.argwhere(tile > 200).mean(axis=0) / tile.shape
    assert row < 0.5
    assert column < 0.5


def test_planes_have_the_patients_proportions() -> None:
    view = shown(volume(np.ones((20, 40, 10)), np.diag([2.0, 1.0, 3.0, 1.0])))
    sizes = [pixels(view.tiles(plane, 80)[0]).shape for plane in view.three_planes()]
    assert sizes == [(80, 80), (60, 80), (60, 80)]


def test_slices_are_taken_through_the_head_and_not_through_the_air_around_it() -> None:
    voxels = np.zeros((30, 30, 50))
    voxels[8:22, 5:25, 20:40] = 1
    found = [plane.index for plane in shown(volume(voxels)).planes(AXIAL, 5)]
    assert len(found) == 5
    assert found == sorted(found)
    assert 20 <= found[0] < found[-1] <= 39


def test_the_result_alone_is_marked_in_its_tile() -> None:
    view = shown(volume(np.full((30, 40, 20), 0.2)))
    source, result = view.tiles(view.three_planes()[0], 170)
    assert pixels(source).max() < 60
    assert pixels(result)[:14].max() > 200


def test_the_preview_shows_three_planes_of_both_the_source_above() -> None:
    source = volume(np.full((30, 40, 20), 0.25))
    sheet = np.asarray(shown(source, replace(source, voxels=source.voxels * 3)).preview()).astype(int)
    middle = sheet.shape[0] // 2
    greys, counts = np.unique(sheet, return_counts=True)
    assert {64, 191} <= set(greys[np.argsort(counts)[-3:]].tolist())
    for grey, rows in ((64, np.arange(middle)), (191, np.arange(middle, len(sheet)))):
        assert set(np.unique(np.argwhere(sheet == grey)[:, 0])) & set(rows.tolist())
    assert np.argwhere(sheet == 64).mean(axis=0)[0] < np.argwhere(sheet == 191).mean(axis=0)[0]
    assert sheet[-20:].max() == 255, "the mark"


def test_a_preview_says_in_its_file_what_it_is(tmp_path: Path) -> None:
    source = volume(np.full((30, 40, 20), 0.25))
    save_preview(shown(source), tmp_path / "p.png", description="medgan 1.0 synthetic T2w from T1w")
    assert is_synthetic_image(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as written:
        assert written.info["Comment"] == MARK


def test_a_picture_has_one_plane_and_no_sides(tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))).save(tmp_path / "T1.png")
    view = shown(read_picture(tmp_path / "T1.png"), high=255.0)
    assert not view.sided
    (plane,) = view.three_planes()
    tile = pixels(view.tiles(plane, 40)[0])
    assert tile.shape == (30, 40)
    assert np.abs(tile - np.arange(40) * 6).max() <= 1, "as it lies in its file"


def test_the_preview_tells_right_and_left_where_they_are_known() -> None:
    source = volume(np.full((30, 40, 20), 0.25))
    with_letters = np.asarray(shown(source).preview()).astype(int)
    picture = replace(source, source=replace(source.source, kind="picture"))
    without = np.asarray(shown(picture).preview()).astype(int)
    changed = np.abs(with_letters - without) > 100
    assert 4 <= changed.any(axis=0).sum() < 100
    assert changed.any()


def test_an_image_without_anything_in_it_is_shown_all_the_same() -> None:
    view = shown(volume(np.zeros((9, 9, 9))))
    assert len(view.three_planes()) == 3
    assert view.preview().size[0] > 9


def test_a_result_on_another_grid_is_a_programming_error(head: Callable[..., Path], tmp_path: Path) -> None:
    scan = read_nifti(head(tmp_path / "a.nii.gz", "t1", 1))
    with pytest.raises(ValueError, match="grid"):
        shown(scan, replace(scan, voxels=scan.voxels[1:]))


def test_the_piece_for_notebooks_escapes_what_it_is_given() -> None:
    text = notebook_html(Image.new("L", (9, 9)), title="<b>", facts=["1 < 2"], warnings=["<script>"])
    assert "<script>" not in text
    assert "1 &lt; 2" in text
    assert MARK in text
