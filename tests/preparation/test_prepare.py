"""A scan to network input and back."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medgan.errors import InputRefusedError, ModelRefusedError
from medgan.preparation import IntensityRange, PreparationSettings, prepare, restore
from medgan.scans.scan import Scan

MakeHead = Callable[..., np.ndarray]
MakeScan = Callable[..., Scan]

PLAIN = PreparationSettings()
T2 = IntensityRange(low=50, high=1050, background=7)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_network_sees_a_padded_frame_between_minus_one_and_one(
    spatial_dims: int, make_head: MakeHead, make_scan: MakeScan
) -> None:
    prepared = prepare(make_scan(make_head((30, 40, 24))), PLAIN, spatial_dims=spatial_dims)
    assert tuple(prepared.image.shape) == (1, 32, 48, 24 if spatial_dims == 2 else 32)
    assert prepared.image.dtype == torch.float32
    assert type(prepared.image) is torch.Tensor
    assert prepared.foreground.dtype == torch.bool
    assert prepared.foreground.shape == prepared.image.shape
    assert prepared.image.min() == -1
    assert prepared.image.max() == 1
    assert (prepared.image[~prepared.foreground] == -1).all()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_without_resampling_every_voxel_of_the_head_comes_back(
    spatial_dims: int, make_head: MakeHead, make_scan: MakeScan
) -> None:
    scan = make_scan(make_head((30, 41, 23)), (1, 1, 3))
    prepared = prepare(scan, PLAIN, spatial_dims=spatial_dims)
    back = restore(prepared, prepared.image, prepared.intensity)
    expected = scan.voxels.clip(prepared.intensity.low, prepared.intensity.high)
    expected[scan.voxels == 0] = 0
    np.testing.assert_allclose(back.voxels, expected, atol=1e-4)
    assert back.voxels.dtype == np.float32


@pytest.mark.parametrize(
    "settings",
    [
        PreparationSettings(spacing=0.7),
        PreparationSettings(spacing=1.9),
        PreparationSettings(spacing=1.3, through_plane=True),
        PreparationSettings(size=64),
        PreparationSettings(size=16, divisor=4),
    ],
    ids=str,
)
def test_with_resampling_shape_affine_header_and_source_are_the_scans(
    settings: PreparationSettings, make_head: MakeHead, make_scan: MakeScan
) -> None:
    scan = make_scan(make_head((33, 40, 21)), (1.1, 0.9, 2.0))
    prepared = prepare(scan, settings, spatial_dims=3 if settings.through_plane else 2)
    back = restore(prepared, prepared.image, prepared.intensity)
    assert back.voxels.shape == scan.voxels.shape
    np.testing.assert_array_equal(back.affine, scan.affine)
    assert back.header is scan.header
    assert back.source is scan.source
    assert back.contrast == scan.contrast
    brain = (scan.voxels > 12) & (scan.voxels < 300)
    assert np.corrcoef(back.voxels[brain], scan.voxels[brain])[0, 1] > 0.7


def test_the_output_has_the_target_contrasts_intensities(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    back = restore(prepared, torch.zeros_like(prepared.image), T2)
    head = prepared.scan.voxels > 0
    np.testing.assert_allclose(back.voxels[head], 550)
    assert back.voxels[0, 0, 0] == 7
    assert (back.voxels >= 7).all()


def test_pictures_can_share_one_range(make_head: MakeHead, make_scan: MakeScan) -> None:
    shared = IntensityRange(low=0, high=600, background=0)
    prepared = prepare(make_scan(make_head((48, 48, 1))), PLAIN, spatial_dims=2, intensity=shared)
    assert prepared.intensity == shared
    assert prepared.image.max() == pytest.approx(0, abs=1e-6)  # the skin's 300


def test_values_beyond_the_networks_range_are_clipped(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    back = restore(prepared, torch.full_like(prepared.image, 3.0), T2)
    assert back.voxels.max() == 1050


def test_the_background_comes_back_even_where_the_network_invents_something(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    prepared = prepare(make_scan(make_head((64, 64, 8))), PLAIN, spatial_dims=2)
    back = restore(prepared, torch.ones_like(prepared.image), T2)
    head = prepared.scan.voxels > 0
    assert (back.voxels[head] == 1050).all()
    beyond = ~head
    for shift in (1, 2):
        for axis in (0, 1):
            beyond &= ~np.roll(head, shift, axis) & ~np.roll(head, -shift, axis)
    beyond &= ~np.roll(head, (1, 1), (0, 1)) & ~np.roll(head, (-1, 1), (0, 1))
    beyond &= ~np.roll(head, (1, -1), (0, 1)) & ~np.roll(head, (-1, -1), (0, 1))
    assert (back.voxels[beyond] == 7).all()
    assert beyond.mean() > 0.2


def test_no_seam_shows_around_a_head_that_ends_in_background(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    back = restore(prepared, prepared.image, T2)
    np.testing.assert_array_equal(back.voxels[prepared.scan.voxels == 0], 7)


def test_dark_ventricles_of_a_stripped_brain_keep_their_voxels(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    voxels = make_head()
    ventricle = voxels == 20
    voxels[(voxels == 12) | (voxels == 300)] = 0
    voxels[ventricle] = -4
    prepared = prepare(make_scan(voxels), PLAIN, spatial_dims=2)
    back = restore(prepared, torch.ones_like(prepared.image), T2)
    assert (back.voxels[ventricle] == 1050).all()


@pytest.mark.parametrize("shape", [(181, 217, 1), (64, 64, 1), (50, 31, 1)])
def test_a_picture_makes_the_round_trip(
    shape: tuple[int, ...], make_head: MakeHead, make_scan: MakeScan
) -> None:
    scan = make_scan(make_head(shape), (-1, -1, 1))
    prepared = prepare(scan, PLAIN, spatial_dims=2)
    assert all(n % 16 == 0 for n in prepared.image.shape[1:3])
    back = restore(prepared, prepared.image, prepared.intensity)
    np.testing.assert_allclose(back.voxels, scan.voxels.clip(0, prepared.intensity.high), atol=1e-4)


def test_the_whole_picture_fits_into_a_square_of_the_size_asked_for(
    make_head: MakeHead, make_scan: MakeScan
) -> None:
    scan = make_scan(make_head((181, 217, 1)))
    prepared = prepare(scan, PreparationSettings(size=64), spatial_dims=2)
    assert tuple(prepared.image.shape) == (1, 64, 64, 1)
    assert prepared.frame.resampled == (53, 64, 1)
    seen = prepared.foreground.float().mean() * 64 * 64 / (53 * 64)
    assert seen == pytest.approx((scan.voxels > 0).mean(), abs=0.02)


def test_a_blank_slice_in_a_good_volume_stays_blank(make_head: MakeHead, make_scan: MakeScan) -> None:
    voxels = make_head()
    voxels[:, :, 5] = 0
    prepared = prepare(make_scan(voxels), PLAIN, spatial_dims=2)
    assert (prepared.image[..., 5] == -1).all()
    back = restore(prepared, torch.ones_like(prepared.image), T2)
    assert (back.voxels[:, :, 5] == 7).all()
    assert (back.voxels[:, :, 6][voxels[:, :, 6] > 0] == 1050).all()


def test_an_image_without_background_is_used_whole_with_a_warning(make_scan: MakeScan) -> None:
    voxels = np.zeros((16, 16, 4), dtype=np.float32)
    prepared = prepare(make_scan(voxels), PLAIN, spatial_dims=2)
    assert any("No background" in warning for warning in prepared.warnings)
    assert any("single intensity" in warning for warning in prepared.warnings)
    back = restore(prepared, prepared.image, prepared.intensity)
    np.testing.assert_array_equal(back.voxels, 0)
    assert set(prepared.warnings) <= set(back.warnings)


def test_strong_resampling_warns_and_mild_does_not(make_head: MakeHead, make_scan: MakeScan) -> None:
    scan = make_scan(make_head((64, 64, 4)))
    assert not prepare(scan, PreparationSettings(spacing=2.5), spatial_dims=2).warnings
    assert "4.0-fold" in prepare(scan, PreparationSettings(spacing=4), spatial_dims=2).warnings[0]


def test_the_record_tells_every_step_and_is_json(make_head: MakeHead, make_scan: MakeScan) -> None:
    scan = make_scan(make_head(), (-1, -1, 2))
    prepared = prepare(scan, PreparationSettings(spacing=1.5, n4=True), spatial_dims=2)
    record = json.loads(json.dumps(prepared.record, allow_nan=False))
    steps = {step["step"]: step for step in record["steps"]}
    assert list(steps) == ["orientation", "foreground", "n4", "intensity", "resampling", "padding"]
    assert steps["orientation"]["from"] == "LPS"
    assert steps["intensity"]["range"] == prepared.intensity.model_dump()
    assert steps["padding"]["shape"] == list(prepared.image.shape[1:])
    assert PreparationSettings.model_validate(record["settings"]).spacing == 1.5
    assert "head" not in json.dumps(record)


def test_bias_correction_evens_out_a_coils_shading(make_head: MakeHead, make_scan: MakeScan) -> None:
    voxels = np.where(make_head((48, 48, 24)) > 0, 100, 0).astype(np.float32)
    shaded = voxels * np.linspace(0.6, 1.4, 48, dtype=np.float32)[:, None, None]
    spread = {}
    for n4 in (False, True):
        prepared = prepare(make_scan(shaded), PreparationSettings(n4=n4), spatial_dims=2)
        back = restore(prepared, prepared.image, prepared.intensity).voxels[voxels > 0]
        spread[n4] = back.std() / back.mean()
    assert spread[True] < 0.6 * spread[False]


def test_bias_correction_works_on_a_picture(make_head: MakeHead, make_scan: MakeScan) -> None:
    scan = make_scan(make_head((64, 64, 1)))
    prepared = prepare(scan, PreparationSettings(n4=True), spatial_dims=2)
    assert torch.isfinite(prepared.image).all()
    assert restore(prepared, prepared.image, T2).voxels.shape == (64, 64, 1)


def test_the_scan_is_left_alone(make_head: MakeHead, make_scan: MakeScan) -> None:
    scan = make_scan(make_head(), (-1, 1, 1))
    voxels, affine = scan.voxels.copy(), scan.affine.copy()
    prepared = prepare(scan, PreparationSettings(spacing=1.4), spatial_dims=2)
    image = prepared.image.clone()
    restore(prepared, prepared.image, T2)
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_array_equal(scan.affine, affine)
    assert torch.equal(prepared.image, image)


def test_an_output_on_another_grid_is_refused(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    with pytest.raises(ValueError, match="not on the frame"):
        restore(prepared, prepared.image[:, 1:], T2)


def test_an_output_that_is_not_finite_is_refused(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    image = prepared.image.clone()
    image[0, 5, 5, 5] = float("nan")
    with pytest.raises(ModelRefusedError, match="finite"):
        restore(prepared, image, T2)


def test_half_precision_outputs_with_gradients_are_taken(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head()), PLAIN, spatial_dims=2)
    image = prepared.image.to(torch.bfloat16).requires_grad_()
    assert restore(prepared, image, T2).voxels.dtype == np.float32


def test_a_picture_is_refused_by_a_3d_network(make_head: MakeHead, make_scan: MakeScan) -> None:
    with pytest.raises(InputRefusedError, match="single slice"):
        prepare(make_scan(make_head((32, 32, 1))), PLAIN, spatial_dims=3)


def test_a_single_sagittal_slice_is_refused(make_scan: MakeScan) -> None:
    sagittal = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    scan = make_scan(np.ones((32, 32, 1), dtype=np.float32), sagittal)
    with pytest.raises(InputRefusedError, match="no axial plane"):
        prepare(scan, PLAIN, spatial_dims=2)


def test_what_was_prepared_travels_between_processes(make_head: MakeHead, make_scan: MakeScan) -> None:
    prepared = prepare(make_scan(make_head(), (1, -1, 2)), PreparationSettings(spacing=1.2), spatial_dims=2)
    travelled = pickle.loads(pickle.dumps(prepared))  # noqa: S301 (its own bytes)
    expected = restore(prepared, prepared.image, T2)
    np.testing.assert_array_equal(restore(travelled, travelled.image, T2).voxels, expected.voxels)


def read(path: Path, make_scan: MakeScan) -> Scan:
    image = nibabel.load(path)
    return make_scan(image.get_fdata(dtype=np.float32), image.affine)


def test_real_heads_in_twelve_axis_orders_give_one_image(real_data: Path, make_scan: MakeScan) -> None:
    files = sorted((real_data / "nifti" / "orientations").glob("*.nii.gz"))
    images = {}
    for file in files:
        scan = read(file, make_scan)
        prepared = prepare(scan, PLAIN, spatial_dims=2)
        images[file.name] = prepared.image
        back = restore(prepared, prepared.image, prepared.intensity)
        head = prepared.frame.turn_back(prepared.head)
        np.testing.assert_allclose(
            back.voxels[head], scan.voxels.clip(0, prepared.intensity.high)[head], atol=1e-3
        )
    reference = images.pop("RAS.nii.gz")
    assert len(images) == 11
    for image in images.values():
        assert image.shape == reference.shape
        assert (image - reference).abs().mean() < 0.02


@pytest.mark.parametrize("name", ["patient12/study2_T1W.nii.gz", "patient12/study2_T2W.nii.gz"])
def test_a_real_thick_oblique_scan_comes_back_from_another_spacing(
    name: str, real_data: Path, make_scan: MakeScan
) -> None:
    scan = read(real_data / "ms_longitudinal" / name, make_scan)
    prepared = prepare(scan, PreparationSettings(spacing=1.0), spatial_dims=2)
    assert prepared.warnings == ()
    assert 0.2 < prepared.head.mean() < 0.5
    back = restore(prepared, prepared.image, prepared.intensity)
    assert back.voxels.shape == scan.voxels.shape
    head = prepared.frame.turn_back(prepared.head)
    clipped = scan.voxels.clip(prepared.intensity.low, prepared.intensity.high)
    assert np.corrcoef(back.voxels[head], clipped[head])[0, 1] > 0.97
