"""The foreground is the head, by a stated rule."""

from __future__ import annotations

import numpy as np

from medgan.evaluation import head, to_unit


def ball(shape: tuple[int, int, int] = (40, 44, 30), radius: float = 12.0) -> np.ndarray:
    grid = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    return np.sqrt((grid**2).sum(axis=0)) < radius


def test_the_head_is_filled_however_dark_its_inside_is() -> None:
    shell = np.where(ball() & ~ball(radius=9), 100.0, 0.0) + ball(radius=9) * 1.0
    assert np.array_equal(head(shell) & ball(radius=11), ball(radius=11))


def test_specks_and_smaller_pieces_are_no_head() -> None:
    image = np.where(ball(), 100.0, 0.0)
    image[1:5, 1:5, 1:5] = 100
    image[36, 40, 3] = 100
    found = head(image)
    assert not found[1:5, 1:5, 1:5].any()
    assert not found[36, 40, 3]
    assert found[ball(radius=10)].all()


def test_what_touches_the_frame_is_eroded_no_more_than_the_rest() -> None:
    image = np.zeros((30, 30, 20))
    image[5:25, 5:25, :] = 100
    assert head(image)[8:22, 8:22, :].all()


def test_a_picture_has_a_foreground_too() -> None:
    image = np.where(ball((40, 44, 1)), 100.0, 0.0)
    assert head(image).sum() > 0.9 * ball((40, 44, 1)).sum()


def test_an_empty_reference_has_no_foreground() -> None:
    assert not head(np.zeros((8, 8, 8))).any()
    assert not head(np.full((8, 8, 8), -3.0)).any()


def test_scaling_is_by_percentiles_inside_the_mask_alone() -> None:
    image = np.where(ball(), np.linspace(10, 20, ball().size).reshape(ball().shape), 1e6)
    unit = to_unit(image, ball())
    assert unit[ball()].min() == 0
    assert unit[ball()].max() == 1
    assert np.median(unit[ball()]) > 0.3
