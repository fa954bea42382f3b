"""Shared by the tests of derived DICOM series: a source made by code, a series derived from it, and a verdict."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medgan.scans.dicom_derived import Derivation, write_derived_series
from medgan.scans.dicom_reading import list_series, read_series
from medgan.scans.dicom_series import Series
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source

#: Oblique, and with different numbers along each axis.
GRID = np.array([[-0.9, 0.05, 0.1, 71.2], [0.03, 1.2, -0.2, -80.1], [0.04, 0.07, 2.5, 3.1], [0, 0, 0, 1]])
DERIVATION = Derivation(
    description="SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS",
    text="Made by a CycleGAN (medgan 1.0, model abc).",
    contrast="t2",
    version="1.0",
)


def _upright(affine: Any) -> Any:
    """The nearest grid with right angles and the same spacing."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    u, _, v = np.linalg.svd(affine[:3, :3] / spacing)
    return np.block([[(u @ v) * spacing, affine[:3, 3:]], [np.array([[0, 0, 0, 1.0]])]])


@pytest.fixture
def classic() -> Callable[..., list[Path]]:
    """Write a T1w series, each file's data set changed by `edit(slice, dataset)`."""

    def write(
        folder: Path, edit: Callable[[int, Any], None] | None = None, *, affine: Any = None, slices: int = 5
    ) -> list[Path]:
        voxels = np.random.default_rng(3).integers(1, 900, (36, 44, slices)).astype(np.float32)
        grid = _upright(GRID) if affine is None else affine
        scan = Scan(voxels=voxels, affine=grid, source=Source(path=folder, kind="array", stem="x"))
        facts = {"echo_time": 12.0, "repetition_time": 500.0}
        files = write_series(folder, scan, description="T1w brain", series_number=4, facts=facts)
        for k, file in enumerate(files if edit is not None else []):
            dataset = pydicom.dcmread(file)
            assert edit is not None
            edit(k, dataset)
            dataset.save_as(file)
        return files

    return write


@pytest.fixture
def multi_frame() -> Callable[[Path, Sequence[Path]], list[Path]]:
    """Write the images of files as the frames of one enhanced MR object, the last first."""

    def item(**attributes: Any) -> Items:
        dataset = Dataset()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return Items([dataset])

    def write(folder: Path, files: Sequence[Path]) -> list[Path]:
        folder.mkdir()
        frames = [pydicom.dcmread(file) for file in reversed(files)]
        whole = pydicom.dcmread(files[0])
        whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
        whole.NumberOfFrames, whole.PixelData = len(frames), b"".join(frame.PixelData for frame in frames)
        groups = []
        for frame in frames:
            group = Dataset()
            group.PlanePositionSequence = item(ImagePositionPatient=frame.ImagePositionPatient)
            group.PlaneOrientationSequence = item(ImageOrientationPatient=frame.ImageOrientationPatient)
            group.MREchoSequence = item(EffectiveEchoTime=12.0)
            groups.append(group)
        shared = Dataset()
        shared.PixelMeasuresSequence = item(
            PixelSpacing=frames[0].PixelSpacing, SliceThickness=2.25, SpacingBetweenSlices=2.5
        )
        shared.FrameAnatomySequence = item(FrameLaterality="U")
        whole.SharedFunctionalGroupsSequence = Items([shared])
        whole.PerFrameFunctionalGroupsSequence = Items(groups)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            delattr(whole, keyword)
        del whole.SpacingBetweenSlices
        whole.save_as(folder / "enhanced.dcm")
        return [folder / "enhanced.dcm"]

    return write


@pytest.fixture
def derive() -> Callable[..., tuple[Scan, list[Path]]]:
    """Make a synthetic scan of a series (another scale, negative values, no whole numbers) and write it."""

    def write(source: Series | Sequence[Path], folder: Path, **options: Any) -> tuple[Scan, list[Path]]:
        (series,) = [source] if isinstance(source, Series) else list_series(source)
        read = read_series(series, path=folder, stem="x")
        scan = Scan(
            voxels=read.voxels * np.float32(0.731) - 20, affine=read.affine, contrast="t2", source=read.source
        )
        folder.mkdir(parents=True)
        return scan, write_derived_series(
            folder, scan, reference=series, **{"derivation": DERIVATION, **options}
        )

    return write


@pytest.fixture(scope="session")
def dicom_errors() -> Callable[[Path], list[str]]:
    """What dciodvfy (David Clunie's dicom3tools) finds wrong in a file, warnings apart."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")

    def check(file: Path) -> list[str]:
        done = subprocess.run([program, file], capture_output=True, text=True, timeout=60, errors="replace")
        lines = (done.stdout + done.stderr).splitlines()
        assert "MRImage" in lines, "dciodvfy did not take it for an MR image"
        # SyntheticData is younger than the dictionary of the tool as Debian has it.
        unknown = "not a recognized standard attribute - (0x0008,0x001c)"
        return [line for line in lines if line.startswith("Error") and unknown not in line]

    return check


@pytest.fixture(scope="session")
def scaling() -> Callable[[Any], tuple[float, float]]:
    """Slope and offset from values to stored ones, as the DerivationDescription of a data set states them."""

    def stated(dataset: Any) -> tuple[float, float]:
        text = dataset.DerivationDescription.split("stored value = ")[1].removesuffix(".")
        slope, offset = text.split(" x value + ")
        return float(slope), float(offset)

    return stated
