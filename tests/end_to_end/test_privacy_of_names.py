"""A NIfTI file that is called after the patient does not hand the name on, as far as anything tells whose it is."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from medgan.scans import read_scan
from medgan.scans.dicom_writing import write_series

ROW = pytest.mark.robustness("privacy-names")
NAME = "Quistgaard_Wilhelmina"
NEUTRAL = re.compile(r"image-[0-9a-f]{8}_desc-medganFromT1w_T2w(/\d{4}\.dcm|\.json|\.nii\.gz)")


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Callable[..., Any]:
    """The command."""

    def call(*arguments: object) -> Any:
        return medgan("synthesize", *arguments, "--target", "t2", "--model", tiny_run, "--device", "cpu")

    return call


@pytest.fixture
def named(head: Any, tmp_path: Path) -> Path:
    """A NIfTI file that is called after the patient."""
    made: Path = head(tmp_path / "in" / f"{NAME}.nii.gz", "t1", 1)
    return made


@pytest.fixture
def series(named: Path, tmp_path: Path) -> Path:
    """The patient's series, from which the file was converted."""
    facts = {"echo_time": 12.0}
    for file in write_series(
        tmp_path / "series", read_scan(named), description="T1w", series_number=3, facts=facts
    ):
        image = pydicom.dcmread(file)
        image.PatientName, image.PatientID = "Quistgaard^Wilhelmina", "PID-7734219"
        image.save_as(file)
    return tmp_path / "series"


def written(folder: Path) -> dict[str, bytes]:
    """What lies below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def sources(folder: Path) -> list[str]:
    """`Sources` of the only sidecar."""
    (sidecar,) = folder.glob("*.json")
    said: list[str] = json.loads(sidecar.read_text())["Sources"]
    return said


def checksum(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@ROW
def test_the_reference_tells_that_the_file_is_called_after_its_patient(
    synthesize: Any, named: Path, series: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = synthesize(named, "--format", "dicom", "--reference", series, "-o", out)
    assert done.code == 0, done.err
    assert all(NEUTRAL.fullmatch(name) for name in written(out)), written(out).keys()
    assert sources(out) == [checksum(named)]


@ROW
@pytest.mark.parametrize("told", [{"PatientName": "Quistgaard^Wilhelmina"}, {"PatientID": "quistgaard"}])
def test_so_does_the_json_beside_it(told: Any, synthesize: Any, named: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    named.with_name(f"{NAME}.json").write_text(json.dumps(told))
    done = synthesize(named, "-o", out)
    assert done.code == 0, done.err
    assert all(NEUTRAL.fullmatch(name) for name in written(out)), written(out).keys()
    assert not [name for name, content in written(out).items() if b"uistgaard" in content]
    assert sources(out) == [checksum(named)]
    kept = synthesize(named, "-o", out, "--resume")
    assert "1 of 1 were there already" in kept.out


@ROW
def test_a_deidentified_result_has_a_name_and_a_source_that_say_nothing(
    synthesize: Any, named: Path, series: Path, tmp_path: Path
) -> None:
    """Even where the name of the file is not known to be that of a person."""
    other = shutil.copy(named, tmp_path / "in" / "Knut.nii.gz")
    out = tmp_path / "out"
    done = synthesize(other, "--format", "dicom", "--reference", series, "--deidentify", "-o", out)
    assert done.code == 0, done.err
    assert all(NEUTRAL.fullmatch(name) for name in written(out)), written(out).keys()
    assert not [name for name, content in written(out).items() if b"Knut" in content]
    assert sources(out) == [checksum(named)]


@ROW
def test_nor_does_a_warning_in_it_name_a_file(
    synthesize: Any, named: Path, series: Path, tmp_path: Path
) -> None:
    named.with_name(f"{NAME}.json").write_text("no JSON")
    out = tmp_path / "out"
    done = synthesize(named, "--format", "dicom", "--reference", series, "--deidentify", "-o", out)
    assert done.code == 0, done.err
    assert not [name for name, content in written(out).items() if b"uistgaard" in content]
    (sidecar,) = out.glob("*.json")
    assert "left aside" in sidecar.read_text()


@ROW
def test_a_deidentified_result_keeps_a_bids_name(
    synthesize: Any, named: Path, series: Path, tmp_path: Path
) -> None:
    given = shutil.copy(named, tmp_path / "in" / "sub-07_T1w.nii.gz")
    out = tmp_path / "out"
    done = synthesize(given, "--format", "dicom", "--reference", series, "--deidentify", "-o", out)
    assert done.code == 0, done.err
    assert (out / "sub-07_desc-medganFromT1w_T2w.json").is_file()
    assert sources(out) == [checksum(named)]
    given = shutil.copy(named, tmp_path / "in" / "sub-Quistgaard_T1w.nii.gz")
    done = synthesize(given, "--format", "dicom", "--reference", series, "-o", tmp_path / "other")
    assert done.code == 0, done.err
    assert all(NEUTRAL.fullmatch(name) for name in written(tmp_path / "other"))


@ROW
def test_a_name_that_nothing_is_known_of_is_the_users_choice(
    synthesize: Any, named: Path, series: Path, tmp_path: Path
) -> None:
    named.with_name(f"{NAME}.json").write_text('{"PatientID": "0042", "PatientName": "Meier"}')
    assert synthesize(named, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / f"{NAME}_desc-medganFromT1w_T2w.nii.gz").is_file()
    assert sources(tmp_path / "out") == [named.name]


@ROW
def test_folders_that_tell_scans_apart_are_not_named_after_patients(
    synthesize: Any, head: Any, tmp_path: Path
) -> None:
    for person in ("Quistgaard", "Zwetschgenbaum"):
        write_series(
            tmp_path / person / "T1",
            read_scan(head(tmp_path / f"{person}.nii.gz", "t1", 1)),
            description="T1w",
            series_number=3,
            facts={},
        )
        for file in (tmp_path / person / "T1").iterdir():
            image = pydicom.dcmread(file)
            image.PatientName = f"{person}^A"
            image.save_as(file)
    done = synthesize(
        *(tmp_path / person / "T1" for person in ("Quistgaard", "Zwetschgenbaum")), "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2
    assert not re.search("quistg|zwetsch", " ".join(written(tmp_path / "out")), re.IGNORECASE)
