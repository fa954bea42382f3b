"""Claims about the page: it stands alone, escapes what files say, and shows scans the right way round."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgan.reports.inspection import Gallery, charts, write_inspection
from medgan.scans.inspection import find_candidates, inspect_each
from medgan.scans.overview import Overview, overview


def nifti(path: Path, voxels: np.ndarray | None = None, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if voxels is None:
        voxels = np.zeros((24, 32, 20), np.float32)
        voxels[4:20, 4:28, 2:18] = np.random.default_rng(0).uniform(80, 120, (16, 24, 16))
    nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine).to_filename(path)
    return path


def page(folder: Path, *, most: int = 24) -> tuple[str, Gallery, Overview]:
    candidates, empty = find_candidates([folder])
    gallery = Gallery(candidates, most=most)
    seen = overview(list(inspect_each(candidates, look=gallery)), empty)
    out = folder.parent / "report.html"
    write_inspection(seen, out, paths=[folder], tiles=gallery.tiles)
    return out.read_text(encoding="utf-8"), gallery, seen


def pixels(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_the_page_is_well_formed_and_loads_nothing(wellformed: Any, tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a_T1w.nii")
    nifti(tmp_path / "in" / "b.nii", np.zeros((16, 16, 16), np.float32))
    text, gallery, _ = page(tmp_path / "in")
    parser = wellformed(text)
    assert "script" not in parser.tags
    assert "link" not in parser.tags
    assert parser.loads == [f"data:image/png;base64,{tile.png}" for tile in gallery.tiles]
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_page_tells_counts_refusals_advice_and_warnings(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a_T1w.nii")
    nifti(tmp_path / "in" / "a_T2w.nii")
    nifti(tmp_path / "in" / "b.nii", np.zeros((16, 16, 16), np.float32))
    text, _, seen = page(tmp_path / "in")
    assert "<b>3</b><span>found</span>" in text
    assert "<b>1</b><span>refused</span>" in text
    assert "every voxel is 0" in text
    assert seen.advice
    assert all(sentence in text for sentence in seen.advice)
    assert "24 × 32 × 20" in text


def test_what_files_say_cannot_become_markup(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "<script>alert(1)<&_T1w.nii")
    text, _, _ = page(tmp_path / "in")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_page_shows_no_folder_above_what_was_looked_at(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "a_T1w.nii")
    nifti(tmp_path / "in" / "b.nii", np.zeros((16, 16, 16), np.float32))
    text, _, _ = page(tmp_path / "in")
    assert str(tmp_path) not in text
    assert tmp_path.name not in text


def test_the_page_is_written_for_nothing_but_refusals_too(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "b.nii", np.zeros((16, 16, 16), np.float32))
    text, gallery, _ = page(tmp_path / "in")
    assert gallery.tiles == []
    assert "<b>0</b><span>usable</span>" in text


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_pictures_are_the_middle_axial_slice_with_the_patients_right_on_the_left(
    tmp_path: Path, flip: tuple[int, int, int]
) -> None:
    voxels = np.zeros((20, 30, 12), np.float32)
    right = slice(15, 20) if flip[0] > 0 else slice(0, 5)
    front = slice(25, 30) if flip[1] > 0 else slice(0, 5)
    voxels[:, :, 5:8] = 60
    voxels[right, front, 5:8] = 100
    nifti(tmp_path / "in" / "a.nii", voxels, np.diag([*flip, 1.0]))
    _, gallery, _ = page(tmp_path / "in")
    shown = pixels(gallery.tiles[0].png)
    height, width = shown.shape
    assert height / width == pytest.approx(1.5, rel=0.02)
    assert shown[: height // 8, : width // 6].min() > 200
    assert shown[height // 3 :].max() < 60
    assert gallery.tiles[0].sided


def test_pixels_are_square_whatever_the_spacing_and_axes(tmp_path: Path) -> None:
    voxels = (
        np.random.default_rng(0).uniform(1, 2, (30, 20, 40)).astype(np.float32)
    )  # sagittal slices: A, S, L
    affine = np.array([[0, 0, -4.0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    nifti(tmp_path / "in" / "a.nii", voxels, affine)
    _, gallery, _ = page(tmp_path / "in")
    height, width = pixels(gallery.tiles[0].png).shape
    assert width / height == pytest.approx(160 / 30, rel=0.03)


def test_pictures_claim_no_side(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 200, (40, 32)).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(grey).save(tmp_path / "in" / "a.png")
    text, gallery, _ = page(tmp_path / "in")
    assert not gallery.tiles[0].sided
    assert 'class="frame sided"' not in text


def test_at_most_so_many_pictures_are_taken_evenly(tmp_path: Path) -> None:
    for index in range(9):
        nifti(tmp_path / "in" / f"{index}.nii")
    _, gallery, _ = page(tmp_path / "in", most=3)
    assert [tile.label for tile in gallery.tiles] == ["0.nii", "4.nii", "8.nii"]


def test_there_is_a_chart_for_each_contrast_whose_lines_stay_finite(tmp_path: Path) -> None:
    for name in ("a_T1w", "b_T1w", "a_T2w", "c"):
        nifti(tmp_path / "in" / f"{name}.nii")
    binary = np.zeros((16, 16, 16), np.float32)
    binary[4:12, 4:12, 4:12] = 1
    nifti(tmp_path / "in" / "mask.nii", binary)
    nifti(tmp_path / "in" / "huge_T2w.nii", binary * 1e38)
    text, _, seen = page(tmp_path / "in")
    found = charts(seen.usable)
    assert [(chart.contrast, len(chart.lines)) for chart in found] == [("t1", 2), ("t2", 2), (None, 2)]
    assert found[0].title == "T1w: 2 scans"
    for chart in found:
        assert "nan" not in "".join((*chart.lines, chart.mean))
        assert 2 <= len(chart.ticks) <= 12
    assert text.count("<svg") == 3


def test_the_template_is_part_of_the_package() -> None:
    from importlib.resources import files

    folder = files("medgan.reports") / "templates"
    assert {one.name for one in folder.iterdir()} >= {"page.html.j2", "inspection.html.j2"}
