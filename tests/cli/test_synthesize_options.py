"""`medgan synthesize`: DICOM results, references, archives, echoes, and what has to be insisted on."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from medgan.scans import read_scan, write_nifti
from medgan.scans.dicom_writing import write_series

STEM = "series_series003_desc-medganFromT1w_T2w"
Synthesize = Callable[..., Any]


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Synthesize:
    """The command, from T1w to T2w, on the CPU."""

    def call(*arguments: object) -> Any:
        return medgan(
            "synthesize", *arguments, "--target", "t2", "--model", tiny_run, "--device", "cpu", "-q"
        )

    return call


@pytest.fixture
def series(head: Any, tmp_path: Path) -> Path:
    """A T1w series of 16 slices."""
    scan = read_scan(head(tmp_path / "heads" / "scan.nii.gz", "t1", 1))
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(tmp_path / "series", scan, description="T1w", series_number=3, facts=facts)
    return tmp_path / "series"


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.robustness("dicom-out-command")
def test_a_series_gives_a_series_and_a_sidecar(synthesize: Synthesize, series: Path, tmp_path: Path) -> None:
    done = synthesize(series, "--format", "dicom", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    names = [f"{STEM}/{k:04d}.dcm" for k in range(1, 17)]
    assert below(tmp_path / "out") == sorted([*names, f"{STEM}.json"])
    source = pydicom.dcmread(next(series.iterdir()))
    made = pydicom.dcmread(tmp_path / "out" / STEM / "0001.dcm")
    assert made.SyntheticData == "YES"
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SeriesDescription == "SYNTHETIC T2w from T1w - NOT FOR DIAGNOSIS"
    sidecar = json.loads((tmp_path / "out" / f"{STEM}.json").read_text())
    assert sidecar["Medgan"]["ModelSHA256"] in made.DerivationDescription
    assert "not for diagnosis. Made by medgan" in made.DerivationDescription
    again = synthesize(series, "--format", "dicom", "-o", tmp_path / "out")
    assert again.code == 0, again.err


@pytest.mark.robustness("dicom-out-command")
def test_dicom_and_nifti_hold_the_same_image(synthesize: Synthesize, series: Path, tmp_path: Path) -> None:
    assert synthesize(series, "--format", "dicom", "-o", tmp_path / "out").code == 0
    assert synthesize(series, "-o", tmp_path / "t2.nii.gz").code == 0
    stored, made = read_scan(tmp_path / "out" / STEM), nibabel.load(tmp_path / "t2.nii.gz")
    assert np.allclose(stored.affine, made.affine, atol=1e-4)
    assert np.corrcoef(stored.voxels.ravel(), made.get_fdata().ravel())[0, 1] > 0.999999


@pytest.mark.robustness("dicom-out-reference")
def test_nifti_becomes_dicom_only_beside_the_series_that_it_was_converted_from(
    synthesize: Synthesize, series: Path, tmp_path: Path
) -> None:
    scan = read_scan(series)
    converted, elsewhere = tmp_path / "converted.nii.gz", tmp_path / "elsewhere.nii.gz"
    write_nifti(scan, converted, description="")
    turned = nibabel.as_closest_canonical(nibabel.load(converted))
    nibabel.save(turned, tmp_path / "turned.nii.gz")
    moved = nibabel.Nifti1Image(scan.voxels, scan.affine + np.array([[0, 0, 0, 4.0]] * 3 + [[0] * 4]))
    nibabel.save(moved, elsewhere)
    out = tmp_path / "out"
    done = synthesize(converted, "--format", "dicom", "-o", out)
    assert (done.code, below(out) if out.exists() else []) == (2, [])
    assert "--reference" in done.err
    done = synthesize(elsewhere, "--format", "dicom", "--reference", series, "-o", out)
    assert done.code == 3
    assert "grid" in done.err
    assert (below(out) if out.exists() else []) == []
    assert synthesize(series, "--format", "dicom", "-o", tmp_path / "direct").code == 0
    direct = read_scan(tmp_path / "direct" / STEM)
    for name in ("converted", "turned"):
        path = tmp_path / f"{name}.nii.gz"
        done = synthesize(path, "--format", "dicom", "--reference", series, "-o", out)
        assert done.code == 0, done.err
        made = read_scan(out / f"{name}_desc-medganFromT1w_T2w")
        assert np.array_equal(made.affine, direct.affine)
        assert np.array_equal(made.voxels, direct.voxels)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--reference", "series"], "--format dicom"),
        (["--deidentify"], "--format dicom"),
        (["--format", "dicom", "-o", "x.nii.gz"], "name of --out"),
        (["--format", "dicom", "--reference", "heads"], "no DICOM series"),
    ],
)
def test_options_that_make_no_sense_together_are_wrong_usage(
    more: list[str],
    said: str,
    synthesize: Synthesize,
    series: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = synthesize("heads/scan.nii.gz", *more)
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.glob("*medgan*"))


def test_a_picture_has_no_place_in_a_study(synthesize: Synthesize, series: Path, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "slice.png"
    Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).save(picture)
    done = synthesize(picture, "--format", "dicom", "--reference", series, "-o", tmp_path / "out")
    assert done.code == 2
    assert "picture" in done.err


@pytest.mark.robustness("dicom-out-deidentify")
def test_deidentified_results_name_no_one(synthesize: Synthesize, series: Path, tmp_path: Path) -> None:
    done = synthesize(series, "--format", "dicom", "--deidentify", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    (result,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert re.fullmatch(r"series003-[0-9a-f]{8}_desc-medganFromT1w_T2w", result.name)
    made = pydicom.dcmread(result / "0001.dcm")
    assert made.PatientIdentityRemoved == "YES"
    assert "Nobody" not in str(made.get("PatientName", ""))
    assert made.StudyInstanceUID != pydicom.dcmread(next(series.iterdir())).StudyInstanceUID


@pytest.mark.robustness("privacy-synthetic-mark")
@pytest.mark.parametrize("wanted", ["nifti", "dicom"])
def test_a_result_is_not_taken_as_an_input_unless_forced(
    wanted: str, synthesize: Synthesize, series: Path, tmp_path: Path
) -> None:
    assert synthesize(series, "--format", wanted, "-o", tmp_path / "once").code == 0
    result = tmp_path / "once" / (STEM if wanted == "dicom" else f"{STEM}.nii.gz")
    done = synthesize(result, "-o", tmp_path / "twice")
    assert done.code == 3
    assert "--force" in done.err
    assert not (tmp_path / "twice").exists()
    forced = synthesize(result, "--force", "-o", tmp_path / "twice")
    assert forced.code == 0, forced.err
    assert "already synthetic" in forced.err


def test_one_echo_of_a_series_is_chosen_by_its_time(
    synthesize: Synthesize, series: Path, tmp_path: Path
) -> None:
    for file in list(series.iterdir()):
        echo = pydicom.dcmread(file)
        echo.EchoTime = 90
        echo.SOPInstanceUID = echo.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        echo.save_as(series / f"late-{file.name}")
    done = synthesize(series, "-o", tmp_path / "t2.nii.gz")
    assert done.code == 3
    assert "--echo" in done.err
    assert synthesize(series, "--echo", 12, "-o", tmp_path / "t2.nii.gz").code == 0
    assert synthesize(series, "--echo", 12, "--format", "dicom", "-o", tmp_path / "out").code == 0
    assert len(list((tmp_path / "out" / STEM).iterdir())) == 16
    assert synthesize(series, "--echo", 50, "-o", tmp_path / "x.nii.gz").code == 3


@pytest.mark.robustness("bad-04")
def test_nan_is_taken_as_0_only_where_asked_for(synthesize: Synthesize, series: Path, tmp_path: Path) -> None:
    scan = tmp_path / "heads" / "scan.nii.gz"
    voxels = nibabel.load(scan).get_fdata(dtype=np.float32)
    voxels[3:5, 4, 5] = np.nan
    nibabel.save(nibabel.Nifti1Image(voxels, nibabel.load(scan).affine), tmp_path / "nan.nii.gz")
    done = synthesize(tmp_path / "nan.nii.gz", "-o", tmp_path / "t2.nii.gz")
    assert done.code == 3
    assert "2 of" in done.err
    assert "--nan-to-zero" in done.err
    done = synthesize(tmp_path / "nan.nii.gz", "--nan-to-zero", "-o", tmp_path / "t2.nii.gz")
    assert done.code == 0
    assert "taken as 0" in done.err
    assert np.isfinite(nibabel.load(tmp_path / "t2.nii.gz").get_fdata()).all()


def test_an_archive_is_as_good_as_the_folder_in_it(
    synthesize: Synthesize, series: Path, head: Any, tmp_path: Path
) -> None:
    head(tmp_path / "heads" / "bad.nii.gz", "t1", 2).write_bytes(b"\x1f\x8b")
    for folder in ("series", "heads"):
        shutil.make_archive(str(tmp_path / folder), "zip", tmp_path / folder)
    assert synthesize(tmp_path / "series.zip", "-o", tmp_path / "zip.nii.gz").code == 0
    assert synthesize(series, "-o", tmp_path / "folder.nii.gz").code == 0
    assert (tmp_path / "zip.nii.gz").read_bytes() == (tmp_path / "folder.nii.gz").read_bytes()
    done = synthesize(tmp_path / "series.zip", "--format", "dicom", "-o", tmp_path / "out")
    assert done.code == 0
    assert len(list((tmp_path / "out" / STEM).iterdir())) == 16
    done = synthesize(tmp_path / "heads.zip", "-o", tmp_path / "several")
    assert done.code == 3
    assert str(tmp_path / "heads.zip" / "bad.nii.gz") in done.err
    assert "1 of 2 inputs" in done.err
    stem = "scan_desc-medganFromT1w_T2w"
    assert below(tmp_path / "several") == [f"{stem}.json", f"{stem}.nii.gz"]
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.nii.gz", b"x" * 1000)
    assert synthesize(tmp_path / "evil.zip", "-o", tmp_path / "several").code == 3
    assert not list(tmp_path.rglob("evil.nii.gz"))


@pytest.mark.robustness("crash-resume")
def test_resume_says_what_was_kept(medgan: Any, tiny_run: Path, series: Path, tmp_path: Path) -> None:
    command = ["synthesize", tmp_path / "heads", series, "--target", "t2", "--model", tiny_run, "--resume"]
    for kept in (False, True):
        done = medgan(*command, "-o", tmp_path / "out")
        assert done.code == 0, done.err
        assert ("2 of 2 were there already" in done.out) == kept


def test_the_scans_of_an_archive_are_counted_one_by_one(
    medgan: Any, tiny_run: Path, head: Any, tmp_path: Path
) -> None:
    for number in (1, 2):
        head(tmp_path / "two" / f"{number}.nii.gz", "t1", number)
    archive = shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "two")
    command = [
        "synthesize",
        archive,
        "--target",
        "t2",
        "--model",
        tiny_run,
        "-o",
        tmp_path / "out",
        "--resume",
    ]
    assert medgan(*command).code == 0
    assert "2 of 2 were there already" in medgan(*command).out


def test_the_result_of_another_scan_of_the_same_name_is_not_replaced(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    """Two patients whose files are called alike, one after the other."""
    one, other = (head(tmp_path / name / "T1w.nii.gz", "t1", k) for k, name in ((1, "a"), (2, "b")))
    assert synthesize(one, "-o", tmp_path / "out").code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    refused = synthesize(other, "-o", tmp_path / "out")
    assert refused.code == 2
    assert "another scan of the same name" in refused.err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    head(one, "t1", 5)  # the same file, mended
    assert synthesize(one, "-o", tmp_path / "out").code == 0
