"""A synthetic scan lies on the grid of its source, in the range of its contrast, and says what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import torch

import medgan
from medgan.errors import InputRefusedError, ModelRefusedError, UsageError
from medgan.models import load_model
from medgan.preparation import find_foreground
from medgan.scans import read_scan
from medgan.synthesis import Synthesizer


def oblique(axes: str, spacing: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """An affine of that orientation, turned by 12, -7 and 20 degrees."""
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(tuple(axes)), (1, 1, 1))
    affine[:3, 3] = (11.5, -20.25, 33.0)
    turned = np.eye(4)
    for (a, b), degrees in zip(((1, 2), (0, 2), (0, 1)), (12, -7, 20), strict=True):
        angle, turn = np.radians(degrees), np.eye(4)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        turned = turned @ turn
    result: npt.NDArray[np.float64] = turned @ affine @ np.diag([*spacing, 1.0])
    return result


GRIDS: dict[str, npt.NDArray[np.float64]] = {
    "RAS": np.diag([5.0, 5, 5, 1]),
    "LPS": np.diag([-5.0, -5, 5, 1]),
    "sagittal": np.array([[0.0, 0, 5, 0], [5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 1]]),
    "coronal, upside down": np.array([[5.0, 0, 0, 9], [0, 0, 5, 8], [0, -5, 0, 7], [0, 0, 0, 1]]),
    "oblique": oblique("RAS", (5, 5, 5)),
    "oblique, left-handed": oblique("LAS", (5, 5, 5)),
    "anisotropic": np.diag([5.0, 4.2, 9, 1]),
    "oblique and anisotropic": oblique("PSR", (4.5, 5, 9)),
}


ON_ANY_GRID = pytest.mark.filterwarnings(
    "ignore:(its voxels are|the head that it shows is) .* mm long:UserWarning"
)
"""For tests of geometry, which hold on grids that the model has not seen as well."""


def scan_on(grid: str, path: Path, head: Any, *, codes: tuple[int, int] = (1, 1)) -> Path:
    affine = GRIDS[grid]
    path = head(path, "t1", 1, affine=affine)
    image = nibabel.load(path)
    image = nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


@ON_ANY_GRID
@pytest.mark.parametrize("grid", GRIDS)
def test_shape_affine_codes_and_spacing_are_the_sources(
    grid: str, head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    path = scan_on(grid, tmp_path / "scan.nii.gz", head)
    source, made = nibabel.load(path), medgan.synthesize(path, target="t2", model=tiny_run)
    assert made.shape == source.shape
    assert np.array_equal(made.affine, source.affine)
    for name in ("sform_code", "qform_code", "pixdim", "xyzt_units", "srow_x", "quatern_b", "qoffset_x"):
        assert np.array_equal(made.header[name], source.header[name]), name
    assert made.get_data_dtype() == np.float32


@pytest.mark.parametrize("codes", [(1, 0), (2, 1), (0, 1), (4, 4)])
def test_any_pair_of_codes_stays_as_it_was(
    codes: tuple[int, int], head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    path = scan_on("oblique", tmp_path / "scan.nii.gz", head, codes=codes)
    made = medgan.synthesize(path, target="t2", model=tiny_run)
    assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == codes


def head_of(path: Path) -> npt.NDArray[np.bool_]:
    return find_foreground(read_scan(path).voxels).mask


@pytest.mark.parametrize("grid", ["RAS", "LPS", "sagittal", "coronal, upside down"])
def test_one_head_gives_the_same_image_on_whatever_axes_it_is_stored(
    grid: str, head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    """What is right stays right, what is up stays up."""
    model = load_model(tiny_run)
    straight = head(tmp_path / "ras.nii.gz", "t1", 1)
    turned = scan_on(grid, tmp_path / "turned.nii.gz", head)
    expected = medgan.synthesize(straight, target="t2", model=model)
    made = nibabel.as_closest_canonical(medgan.synthesize(turned, target="t2", model=model))
    assert np.allclose(made.get_fdata(), expected.get_fdata(), atol=1e-3)


def test_values_lie_in_the_learnt_range_and_background_is_background(
    head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    path = head(tmp_path / "scan.nii.gz", "t1", 7)
    model = load_model(tiny_run)
    learnt = model.manifest.domains["t2"].intensity
    made = medgan.synthesize(path, target="t2", model=model).get_fdata()
    assert made.min() >= min(learnt.low, learnt.background) - 1e-3
    assert made.max() <= learnt.high + 1e-3
    corner = np.ones(made.shape, bool)
    inside = np.argwhere(head_of(path))
    low, high = inside.min(axis=0), inside.max(axis=0)
    corner[tuple(slice(max(a - 3, 0), b + 4) for a, b in zip(low, high, strict=True))] = False
    assert np.allclose(made[corner], learnt.background)
    assert made[head_of(path)].std() > 0


def test_a_path_a_nibabel_image_and_a_loaded_model_give_the_same(
    head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    path = head(tmp_path / "scan.nii.gz", "t1", 1)
    one = medgan.synthesize(str(path), target="t2", model=str(tiny_run))
    two = medgan.synthesize(nibabel.load(path), target="T2w", model=medgan.load_model(tiny_run / "model"))
    assert np.array_equal(one.get_fdata(), two.get_fdata())


def test_slices_without_a_head_are_passed_over_and_come_out_as_background(
    head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    path = head(tmp_path / "scan.nii.gz", "t1", 1)
    image = nibabel.load(path)
    voxels = np.pad(image.get_fdata(dtype=np.float32), ((0, 0), (0, 0), (4, 3)))
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), path)
    synthesizer, totals = Synthesizer(load_model(tiny_run), target="t2", device="cpu"), set()
    made = synthesizer(read_scan(path), advance=lambda done, total: totals.add(total))
    assert max(totals) <= voxels.shape[2] - 7 + 2, "but for the neighbours, which slabs see"
    background = synthesizer.model.manifest.domains["t2"].intensity.background
    assert (made.scan.voxels[:, :, [0, 1, 2, 3, -3, -2, -1]] == background).all()
    assert made.scan.voxels[:, :, 4:-3].std() > 0


def test_both_directions_are_there(head: Any, tiny_run: Path, tmp_path: Path) -> None:
    path = head(tmp_path / "scan.nii.gz", "t2", 3)
    made = medgan.synthesize(path, target="t1", model=tiny_run)
    assert b"synthetic T1w from T2w" in made.header["descrip"].tobytes()


def test_the_intensity_scale_of_the_source_does_not_matter(head: Any, tiny_run: Path, tmp_path: Path) -> None:
    path = head(tmp_path / "scan.nii.gz", "t1", 1)
    image = nibabel.load(path)
    louder = nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) * 37 + 0, image.affine)
    one, two = (medgan.synthesize(each, target="t2", model=tiny_run).get_fdata() for each in (image, louder))
    assert np.abs(one - two).max() < 0.02 * np.ptp(one)


def test_a_scan_that_cannot_be_read_or_a_target_that_is_none_is_refused(
    tiny_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputRefusedError):
        medgan.synthesize(tmp_path / "absent.nii.gz", target="t2", model=tiny_run)
    with pytest.raises(UsageError, match="flair"):
        medgan.synthesize(tmp_path / "absent.nii.gz", target="flair", model=tiny_run)
    with pytest.raises(ModelRefusedError):
        medgan.synthesize(tmp_path / "absent.nii.gz", target="t2", model=tmp_path)


def test_weights_that_give_nan_are_refused_not_written(head: Any, tiny_run: Path, tmp_path: Path) -> None:
    scan = read_scan(head(tmp_path / "scan.nii.gz", "t1", 1))
    synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")
    with torch.no_grad():
        next(synthesizer.translator.generator.parameters()).fill_(float("nan"))
    with pytest.raises(ModelRefusedError, match="not finite"):
        synthesizer(scan)


def test_doubts_are_warnings(head: Any, tiny_run: Path, tmp_path: Path) -> None:
    scan = read_scan(head(tmp_path / "scan.nii.gz", "t1", 1))
    synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")
    assert synthesizer(scan).warnings == ()
    already = synthesizer(replace(scan, contrast="t2")).warnings
    assert any("looks like T2w already" in text for text in already)


def test_a_synthetic_scan_is_refused_unless_it_is_forced(head: Any, tiny_run: Path, tmp_path: Path) -> None:
    path = head(tmp_path / "scan.nii.gz", "t1", 1)
    (tmp_path / "scan.json").write_text('{"SyntheticData": true}')
    with pytest.raises(InputRefusedError, match="itself synthetic"):
        medgan.synthesize(path, target="t2", model=tiny_run)
    with pytest.warns(UserWarning, match="already synthetic"):
        medgan.synthesize(path, target="t2", model=tiny_run, force=True)


@ON_ANY_GRID
def test_a_3d_model_gives_every_voxel_of_any_volume(
    tiny: Any, head: Any, head_folders: Any, tmp_path: Path
) -> None:
    changes = [
        *tiny,
        "sampling.crop=16",
        "discriminator.layers=1",
        "training.steps_per_epoch=1",
        "training.epochs=1",
    ]
    run = medgan.train(
        head_folders.t1,
        head_folders.t2,
        out=tmp_path / "run",
        recipe="volumes",
        changes=changes,
        device="cpu",
    )
    for grid in ("oblique and anisotropic", "LPS"):
        path = scan_on(grid, tmp_path / f"{grid}.nii.gz", head)
        made, source = medgan.synthesize(path, target="t2", model=run), nibabel.load(path)
        assert made.shape == source.shape
        assert np.array_equal(made.affine, source.affine)
        assert np.isfinite(made.get_fdata()).all()
    flat = nibabel.Nifti1Image(nibabel.load(path).get_fdata(dtype=np.float32)[:, :, 8:9], np.eye(4))
    with pytest.raises(InputRefusedError, match="3D"):
        medgan.synthesize(flat, target="t2", model=run)


@pytest.mark.robustness("bad-22")
@pytest.mark.parametrize(("contrast", "target"), [("t1", "t1"), ("t2", "t2")])
def test_a_scan_whose_intensities_look_like_the_target_is_warned_of(
    contrast: str, target: str, head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    """Whatever its name says."""
    path = head(tmp_path / f"scan_{'T2w' if target == 't1' else 'T1w'}.nii.gz", contrast, 1)
    with pytest.warns(UserWarning, match="fluid is bright" if target == "t2" else "fluid is dark"):
        medgan.synthesize(path, target=target, model=tiny_run)
