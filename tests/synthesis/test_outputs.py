"""A result is written over a result of medgan, never over anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import pytest
from PIL import Image

from medgan.errors import UsageError
from medgan.models import load_model
from medgan.scans.dicom_writing import write_series
from medgan.scans.marks import is_synthetic_image
from medgan.scans.reading import read_scan
from medgan.synthesis import Destination, Input, Result, Synthesizer, synthesize_each
from medgan.synthesis.destination import Format


@pytest.fixture
def once(head: Any, tiny_run: Path, tmp_path: Path) -> Any:
    """Synthesise one DICOM series into `out`, in a format."""
    scan = read_scan(head(tmp_path / "t1.nii.gz", "t1", 1))
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(tmp_path / "series", scan, description="T1w", series_number=3, facts=facts)
    synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")

    def call(wanted: Format) -> Result:
        destination = Destination(out=tmp_path / "out", wanted=wanted)
        (result,) = synthesize_each([Input("series", tmp_path / "series")], synthesizer, destination)
        return result

    return call


@pytest.mark.parametrize("wanted", ["nifti", "png", "dicom"])
def test_a_result_whose_sidecar_was_never_written_is_written_anew(wanted: Format, once: Any) -> None:
    """As a crash between the image and its sidecar leaves it."""
    image, sidecar = once(wanted).files
    sidecar.unlink()
    if wanted != "png":  # a contact sheet of a volume is no picture with a description
        assert is_synthetic_image(image)
    result = once(wanted)
    assert result.error is None, result.error
    assert sidecar.is_file()


@pytest.mark.parametrize("wanted", ["nifti", "png", "dicom"])
@pytest.mark.parametrize("beside", [True, False])
def test_what_another_put_there_is_never_replaced(beside: bool, wanted: Format, once: Any, head: Any) -> None:
    image, sidecar = once(wanted).files
    if not beside:
        sidecar.unlink()
    if wanted == "dicom":
        (image / "notes.txt").write_text("mine")
    elif wanted == "nifti":
        head(image, "t2", 1)
    else:
        Image.new("L", (9, 9)).save(image)
    result = once(wanted)
    assert isinstance(result.error, UsageError)
    assert "nothing says that medgan made it" in result.error.cause
    assert sidecar.exists() == beside
    if wanted == "dicom":
        assert (image / "notes.txt").read_text() == "mine"
    elif wanted == "nifti":
        assert b"medgan" not in nibabel.load(image).header["descrip"].tobytes()
