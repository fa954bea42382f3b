"""Claims about the reader for MONAI: `LoadImaged` gives medgan's voxels and affine."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from monai.transforms import LoadImaged
from PIL import Image

from medgan.errors import UsageError
from medgan.scans.monai_reader import MedganReader
from medgan.scans.reading import read_scan

# LoadImage sets up all of MONAI's own readers too, one of which misses a package and says so.
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")

AFFINE = np.array([[-0.9, 0.1, 0, 90], [0.1, 0.9, 0, -120], [0, 0, 3.0, -60], [0, 0, 0, 1]], dtype=np.float64)


def write(folder: Path) -> Path:
    voxels = np.random.default_rng(2).integers(0, 900, (16, 12, 5)).astype(np.int16)
    path = folder / "a_T1w.nii.gz"
    nibabel.Nifti1Image(voxels, AFFINE).to_filename(path)
    return path


@pytest.mark.parametrize("channel_first", [True, False])
def test_load_image_gives_our_voxels_and_affine(tmp_path: Path, channel_first: bool) -> None:
    path = write(tmp_path)
    loaded = LoadImaged("image", reader=MedganReader(), ensure_channel_first=channel_first)(
        {"image": str(path)}
    )
    scan = read_scan(path)
    image = loaded["image"]
    assert tuple(image.shape) == ((1, 16, 12, 5) if channel_first else (16, 12, 5))
    np.testing.assert_array_equal(image.numpy().reshape(scan.voxels.shape), scan.voxels)
    np.testing.assert_array_equal(image.affine.numpy(), scan.affine)
    assert (image.meta["contrast"], image.meta["stem"]) == ("t1", "a_T1w")


def test_a_picture_comes_with_one_slice(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 65536, (20, 10), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = LoadImaged("image", reader=MedganReader())({"image": tmp_path / "a.png"})["image"]
    np.testing.assert_array_equal(image.numpy()[..., 0].T, pixels)


def test_several_paths_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one scan at a time"):
        MedganReader().read([write(tmp_path)] * 2)


def test_a_refusal_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such file or folder"):
        LoadImaged("image", reader=MedganReader())({"image": tmp_path / "missing.nii.gz"})
