"""The commands on real scans: the output lies on the scan's own grid."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Any:
    def call(source: Path, target: str, out: Path) -> nibabel.Nifti1Image:
        made = medgan(
            "synthesize", source, "--target", target, "--model", tiny_run, "-o", out, "--device", "cpu"
        )
        assert made.code == 0, made.err
        return nibabel.load(out)

    return call


def test_a_philips_series_comes_out_on_the_grid_that_dcm2niix_gives_it(
    real_data: Path, tmp_path: Path, synthesize: Any
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")
    series = real_data / "dicom" / "philips_mprage"
    subprocess.run(
        [dcm2niix.bin, "-z", "y", "-o", str(tmp_path), "-f", "reference", str(series)],
        check=True,
        capture_output=True,
    )
    reference = nibabel.load(tmp_path / "reference.nii.gz")
    made = synthesize(series, "t2", tmp_path / "out.nii.gz")
    assert made.shape == reference.shape
    np.testing.assert_allclose(made.affine, reference.affine, atol=1e-3)
    assert made.header.get_data_dtype() == np.float32


@pytest.mark.parametrize(("name", "target"), [("study1_T1W", "t2"), ("study2_T2W", "t1")])
def test_an_oblique_clinical_scan_keeps_its_grid_and_header_codes(
    name: str, target: str, real_data: Path, tmp_path: Path, synthesize: Any
) -> None:
    source = real_data / "ms_longitudinal" / "patient01" / f"{name}.nii.gz"
    made, scan = synthesize(source, target, tmp_path / "out.nii.gz"), nibabel.load(source)
    assert made.shape == scan.shape
    np.testing.assert_array_equal(made.affine, scan.affine)
    for code in ("sform_code", "qform_code", "xyzt_units"):
        assert made.header[code] == scan.header[code]
    assert np.isfinite(made.get_fdata()).all()
