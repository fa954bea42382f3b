"""From a scan's grid to the network's frame and back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
import torch

from medgan.errors import InputRefusedError, UsageError
from medgan.preparation import PreparationSettings, prepare, restore
from medgan.preparation.frame import frame_of, resample
from medgan.scans.orientation import closest_turns
from medgan.scans.scan import Scan

MakeHead = Callable[..., np.ndarray]
MakeScan = Callable[..., Scan]

AXES = [
    tuple(zip(order, flips, strict=True))
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


def rotation(degrees: float, axis: int) -> np.ndarray:
    a, b = [other for other in range(3) if other != axis]
    matrix = np.eye(4)
    turn = np.deg2rad(degrees)
    matrix[a, a] = matrix[b, b] = np.cos(turn)
    matrix[a, b], matrix[b, a] = -np.sin(turn), np.sin(turn)
    return matrix


def turned(voxels: np.ndarray, affine: np.ndarray, axes: object) -> tuple[np.ndarray, np.ndarray]:
    """The same image in the world, its axes in another order."""
    image = nibabel.Nifti1Image(voxels, affine).as_reoriented(np.array(axes))
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_every_order_of_axes_gives_one_canonical_image_and_comes_back(
    axes: object, make_head: MakeHead, make_scan: MakeScan
) -> None:
    voxels = make_head((20, 24, 16))
    oblique = rotation(12, 2) @ rotation(-7, 0) @ np.diag([1.1, 1.1, 2.0, 1.0])
    settings = PreparationSettings(divisor=8)
    reference = prepare(make_scan(voxels, oblique), settings, spatial_dims=2)
    scan = make_scan(*turned(voxels, oblique, axes))
    prepared = prepare(scan, settings, spatial_dims=2)
    assert torch.equal(prepared.image, reference.image)
    assert torch.equal(prepared.foreground, reference.foreground)
    np.testing.assert_allclose(prepared.affine, reference.affine, atol=1e-9)
    back = restore(prepared, prepared.image, prepared.intensity)
    np.testing.assert_array_equal(back.affine, scan.affine)
    expected = np.where(scan.voxels > 0, scan.voxels.clip(prepared.intensity.low, prepared.intensity.high), 0)
    np.testing.assert_allclose(back.voxels, expected, atol=1e-4)


@pytest.mark.parametrize("axes", AXES[::7], ids=str)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_turning_and_padding_are_undone_to_the_bit(
    axes: object, spatial_dims: int, make_scan: MakeScan
) -> None:
    voxels = np.random.default_rng(0).normal(size=(7, 11, 5)).astype(np.float32)
    scan = make_scan(*turned(voxels, np.eye(4), axes))
    frame = frame_of(scan, PreparationSettings(), spatial_dims=spatial_dims)
    image = frame.fit(torch.from_numpy(frame.turn(scan.voxels))[None], fill=-1)
    assert tuple(image.shape[1:]) == (16, 16, 5 if spatial_dims == 2 else 16)
    np.testing.assert_array_equal(frame.turn_back(frame.unfit(image)[0].numpy()), scan.voxels)


def test_turning_agrees_with_nibabel(make_head: MakeHead, make_scan: MakeScan) -> None:
    voxels, affine = turned(make_head(), rotation(20, 1) @ np.diag([1.0, 1.0, 3.0, 1.0]), AXES[29])
    frame = frame_of(make_scan(voxels, affine), PreparationSettings(), spatial_dims=2)
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels, affine))
    np.testing.assert_array_equal(frame.turn(voxels), canonical.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(frame.canonical_affine, canonical.affine)


@pytest.mark.parametrize(
    "degrees", [(45, 0, 0), (0, 45, 0), (0, 0, 45), (45, 45, 0), (45, 0, 45), (90, 45, 0)]
)
def test_at_45_degrees_the_canonical_axes_follow_from_the_world_and_not_from_the_order_of_storage(
    degrees: tuple[float, float, float],
) -> None:
    world = rotation(degrees[2], 2) @ rotation(degrees[1], 1) @ rotation(degrees[0], 0)
    found = set()
    for axes in AXES:
        affine = turned(np.zeros((5, 6, 7)), world, axes)[1].astype(np.float32).astype(np.float64)
        canonical = (
            affine[:3, :3] @ nibabel.orientations.inv_ornt_aff(closest_turns(affine), (5, 6, 7))[:3, :3]
        )
        found.add(tuple((canonical.round(3) + 0.0).ravel()))
    assert len(found) == 1


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_away_from_a_tie_the_canonical_axes_are_nibabels(axes: object) -> None:
    for degrees in ((0, 0, 0), (44.9, 0, 0), (30, -25, 20), (-12, 40, 3)):
        world = rotation(degrees[2], 2) @ rotation(degrees[1], 1) @ rotation(degrees[0], 0)
        affine = turned(np.zeros((5, 6, 7)), world @ np.diag([1.0, 2.0, 3.0, 1.0]), axes)[1]
        np.testing.assert_array_equal(closest_turns(affine), nibabel.io_orientation(affine))


@pytest.mark.parametrize("angle", [44.9, 45.0, 45.1])
def test_a_scan_halfway_between_two_orientations_comes_back(
    angle: float, make_head: MakeHead, make_scan: MakeScan
) -> None:
    scan = make_scan(make_head(), rotation(angle, 2) @ rotation(45, 0))
    prepared = prepare(scan, PreparationSettings(), spatial_dims=2)
    back = restore(prepared, prepared.image, prepared.intensity)
    np.testing.assert_allclose(back.voxels, scan.voxels.clip(0, prepared.intensity.high), atol=1e-4)


def test_a_sheared_affine_survives(make_head: MakeHead, make_scan: MakeScan) -> None:
    sheared = np.eye(4)
    sheared[1, 2] = 0.4
    scan = make_scan(make_head(), sheared)
    prepared = prepare(scan, PreparationSettings(spacing=1.5), spatial_dims=2)
    back = restore(prepared, prepared.image, prepared.intensity)
    np.testing.assert_array_equal(back.affine, sheared)
    assert back.voxels.shape == scan.voxels.shape


def test_an_affine_is_turned_and_scaled_but_never_straightened(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    oblique = rotation(15, 0) @ np.diag([0.5, 0.5, 3.0, 1.0])
    prepared = prepare(make_scan(make_head(), oblique), PreparationSettings(spacing=1.0), spatial_dims=2)
    directions = prepared.affine[:3, :3] / prepared.spacing
    np.testing.assert_allclose(directions, rotation(15, 0)[:3, :3], atol=1e-9)


@pytest.mark.parametrize("spacing", [0.6, 1.0, 1.7])
def test_resampling_keeps_anatomy_where_it_is_in_the_world(
    spacing: float, make_head: MakeHead, make_scan: MakeScan
) -> None:
    affine = rotation(10, 2) @ np.diag([0.9, 1.1, 2.0, 1.0])
    affine[:3, 3] = (5, -20, 30)
    scan = make_scan(make_head((40, 44, 12)), affine)
    centres = []
    for settings in (PreparationSettings(spacing=spacing), PreparationSettings(spacing=0.9)):
        prepared = prepare(scan, settings, spatial_dims=2)
        weights = (prepared.image[0].numpy() + 1) / 2
        index = np.stack(np.indices(weights.shape)).reshape(3, -1)
        centre = (index * weights.ravel()).sum(axis=1) / weights.sum()
        centres.append(prepared.affine @ [*centre, 1.0])
    np.testing.assert_allclose(centres[0], centres[1], atol=0.1)


@pytest.mark.parametrize(
    ("settings", "spatial_dims", "shape"),
    [
        (PreparationSettings(spacing=2.0, divisor=1), 2, (16, 20, 8)),
        (PreparationSettings(spacing=2.0, divisor=1, through_plane=True), 2, (16, 20, 8)),
        (PreparationSettings(spacing=2.0, divisor=1), 3, (16, 20, 8)),
        (PreparationSettings(spacing=2.0, divisor=1, through_plane=True), 3, (16, 20, 16)),
        (PreparationSettings(through_plane=True), 3, (32, 48, 32)),
        (PreparationSettings(spacing=2.0), 2, (16, 32, 8)),
        (PreparationSettings(spacing=2.0), 3, (16, 32, 16)),
        (PreparationSettings(size=64), 2, (64, 64, 8)),
        (PreparationSettings(size=20), 2, (32, 32, 8)),
        (PreparationSettings(), 2, (32, 48, 8)),
    ],
    ids=str,
)
def test_the_frame_is_as_the_settings_say(
    settings: PreparationSettings, spatial_dims: int, shape: tuple[int, ...], make_scan: MakeScan
) -> None:
    scan = make_scan(np.ones((32, 40, 8), dtype=np.float32), (1, 1, 4))
    assert frame_of(scan, settings, spatial_dims=spatial_dims).shape == shape


def test_pixels_that_are_not_square_become_so(make_scan: MakeScan) -> None:
    scan = make_scan(np.ones((20, 40, 8), dtype=np.float32), (2, 1, 4))
    frame = frame_of(scan, PreparationSettings(divisor=1), spatial_dims=2)
    assert frame.resampled == (40, 40, 8)
    np.testing.assert_allclose(frame.spacing, (1, 1, 4))


def test_a_sagittal_series_is_seen_in_axial_planes_of_square_pixels(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    canonical = make_head((8, 40, 36))
    scan = make_scan(*turned(canonical, np.diag([5.0, 1.0, 1.0, 1.0]), ((2, -1), (0, -1), (1, -1))))
    assert scan.orientation == "PIL"
    prepared = prepare(scan, PreparationSettings(), spatial_dims=2)
    assert tuple(prepared.image.shape) == (1, 48, 48, 36)
    assert "5.0-fold" in " ".join(prepared.warnings)
    back = restore(prepared, prepared.image, prepared.intensity)
    assert back.voxels.shape == scan.voxels.shape
    head = scan.voxels > 0
    assert np.corrcoef(back.voxels[head], scan.voxels[head])[0, 1] > 0.97


def test_a_spacing_that_differs_by_less_than_a_percent_is_not_resampled(make_scan: MakeScan) -> None:
    scan = make_scan(np.ones((256, 256, 2), dtype=np.float32), (0.9961, 1.0, 3.0))
    assert frame_of(scan, PreparationSettings(spacing=1.0), spatial_dims=2).resampled == (256, 256, 2)


def test_resampling_there_and_back_loses_little(make_head: MakeHead) -> None:
    image = torch.from_numpy(make_head((64, 64, 4)))[None]
    smooth = resample(resample(image, (40, 40, 4)), (64, 64, 4))
    back = resample(resample(smooth, (48, 48, 4)), (64, 64, 4))
    assert (back - smooth).abs().mean() < 3  # of 300


def test_the_third_axis_alone_can_be_resampled(make_head: MakeHead) -> None:
    image = torch.from_numpy(make_head((16, 16, 12)))[None]
    assert tuple(resample(image, (16, 16, 24)).shape) == (1, 16, 16, 24)
    assert resample(image, (16, 16, 12)) is image


def test_an_image_of_another_shape_is_not_taken_back(make_scan: MakeScan) -> None:
    scan = make_scan(np.ones((8, 8, 4), dtype=np.float32))
    frame = frame_of(scan, PreparationSettings(), spatial_dims=2)
    with pytest.raises(ValueError, match="not on the frame"):
        frame.unfit(torch.zeros(1, 8, 8, 4))


def test_a_singular_affine_is_refused(make_scan: MakeScan) -> None:
    scan = make_scan(np.ones((8, 8, 4), dtype=np.float32), np.diag([1.0, 1.0, 0.0, 1.0]))
    with pytest.raises(InputRefusedError, match="singular"):
        frame_of(scan, PreparationSettings(), spatial_dims=2)


def test_an_absurdly_fine_spacing_is_refused(make_scan: MakeScan) -> None:
    scan = make_scan(np.ones((200, 200, 4), dtype=np.float32))
    with pytest.raises(UsageError, match="would be resampled to"):
        frame_of(scan, PreparationSettings(spacing=0.01), spatial_dims=2)
