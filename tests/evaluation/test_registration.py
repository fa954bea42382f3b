"""A reference on another grid is moved onto the prediction's, and refused where that is not sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medgan.errors import InputRefusedError, UsageError
from medgan.evaluation import judge
from medgan.evaluation.registration import move_onto
from medgan.scans import Scan

Made = Callable[..., Scan]
FINE = {"shape": (48, 56, 44), "spacing": 4.0}


def moved_away(scan: Scan, *, degrees: float, millimetres: tuple[float, float, float]) -> Scan:
    """The same head lying elsewhere: turned about the middle of its frame, then shifted."""
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = scan.affine[:3, :3] @ ((np.array(scan.voxels.shape) - 1) / 2) + scan.affine[:3, 3]
    turn[:3, 3] = middle - turn[:3, :3] @ middle + millimetres
    return replace(scan, affine=turn @ scan.affine)


def test_a_moved_head_is_moved_back_and_the_move_is_told(made: Made) -> None:
    prediction, reference = made("t2", **FINE), made("t1", **FINE)
    away = moved_away(reference, degrees=7.0, millimetres=(6.0, -8.0, 4.0))
    back, moved = move_onto(away, prediction)
    assert moved.degrees == pytest.approx(7.0, abs=0.4)
    assert moved.millimetres == pytest.approx(np.sqrt(36 + 64 + 16), abs=0.8)
    assert "turned by" in moved.text
    assert back.voxels.shape == prediction.voxels.shape
    assert judge(back, reference).foreground.r > 0.97


def test_the_figures_leave_out_what_the_reference_does_not_reach(made: Made) -> None:
    truth = made("t2", **FINE)
    half = replace(truth, voxels=truth.voxels[:, :, 6:], affine=truth.affine @ shift(0, 0, 6))
    judged = judge(truth, half, register=True)
    assert judged.moved is not None
    assert judged.moved.millimetres < 0.5
    assert not judged.moved.reached[:, :, :5].any()
    assert judged.foreground.r > 0.97
    assert judged.whole.r > 0.97


def shift(x: float, y: float, z: float) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, 3] = (x, y, z)
    return affine


def test_noise_is_refused(made: Made) -> None:
    prediction = made("t2", **FINE)
    noise = np.random.default_rng(0).random(prediction.voxels.shape).astype(np.float32)
    with pytest.raises(InputRefusedError, match="did not converge") as refused:
        move_onto(replace(prediction, voxels=noise), prediction)
    assert "same head" in refused.value.remedy


def test_pictures_and_sheared_grids_are_refused(made: Made) -> None:
    volume = made("t2")
    with pytest.raises(UsageError, match="volumes"):
        move_onto(replace(volume, voxels=volume.voxels[:, :, :1]), volume)
    sheared = np.array(volume.affine)
    sheared[0, 1] = 1.0
    with pytest.raises(InputRefusedError, match="right angles"):
        move_onto(replace(volume, affine=sheared), volume)
