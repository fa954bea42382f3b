"""An enhanced multi-frame MR object is read with the geometry and the scaling of each of its frames."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import JPEG2000Lossless, RLELossless

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans.dicom_reading import choose_echo, list_series, read_series
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source

AFFINE = np.array([[0.0, 0, 2.0, -8], [-1.1, 0, 0, 20], [0, 1.1, 0, -9], [0, 0, 0, 1]])  # sagittal
LEGACY = "1.2.840.10008.5.1.4.1.1.4.4"


def item(**attributes: Any) -> Items:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return Items([dataset])


def classic(folder: Path, *, affine: Any = AFFINE, echo_time: float = 12.0) -> tuple[Scan, list[Path]]:
    voxels = np.random.default_rng(5).integers(0, 900, (36, 44, 5)).astype(np.float32)
    scan = Scan(voxels=voxels, affine=affine, source=Source(path=folder, kind="array", stem="x"))
    facts = {"echo_time": echo_time, "repetition_time": 500.0}
    return scan, write_series(folder, scan, description="brain", series_number=1, facts=facts, entropy="test")


def enhanced(
    path: Path,
    files: Sequence[Path],
    *,
    slopes: Sequence[float] = (),
    legacy: bool = False,
    shared: bool = True,
) -> Path:
    """One multi-frame file with the images of `files` as frames, in that order (PS3.3 A.36, main lines)."""
    frames = [pydicom.dcmread(file) for file in files]
    whole = pydicom.dcmread(files[0])
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "EchoTime",
        "SpacingBetweenSlices", "RepetitionTime", "SmallestImagePixelValue", "LargestImagePixelValue",
    ):  # fmt: skip
        delattr(whole, keyword)
    whole.SOPClassUID = LEGACY if legacy else "1.2.840.10008.5.1.4.1.1.4.1"
    whole.file_meta.MediaStorageSOPClassUID = whole.SOPClassUID
    whole.NumberOfFrames = len(frames)
    whole.PixelData = b"".join(frame.PixelData for frame in frames)
    common = Dataset()
    if shared:
        common.PixelMeasuresSequence = item(PixelSpacing=frames[0].PixelSpacing, SliceThickness=2)
        common.MRTimingAndRelatedParametersSequence = item(RepetitionTime=500)
    whole.SharedFunctionalGroupsSequence = Items([common])
    groups = []
    for k, frame in enumerate(frames):
        group = Dataset()
        group.FrameContentSequence = item(StackID="1", InStackPositionNumber=k + 1)
        group.PlanePositionSequence = item(ImagePositionPatient=frame.ImagePositionPatient)
        group.PlaneOrientationSequence = item(ImageOrientationPatient=frame.ImageOrientationPatient)
        if not shared:
            group.PixelMeasuresSequence = item(PixelSpacing=frame.PixelSpacing, SliceThickness=2)
        slope = slopes[k] if slopes else 1
        group.PixelValueTransformationSequence = item(
            RescaleSlope=slope, RescaleIntercept=0, RescaleType="US"
        )
        if legacy:
            group.UnassignedPerFrameConvertedAttributesSequence = item(EchoTime=frame.EchoTime)
        else:
            group.MREchoSequence = item(EffectiveEchoTime=float(frame.EchoTime))
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence = Items(groups)
    whole.save_as(path)
    return path


def read(path: Path) -> Scan:
    (series,) = list_series([path])
    return read_series(series, path=path, stem="x")


@pytest.mark.parametrize("legacy", [False, True], ids=["enhanced", "legacy-converted"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "per-frame"])
def test_frames_in_any_order_become_the_volume_of_the_classic_series(
    legacy: bool, shared: bool, tmp_path: Path
) -> None:
    scan, files = classic(tmp_path / "classic")
    shuffled = [files[k] for k in (3, 0, 4, 1, 2)]
    found = read(enhanced(tmp_path / "e.dcm", shuffled, legacy=legacy, shared=shared))
    np.testing.assert_array_equal(found.voxels, scan.voxels)
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-6)
    assert found.source.files == (tmp_path / "e.dcm",)
    assert (found.source.facts["echo_time"], found.contrast) == (
        12.0,
        "t1",
    )


def test_each_frame_is_scaled_with_its_own_slope(tmp_path: Path) -> None:
    scan, files = classic(tmp_path / "classic")
    slopes = (0.5, 1, 2, 3, 4.25)
    found = read(enhanced(tmp_path / "e.dcm", files, slopes=slopes))
    np.testing.assert_allclose(found.voxels, scan.voxels * np.float32(slopes))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_frames_are_found_in_any_order(syntax: Any, tmp_path: Path) -> None:
    scan, files = classic(tmp_path / "classic")
    path = enhanced(tmp_path / "e.dcm", [files[k] for k in (4, 2, 0, 3, 1)])
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path).voxels, scan.voxels)


@pytest.mark.parametrize("acquisition", ["2D", "3D"])
@pytest.mark.parametrize("legacy", [False, True], ids=["enhanced", "legacy-converted"])
def test_a_multi_frame_object_lies_where_dcm2niix_puts_it(
    legacy: bool, acquisition: str, tmp_path: Path
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")
    _, files = classic(tmp_path / "classic")
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.MRAcquisitionType = acquisition
        dataset.save_as(file)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    found = read(enhanced(tmp_path / "in/e.dcm", files, legacy=legacy))
    assert found.orientation == {"2D": "PSR", "3D": "RAS"}[acquisition]
    options = ["-b", "n", "-z", "n", "-f", "e", "-o"]
    subprocess.run(
        [dcm2niix.bin, *options, tmp_path / "out", tmp_path / "in"], check=True, capture_output=True
    )
    reference: Any = nibabel.load(tmp_path / "out/e.nii")
    np.testing.assert_allclose(found.affine, reference.affine, atol=1e-3)
    np.testing.assert_array_equal(found.voxels, reference.get_fdata())


def test_two_echoes_in_one_object_are_a_choice_and_each_can_be_chosen(tmp_path: Path) -> None:
    scan, early = classic(tmp_path / "early")
    _, late = classic(tmp_path / "late", echo_time=80)
    (series,) = list_series([enhanced(tmp_path / "e.dcm", [*early, *late])])
    assert isinstance(series.refusal, SeriesChoiceError)
    assert "12, 80 ms" in series.refusal.cause
    np.testing.assert_array_equal(
        read_series(choose_echo(series, 80), path=tmp_path, stem="x").voxels, scan.voxels
    )


def test_two_stacks_in_one_object_are_two_series(tmp_path: Path) -> None:
    axial = np.diag([-1.0, 1, 2, 1])
    scans, files = zip(classic(tmp_path / "s"), classic(tmp_path / "a", affine=axial), strict=True)
    listed = list_series([enhanced(tmp_path / "e.dcm", [*files[0], *files[1]])])
    assert sorted((s.orientation, s.shape[2]) for s in listed) == [("axial", 5), ("sagittal", 5)]
    for series in listed:
        expected = scans[series.orientation == "axial"]
        np.testing.assert_array_equal(read_series(series, path=tmp_path, stem="x").voxels, expected.voxels)


def test_a_missing_frame_is_refused(tmp_path: Path) -> None:
    _, files = classic(tmp_path / "classic")
    (series,) = list_series([enhanced(tmp_path / "e.dcm", [*files[:2], *files[3:]])])
    assert isinstance(series.refusal, InputRefusedError)
    assert (series.refusal.file, "missing" in series.refusal.cause) == (tmp_path / "e.dcm", True)


def test_frames_that_are_claimed_but_not_described_are_refused(tmp_path: Path) -> None:
    _, files = classic(tmp_path / "classic")
    path = enhanced(tmp_path / "e.dcm", files)
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 4
    dataset.save_as(path)
    (series,) = list_series([path])
    assert series.refusal is not None and "claims 4 frames but describes 5" in series.refusal.cause


def test_real_frames_without_functional_groups_are_refused(real_data: Path) -> None:
    (series,) = list_series([real_data / "dicom/pydicom/emri_small.dcm"])
    assert series.refusal is not None and "without their positions" in series.refusal.cause
