"""Pictures show axial slices as radiologists see them, and say that they are synthetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgan.reports.figures import MARK, picture_grid, radiological, save_animation, save_curves, save_picture


def test_a_slice_is_shown_with_anterior_up_and_the_patients_right_on_the_left() -> None:
    plane = np.zeros((6, 9))
    plane[5, 0] = 1  # right, posterior
    shown = radiological(plane)
    assert shown.shape == (9, 6)
    assert np.argwhere(shown).tolist() == [[8, 0]], "below, left"


def brightest(picture: Image.Image) -> tuple[int, int]:
    pixels = np.asarray(picture).astype(int)[18:-18]
    row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    return int(row) + 18, int(column)


def test_a_grid_has_a_place_for_every_picture_heading_and_the_mark() -> None:
    rows = [[np.zeros((160, 20)), np.zeros((160, 20))] for _ in range(2)]
    rows[1][1][0, 19] = 1  # left, anterior: shown above, right
    sheet = picture_grid(rows, headings=["one", "two"])
    assert sheet.mode == "L"
    row, column = brightest(sheet)
    assert row == 18 + 20 + 3
    assert column == sheet.width - 1
    blank = picture_grid(rows, headings=["", ""], mark="")
    assert np.asarray(sheet)[:18].max() == 255 > np.asarray(blank)[:18].max()
    assert np.asarray(sheet)[-18:].max() == 255 > np.asarray(blank)[-18:].max()


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    checks = np.indices((16, 16)).sum(0) % 2 * 1.0
    pixels = np.asarray(picture_grid([[checks]], headings=["x"]))[18:178, :160]
    assert pixels.shape == (160, 160)
    assert set(np.unique(pixels).tolist()) == {0, 255}
    assert (pixels[:10, :10] == pixels[0, 0]).all()


def test_values_beyond_0_and_1_and_nan_are_shown_as_black_or_white() -> None:
    plane = np.array([[-5.0, 0.0], [np.nan, 7.0]])
    pixels = np.asarray(picture_grid([[plane]], headings=["x"]))[18:178, :160]
    assert set(np.unique(pixels).tolist()) == {0, 255}
    assert (pixels == 255).mean() == 0.25


def test_a_saved_picture_says_in_its_text_that_it_is_synthetic(tmp_path: Path) -> None:
    save_picture(picture_grid([[np.zeros((16, 16))]], headings=["x"]), tmp_path / "new" / "x.png")
    with Image.open(tmp_path / "new" / "x.png") as picture:
        assert picture.info["Description"] == MARK
    assert "not for diagnosis" in MARK
    assert "SYNTHETIC" in MARK


def frames(folder: Path, count: int) -> list[Path]:
    made = []
    for index in range(count):
        path = folder / f"{index:03d}.png"
        Image.new("L", (24, 16), index * 2).save(path)
        made.append(path)
    return made


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (5, 5), (100, 10)])
def test_an_animation_shows_first_and_last_and_not_too_many(count: int, shown: int, tmp_path: Path) -> None:
    save_animation(frames(tmp_path, count), tmp_path / "x.gif", most=10)
    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.n_frames == shown
        assert animation.convert("L").getpixel((3, 3)) == pytest.approx(0, abs=3)
        animation.seek(shown - 1)
        assert animation.convert("L").getpixel((3, 3)) == pytest.approx(2 * (count - 1), abs=3)


def test_frames_of_another_size_than_the_last_are_left_out(tmp_path: Path) -> None:
    made = frames(tmp_path, 3)
    Image.new("L", (99, 99)).save(made[0])
    save_animation(made, tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.size == (24, 16)
        assert animation.n_frames == 2


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_curves_are_drawn_for_any_number_of_panels(panels: int, tmp_path: Path) -> None:
    curves = {
        f"panel {index}": {"a": [1.0, 2.0, float("nan")], "b": [3.0, 2.0, 1.0]} for index in range(panels)
    }
    save_curves(curves, [1, 2, 3], tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 1
