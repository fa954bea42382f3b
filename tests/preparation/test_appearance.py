"""Claims about appearance: intensities tell T1w from T2w, or say that they do not; CT and phantoms are told."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.preparation import find_foreground
from medgan.preparation.appearance import Appearance, judge_appearance
from medgan.scans import find_scans, read_scan
from medgan.simulation import Head, procedural_head, simulate_contrast

Voxels = Any
KEYS = ("t1", "t2")
pytestmark = pytest.mark.robustness("bad-22")


@functools.cache
def anatomy(person: int) -> Head:
    return procedural_head(person, shape=(60, 72, 56), spacing_mm=2.8)


def scan(contrast: str, person: int = 1, **settings: Any) -> Voxels:
    return simulate_contrast(anatomy(person), contrast, person, **settings)


def judged(voxels: Voxels, spacing: tuple[float, float, float] = (2.8, 2.8, 2.8)) -> Appearance:
    voxels = np.ascontiguousarray(voxels, dtype=np.float32)
    return judge_appearance(voxels, find_foreground(voxels, spacing=spacing).mask, spacing=spacing)


@pytest.mark.parametrize("field_strength", [1.5, 3.0])
@pytest.mark.parametrize("person", range(6))
@pytest.mark.parametrize("contrast", KEYS)
def test_a_head_is_judged_right_whatever_the_sequence_noise_and_shading(
    contrast: str, person: int, field_strength: float
) -> None:
    noise, bias = (0.0, 0.03, 0.08)[person % 3], (0.0, 0.2, 0.45)[person // 2]
    voxels = scan(contrast, person, field_strength=field_strength, noise=noise, bias=bias)
    assert judged(voxels) == Appearance(contrast)


@pytest.mark.parametrize("contrast", KEYS)
def test_so_is_a_brain_alone_also_one_of_mean_zero(contrast: str) -> None:
    for person in range(3):
        brain, voxels = anatomy(person).brain_mask(), scan(contrast, person)
        assert judged(np.where(brain, voxels, 0)).contrast == contrast
        inside = voxels[brain]
        normal = np.where(brain, (voxels - inside.mean()) / inside.std(), 0)
        assert judged(normal).contrast == contrast


@pytest.mark.parametrize("contrast", KEYS)
@pytest.mark.parametrize(
    "change",
    [
        lambda v: (v.transpose(2, 0, 1), (2.8,) * 3),
        lambda v: (v[::-1, :, ::-1], (2.8,) * 3),
        lambda v: (v[:, :, :54].reshape(60, 72, 27, 2).mean(3), (2.8, 2.8, 5.6)),
        lambda v: (v[:, :, 26:30], (2.8,) * 3),
        lambda v: (v[:, :, 24:], (2.8,) * 3),
        lambda v: (v * 0.001, (2.8,) * 3),
        lambda v: (v * 40 + 1000, (2.8,) * 3),
        lambda v: (v.repeat(2, 0).repeat(2, 1).repeat(2, 2), (1.4,) * 3),
    ],
    ids=["axes", "flips", "thick", "four-slices", "upper-part", "scaled", "shifted", "finer"],
)
def test_neither_axes_nor_spacing_nor_extent_nor_scale_change_it(
    change: Callable[[Voxels], Any], contrast: str
) -> None:
    assert judged(*change(scan(contrast, 2))).contrast == contrast


def test_slices_one_by_one_are_hardly_ever_judged_wrong() -> None:
    found = [
        (contrast, judged(scan(contrast, person)[:, :, k : k + 1], (1.0, 1.0, 1.0)).contrast)
        for person in range(4)
        for contrast in KEYS
        for k in range(0, 56, 4)
    ]
    told = [(true, said) for true, said in found if said is not None]
    assert len(told) > len(found) / 5
    assert {true for true, _ in told} == set(KEYS)
    assert sum(true != said for true, said in told) <= 0.02 * len(told)


def hounsfield(person: int = 1) -> Voxels:
    """A head as a CT shows it."""
    units = {"air": -1000, "csf": 8, "fat": -90, "marrow": 100, "bone": 1100, "vitreous": 10}
    head = anatomy(person)
    values = np.array([units.get(name, 38) for name in head.tissue_names], dtype=np.float32)
    noise = np.random.default_rng(person).normal(0, 4, head.shape)
    return np.einsum("txyz,t->xyz", head.fractions, values) + noise


def test_a_ct_in_hounsfield_units_is_told() -> None:
    appearance = judged(hounsfield())
    assert appearance.contrast is None
    assert "CT in Hounsfield units" in appearance.doubts[0]


def test_a_ct_that_was_not_rescaled_and_a_phantom_are_told() -> None:
    ball = np.linalg.norm(np.indices((48, 48, 40)) - np.array([24, 24, 20])[:, None, None, None], axis=0) < 17
    phantom = np.where(ball, 800, 0) + np.abs(np.random.default_rng(0).normal(0, 12, ball.shape))
    for voxels in (hounsfield() + 1024, phantom):
        appearance = judged(voxels, (4.0, 4.0, 4.0))
        assert appearance.contrast is None
        assert "nearly uniform inside" in appearance.doubts[0]


@pytest.mark.parametrize("spacing", [0.1, 20.0])
def test_what_is_much_smaller_or_larger_than_a_head_is_told(spacing: float) -> None:
    appearance = judged(scan("t1"), (spacing,) * 3)
    assert appearance.contrast is None
    assert "which no head is" in appearance.doubts[0]


def test_noise_an_empty_mask_and_a_frame_full_of_head_tell_nothing() -> None:
    noise = np.random.default_rng(0).normal(100, 10, (40, 40, 40)).astype(np.float32)
    everything = np.ones(noise.shape, dtype=bool)
    for mask in (everything, ~everything):
        assert judge_appearance(noise, mask, spacing=(4.0, 4.0, 4.0)) == Appearance(None)
    few = everything & (np.indices(noise.shape).sum(axis=0) < 3)
    assert judge_appearance(noise, few, spacing=(20.0, 20.0, 20.0)).contrast is None


def test_it_takes_a_moment_for_a_large_volume() -> None:
    voxels = scan("t1").repeat(4, 0).repeat(4, 1).repeat(4, 2)
    mask = find_foreground(voxels, spacing=(0.7,) * 3).mask
    started = time.process_time()
    assert judge_appearance(voxels, mask, spacing=(0.7,) * 3).contrast == "t1"
    assert time.process_time() - started < 1.0


def canonical(path: Any) -> tuple[Voxels, tuple[float, float, float]]:
    given = read_scan(path)
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(given.voxels, given.affine))
    x, y, z = nibabel.affines.voxel_sizes(image.affine).tolist()
    return np.asarray(image.dataobj), (x, y, z)


def test_real_volumes_are_judged_right(real_data: Path) -> None:
    files = sorted((real_data / "ms_longitudinal").rglob("*.nii.gz"))
    true = ["t2" if "T2W" in file.name else "t1" for file in files]
    assert [judged(*canonical(file)).contrast for file in files] == true


@pytest.mark.parametrize("folder", ["dicom/philips_mprage", "dicom/siemens_positions", "nifti/orientations"])
def test_real_t1w_of_other_scanners_and_in_other_axes_are_judged_right(real_data: Path, folder: str) -> None:
    found = [one for one in find_scans(real_data / folder) if one.refusal is None]
    assert {judged(*canonical(one)) for one in found} == {Appearance("t1")}


@pytest.mark.parametrize(("folder", "contrast"), [("Tr1", "t1"), ("Tr2", "t2")])
def test_no_simulated_slice_is_judged_wrong(real_data: Path, folder: str, contrast: str) -> None:
    said = [judged(*canonical(one)).contrast for one in find_scans(real_data / "seeds_png" / folder)]
    assert set(said) <= {contrast, None}
    assert said.count(contrast) > 0.8 * len(said)
