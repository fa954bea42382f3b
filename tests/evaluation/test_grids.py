"""Two scans are on one grid where each voxel has one place, however it is stored; else it is told what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.evaluation.grids import differences, refuse_other_grid
from medgan.scans import Scan

Made = Callable[..., Scan]


def test_the_order_of_axes_is_no_difference(made: Made) -> None:
    turned = made("t1", affine=[[0, 0, -5.0, 70], [-5.0, 0, 0, 150], [0, 5.0, 0, 0], [0, 0, 0, 1]])
    plain = made("t1")
    assert turned.voxels.shape != plain.voxels.shape
    shifted = np.array(turned.affine)
    back = made("t1", affine=shifted)
    assert differences(turned, back) == []


@pytest.mark.parametrize("flip", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_a_scan_stored_backwards_is_on_the_same_grid(made: Made, flip: tuple[int, ...]) -> None:
    plain = made("t1")
    affine = np.array(plain.affine)
    for axis in flip:
        affine[:3, 3] += affine[:3, axis] * (plain.voxels.shape[axis] - 1)
        affine[:3, axis] *= -1
    assert differences(replace(plain, voxels=np.flip(plain.voxels, flip), affine=affine), plain) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (np.diag([1.01, 1, 1, 1]), "spacing 5.05"),
        (np.array([[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "middles 3 mm apart"),
    ],
)
def test_it_is_told_what_differs(made: Made, change: np.ndarray, told: str) -> None:
    plain = made("t1")
    other = replace(plain, affine=change @ plain.affine)
    assert any(told in text for text in differences(other, plain))


def test_a_turn_and_a_size_are_told(made: Made) -> None:
    plain = made("t1")
    cosine, sine = np.cos(0.05), np.sin(0.05)
    turn = np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert any(
        "turned by 2.86 degrees" in text
        for text in differences(replace(plain, affine=turn @ plain.affine), plain)
    )
    smaller = replace(plain, voxels=plain.voxels[:-1])
    assert any("31 x 40 x 16 voxels against 32 x 40 x 16" in text for text in differences(smaller, plain))


def test_the_last_digits_of_an_affine_are_no_difference(made: Made) -> None:
    plain = made("t1")
    assert differences(replace(plain, affine=plain.affine + 1e-3), plain) == []


def test_the_refusal_names_both_and_the_way_out(made: Made) -> None:
    plain = made("t1")
    with pytest.raises(
        InputRefusedError, match="the mask is not on the grid of the prediction: 31 x"
    ) as refused:
        refuse_other_grid(
            replace(plain, voxels=plain.voxels[:-1]),
            plain,
            called="mask",
            beside="prediction",
            remedy="Do this.",
        )
    assert refused.value.remedy == "Do this."
    assert refused.value.file == plain.source.path
