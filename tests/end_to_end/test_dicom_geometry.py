"""A DICOM series gives the synthetic image that the same head gives as NIfTI, on the grid of dcm2niix.

Each case is held against three others: dcm2niix's grid, what is made of dcm2niix's NIfTI file, and what is made
of the head as it was before it became DICOM. Voxels go the same way in all, so they must be equal to the bit.
"""

from __future__ import annotations

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

import medgan as package
from medgan.scans import read_scan
from medgan.scans.scan import Scan, Source

dcm2niix = pytest.importorskip("dcm2niix")
robustness = pytest.mark.robustness

AFFINE = 1e-3
"""Millimetres between our affine and dcm2niix's: it stores float32, and rounds on its way there."""
RESCALED = 1e-5
"""Share of the range of an output: real values, of slopes that are no power of 2, are rounded once more by dcm2niix."""
HEAD = (16, 20, 8)
AXIAL, SAGITTAL, CORONAL = ((0, 1, 2), (-1, 1, 1)), ((1, 2, 0), (-1, 1, 1)), ((0, 2, 1), (-1, 1, -1))
PLANES = {"axial": AXIAL, "sagittal": SAGITTAL, "coronal": CORONAL}
POSITIONS = {  # rows and columns of an axial slice as they lie on the table, in the patient's axes (PS3.3 C.7.6.2.1.1)
    "HFS": (AXIAL, (1, 0, 0, 0, 1, 0)),
    "HFP": (((0, 1, 2), (1, -1, 1)), (-1, 0, 0, 0, -1, 0)),
    "HFDR": (((1, 0, 2), (1, 1, 1)), (0, -1, 0, 1, 0, 0)),
    "HFDL": (((1, 0, 2), (-1, -1, 1)), (0, 1, 0, -1, 0, 0)),
    "FFS": (((0, 1, 2), (1, 1, 1)), (-1, 0, 0, 0, 1, 0)),
    "FFP": (((0, 1, 2), (-1, -1, 1)), (1, 0, 0, 0, -1, 0)),
}


@pytest.fixture(scope="module")
def reading(scan_tests: Any) -> Any:
    return scan_tests("test_dicom_reading")


@pytest.fixture(scope="module")
def enhanced(scan_tests: Any) -> Any:
    return scan_tests("test_dicom_enhanced").enhanced


@pytest.fixture(scope="module")
def by_model(tiny_model: Any) -> Any:
    """From a path or an image to the synthetic image."""

    def call(source: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Voxels were resampled")
            warnings.filterwarnings("ignore", message="its (intensities|voxels) are|the head that it shows")
            return package.synthesize(source, target="t2", model=tiny_model, device="cpu")

    return call


@pytest.fixture
def proved(medgan: Any, tiny_run: Path, by_model: Any, reading: Any, world: Any, tmp_path: Path) -> Any:
    """Hold a series in a folder against dcm2niix and, where it is given, the grid that it was made of."""

    def prove(folder: Path, grid: Any = None, *, within: float = 0) -> Any:
        reference = reading.by_dcm2niix(folder, tmp_path / "dcm2niix", "-p", "n")[0]
        scan = read_scan(folder)
        assert scan.voxels.shape == reference.shape
        np.testing.assert_allclose(scan.affine, reference.affine, atol=AFFINE)

        out = tmp_path / "out.nii"
        told = medgan(
            "synthesize", folder, "--target", "t2", "--model", tiny_run, "-o", out, "--device", "cpu"
        )
        assert told.code == 0, told.err
        made = nibabel.load(out)
        values = np.asarray(made.dataobj)
        assert made.shape == reference.shape
        np.testing.assert_allclose(made.affine, reference.affine, atol=AFFINE)
        np.testing.assert_allclose(made.get_qform(), reference.affine, atol=AFFINE)
        assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == (1, 1)
        assert made.header.get_xyzt_units() == ("mm", "sec")

        assert np.ptp(values) > 0
        from_nifti = np.asarray(by_model(reference.get_filename()).dataobj)
        assert np.abs(values - from_nifti).max() <= within * np.ptp(values)
        if grid is not None:
            expected = np.asarray(by_model(grid.image()).dataobj)
            assert np.array_equal(world.values_at(grid.places, made), expected)
        return made

    return prove


@pytest.fixture
def series(reading: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a grid as a series: columns along its first axis, rows up its second, slices along its third."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of small files, none of which need last

    def write(grid: Any, edit: Callable[[int, Any], None] | None = None) -> Path:
        source = Source(path=tmp_path, kind="array", stem="head")
        scan = Scan(voxels=grid.voxels, affine=grid.affine, source=source)
        reading.written(tmp_path / "series", scan, edit)
        return tmp_path / "series"

    return write


def marked(**attributes: Any) -> Callable[[int, Any], None]:
    def edit(_: int, dataset: Any) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


@robustness("geometry-dicom-48")
def test_slices_along_any_axis_with_rows_and_columns_any_way_round(
    axes: Any, world: Any, series: Any, proved: Any
) -> None:
    grid = world.grid_of(world.head(shape=HEAD))
    three = sum(axes[0][:2]) % 2  # both kinds of acquisition, whatever the axes
    proved(series(grid.stored(axes), marked(MRAcquisitionType="3D" if three else "2D")), grid)


@robustness("geometry-dicom-oblique")
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("degrees", [(0, -9, 0), (21, 0, -13), (38, 33, -29)], ids=str)
@pytest.mark.parametrize("plane", PLANES)
def test_an_oblique_stack(
    plane: str, degrees: Any, acquisition: str, world: Any, series: Any, proved: Any
) -> None:
    grid = world.grid_of(world.head(shape=HEAD), degrees=degrees)
    proved(series(grid.stored(PLANES[plane]), marked(MRAcquisitionType=acquisition)), grid)


@robustness("geometry-dicom-spacing")
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("plane", PLANES)
def test_pixels_that_are_not_square_and_thick_slices(
    plane: str, acquisition: str, world: Any, series: Any, proved: Any
) -> None:
    grid = world.grid_of(world.head(shape=(17, 23, 9)), spacing=(6.25, 4.6875, 9.9), degrees=(4, -6, 8))
    proved(series(grid.stored(PLANES[plane]), marked(MRAcquisitionType=acquisition)), grid)


@robustness("geometry-dicom-positions")
@pytest.mark.parametrize("position", POSITIONS)
def test_a_patient_lying_in_any_position(position: str, world: Any, series: Any, proved: Any) -> None:
    axes, orientation = POSITIONS[position]
    grid = world.grid_of(world.head(shape=HEAD))
    folder = series(grid.stored(axes), marked(PatientPosition=position))
    first = pydicom.dcmread(next(folder.iterdir()))
    assert tuple(first.ImageOrientationPatient) == orientation
    proved(folder, grid)


@robustness("geometry-dicom-order")
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("order", ["interleaved", "reversed", "shuffled", "all the same"])
def test_instance_numbers_and_file_names_in_any_order(
    order: str, acquisition: str, world: Any, series: Any, proved: Any
) -> None:
    grid = world.grid_of(world.head(shape=HEAD), degrees=(12, -7, 20))
    count = grid.voxels.shape[1]
    numbers = {
        "interleaved": [*range(1, count, 2), *range(0, count, 2)],
        "reversed": list(range(count))[::-1],
        "shuffled": random.Random(4).sample(range(count), count),
        "all the same": [0] * count,
    }[order]

    def renumber(k: int, dataset: Any) -> None:
        dataset.InstanceNumber, dataset.MRAcquisitionType = numbers[k] + 1, acquisition

    folder = series(grid.stored(CORONAL), renumber)
    names = random.Random(5).sample(range(count), count)
    for name, file in zip(names, sorted(folder.iterdir()), strict=True):
        file.rename(file.with_name(f"IM{name:03d}"))
    proved(folder, grid)


@robustness("geometry-dicom-enhanced")
@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("legacy", [False, True], ids=["enhanced", "legacy-converted"])
@pytest.mark.parametrize("plane", PLANES)
def test_a_multi_frame_object_and_its_classic_twin(
    plane: str,
    legacy: bool,
    acquisition: str,
    world: Any,
    series: Any,
    proved: Any,
    enhanced: Any,
    by_model: Any,
    tmp_path: Path,
) -> None:
    grid = world.grid_of(world.head(shape=HEAD), degrees=(12, -7, 20))
    classic = series(grid.stored(PLANES[plane]), marked(MRAcquisitionType=acquisition))
    files = sorted(classic.iterdir())
    shuffled = random.Random(6).sample(files, len(files))
    twin = read_scan(classic)
    (tmp_path / "enhanced").mkdir()
    made = proved(enhanced(tmp_path / "enhanced" / "e.dcm", files, legacy=legacy).parent, grid)
    # dcm2niix takes the slice distance of shuffled frames from the first and the last one in the file
    mixed = enhanced(tmp_path / "mixed.dcm", shuffled, legacy=legacy)
    assert np.array_equal(np.asarray(by_model(mixed).dataobj), np.asarray(made.dataobj))
    for path in (tmp_path / "enhanced", mixed):
        scan = read_scan(path)
        assert np.array_equal(scan.voxels, twin.voxels)
        np.testing.assert_allclose(scan.affine, twin.affine, atol=1e-9)


REAL = {
    "philips_mprage/cl": (10, RESCALED),
    "siemens_positions/HFS/3_t1_fl2d_sag": (5, 0),
    "siemens_positions/HFDL/2_t1_fl2d_sag": (5, 0),
}


@robustness("geometry-dicom-real")
@pytest.mark.parametrize("name", REAL)
def test_slices_from_the_middle_of_a_real_series(
    name: str, real_data: Path, proved: Any, tmp_path: Path
) -> None:
    """A few of them, since time goes with the voxels; the grid of all of each is proved where series are read."""
    count, within = REAL[name]
    headers = {
        file: pydicom.dcmread(file, stop_before_pixels=True)
        for file in (real_data / "dicom" / name).iterdir()
    }
    places = {
        file: float(header.ImagePositionPatient[0]) for file, header in headers.items()
    }  # all are sagittal
    ordered = sorted(places, key=places.__getitem__)
    middle = (len(ordered) - count) // 2
    (tmp_path / "series").mkdir()
    for file in ordered[middle : middle + count]:
        shutil.copy(file, tmp_path / "series")
    made = proved(tmp_path / "series", within=within)
    assert count in made.shape
