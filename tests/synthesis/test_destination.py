"""Names of results follow one rule that can be read in the help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medgan.errors import UsageError
from medgan.scans.marks import is_map
from medgan.scans.naming import output_stem
from medgan.synthesis.destination import Destination, formats_for, open_destination, plan_outputs


@pytest.mark.parametrize(
    ("stem", "target", "name"),
    [
        ("scan", "t2", "scan_desc-medganFromT1w_T2w"),
        ("scan", "t1", "scan_desc-medganFromT2w_T1w"),
        ("sub-01_T1w", "t2", "sub-01_desc-medganFromT1w_T2w"),
        ("sub-01_ses-2_run-3_T1w", "t2", "sub-01_ses-2_run-3_desc-medganFromT1w_T2w"),
        ("sub-a+b_T1w", "t2", "sub-a+b_desc-medganFromT1w_T2w"),
        ("sub-01_T2w", "t1", "sub-01_desc-medganFromT2w_T1w"),
        ("sub-01_PDw", "t2", "sub-01_PDw_desc-medganFromT1w_T2w"),
        ("patient_T1w", "t2", "patient_T1w_desc-medganFromT1w_T2w"),
        ("sub-01_T1wish", "t2", "sub-01_T1wish_desc-medganFromT1w_T2w"),
    ],
)
def test_a_bids_suffix_makes_way_and_any_other_name_is_kept(stem: str, target: str, name: str) -> None:
    from_contrast = {"t2": "t1", "t1": "t2"}[target]
    assert output_stem(stem, source_contrast=from_contrast, target=target) == name


@pytest.mark.parametrize(
    ("kind", "wanted", "out", "expected"),
    [
        ("nifti", None, None, ("nifti",)),
        ("dicom", None, "folder", ("nifti",)),
        ("picture", None, "folder", ("nifti", "png")),
        ("picture", "png", "folder", ("png",)),
        ("picture", "nifti", None, ("nifti",)),
        ("nifti", "png", None, ("png",)),
        ("nifti", None, "x.nii.gz", ("nifti",)),
        ("nifti", None, "x.nii", ("nifti",)),
        ("picture", None, "x.png", ("png",)),
        ("picture", None, "x.PNG", ("png",)),
        ("nifti", "nifti", "x.nii.gz", ("nifti",)),
    ],
)
def test_the_name_of_out_decides_where_it_ends_like_a_file(
    kind: str, wanted: str | None, out: str | None, expected: object
) -> None:
    assert formats_for(kind, wanted, Path(out or ".")) == expected  # type: ignore[arg-type]
    assert Destination(out=Path(out or ".")).is_file == (out is not None and out.startswith("x."))


def test_a_folder_that_ends_like_a_file_is_still_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.nii.gz").mkdir()
    assert not Destination(out=tmp_path / "x.nii.gz").is_file
    assert formats_for("picture", None, tmp_path / "x.nii.gz") == ("nifti", "png")


def test_a_format_against_the_name_is_refused() -> None:
    with pytest.raises(UsageError, match="--format png"):
        formats_for("nifti", "png", Path("x.nii.gz"))


@pytest.mark.parametrize(
    ("stem", "folder"),
    [
        ("sub-01_T1w", "sub-01/anat"),
        ("sub-01_ses-2_run-3_T1w", "sub-01/ses-2/anat"),
        ("sub-a+b_acq-x_T1w", "sub-a+b/anat"),
    ],
)
def test_results_of_a_bids_data_set_lie_as_their_scans_do_there(
    stem: str, folder: str, tmp_path: Path
) -> None:
    assert Destination(out=tmp_path, raw=tmp_path / "raw").folder_of(stem) == tmp_path / folder
    assert Destination(out=tmp_path).folder_of(stem) == tmp_path


def test_maps_of_the_error_are_not_called_images_in_a_derivative(tmp_path: Path) -> None:
    destination = Destination(out=tmp_path, raw=tmp_path / "raw")
    plan = plan_outputs("sub-01_T1w", "nifti", destination, source_contrast="t1", target="t2", maps=True)
    assert {path.name for path in plan.maps.values()} == {
        "sub-01_desc-medganFromT1wUncertainty_errormap.nii.gz",
        "sub-01_desc-medganFromT1wBound90_errormap.nii.gz",
    }
    assert all(is_map(path.name) for path in plan.maps.values())


@pytest.mark.parametrize(("out", "wanted"), [("t2.nii.gz", None), ("out", "png"), ("out", "dicom")])
def test_a_derivative_is_a_folder_of_nifti(out: str, wanted: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError), open_destination(tmp_path / out, wanted=wanted, raw=tmp_path / "raw"):
        pass
