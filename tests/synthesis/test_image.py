"""What the Python call returns is a nibabel image like any other, with a picture for notebooks."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import medgan


@pytest.fixture(scope="module")
def image(head: Callable[..., Path], tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A synthetic T2w."""
    path = head(tmp_path_factory.mktemp("image") / "scan.nii.gz", "t1", 1)
    return medgan.synthesize(path, target="t2", model=tiny_run, device="cpu")


def test_a_notebook_shows_a_marked_picture_of_source_and_result(image: Any) -> None:
    shown = image._repr_html_()
    assert "data:image/png;base64," in shown
    assert "SYNTHETIC - research only, not for diagnosis" in shown
    assert "Synthetic T2w from T1w" in shown
    assert "<script" not in shown
    assert "scan.nii.gz" not in shown


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
def test_it_is_saved_as_nibabel_saves_its_own(suffix: str, image: Any, tmp_path: Path) -> None:
    assert isinstance(image, nibabel.Nifti1Image)
    nibabel.save(image, tmp_path / f"t2{suffix}")
    back = nibabel.load(tmp_path / f"t2{suffix}")
    assert np.array_equal(back.get_fdata(), image.get_fdata())
    assert np.array_equal(back.affine, image.affine)
    assert (int(back.header["sform_code"]), int(back.header["qform_code"])) == (
        int(image.header["sform_code"]),
        int(image.header["qform_code"]),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.slicer[2:-2],
        lambda image: image.as_reoriented(np.array([[0, -1], [1, 1], [2, 1]])),
        lambda image: nibabel.Nifti1Image.from_image(image),
    ],
    ids=["cut", "turned", "converted"],
)
def test_what_is_made_of_it_is_an_image_without_an_outdated_picture(
    change: Callable[[Any], Any], image: Any
) -> None:
    other = change(image)
    assert isinstance(other, nibabel.Nifti1Image)
    assert np.isfinite(other.get_fdata()).all()
    assert getattr(other, "_repr_html_", lambda: None)() is None


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])  # noqa: S301
def test_a_copy_is_the_same_image_with_the_same_picture(copied: Callable[[Any], Any], image: Any) -> None:
    other = copied(image)
    assert np.array_equal(other.get_fdata(), image.get_fdata())
    assert other._repr_html_() == image._repr_html_()


def test_nifti_2_stays_nifti_2(head: Callable[..., Path], tiny_run: Path, tmp_path: Path) -> None:
    plain = nibabel.load(head(tmp_path / "scan.nii.gz", "t1", 1))
    source = nibabel.Nifti2Image(plain.get_fdata(dtype=np.float32), plain.affine)
    image = medgan.synthesize(source, target="t2", model=tiny_run, device="cpu")
    assert isinstance(image, nibabel.Nifti2Image)
    assert image._repr_html_() is not None
    nibabel.save(image, tmp_path / "t2.nii")
    assert isinstance(nibabel.load(tmp_path / "t2.nii"), nibabel.Nifti2Image)
