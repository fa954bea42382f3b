"""Claims about names: one that gives away the patient of a DICOM series is told from one that does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medgan.scans import dicom_files
from medgan.scans.dicom_writing import write_series
from medgan.scans.finding import find_scans
from medgan.scans.identity import names_person
from medgan.scans.inspection import find_candidates, inspect_each
from medgan.scans.overview import overview
from medgan.scans.scan import Scan, Source
from medgan.scans.shown_paths import shown_path


def series(folder: Path, *, number: int = 4, **attributes: Any) -> Path:
    """Three slices of noise of a patient; the first of them."""
    voxels = np.random.default_rng(0).integers(0, 900, (16, 16, 3)).astype(np.float32)
    affine = np.diag([-1.0, 1.0, 3.0, 1.0])
    scan = Scan(voxels=voxels, affine=affine, source=Source(path=Path("x"), kind="array", stem="x"))
    files = write_series(folder, scan, description="brain", series_number=number, facts={})
    given = {"PatientName": "Doe^Jane Ann", "PatientID": "ID-4711", "PatientBirthDate": "19701231"}
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in (given | attributes).items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)
    return files[0]


@pytest.mark.robustness("privacy-names")
@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("DOE^JANE_4711", True),
        ("doe jane", True),
        ("Janes-scan", True),
        ("D.O.E.", True),
        ("ID4711", True),
        ("id_47-11", True),
        ("19701231", True),
        ("1970-12-31", True),
        ("31.12.1970", True),
        ("12-31-1970", True),
        ("study-3", False),
        ("4711", False),
        ("1970", False),
        ("do-e2e", True),
        ("scan_701231", True),
        ("scan 31-12", False),
        ("0701231", False),
        ("", False),
        ("^", False),
    ],
)
def test_parts_of_the_name_the_id_and_the_birth_date_are_found_however_written(
    text: str, personal: bool, tmp_path: Path
) -> None:
    assert names_person(text, [series(tmp_path)]) is personal


@pytest.mark.robustness("privacy-names")
@pytest.mark.parametrize(
    ("attributes", "text", "personal"),
    [
        ({"AccessionNumber": "A-99812"}, "a99812", True),
        ({"OtherPatientIDs": ["", "ZZ-8080"]}, "zz8080", True),
        ({"OtherPatientNames": ["Roe^J", "Poe^E"]}, "poe", True),
        ({"PatientBirthName": "Miller"}, "x_miller", True),
        ({"PatientName": "Müller^Zoë"}, "MUELLER", True),
        ({"PatientName": "Müller^Zoë"}, "muller", True),
        ({"PatientName": "Müller^Zoë"}, "Zoe", True),
        ({"PatientName": "Yamada^Tarou=山田^太郎"}, "scan 山田", True),
        ({"PatientName": "Li^X"}, "lithium", False),
        ({"PatientName": "Li^X"}, "x2_Li", True),
        ({"PatientName": "Wu^Li"}, "LiWu-t1", True),
        ({"PatientName": "Wu^Li"}, "t1_axial", False),
        ({"PatientName": "李^娜"}, "scan李娜", True),
        ({"PatientName": "Wałęsa^L"}, "walesa_l", True),
        ({"PatientName": "Ö^An"}, "oe an", True),
        ({"PatientID": "12"}, "scan12", False),
        ({"PatientID": "12"}, "scan 12", False),
        ({"PatientID": "123"}, "scan123", False),
        ({"PatientID": "123"}, "pat_123", True),
        ({"PatientName": "", "PatientID": ""}, "scan", False),
        ({"PatientName": "sub-01", "PatientID": "sub-01", "PatientIdentityRemoved": "YES"}, "sub-01", False),
        ({"PatientName": "sub-01", "PatientID": "sub-01", "PatientIdentityRemoved": "NO"}, "sub-01", True),
    ],
)
def test_other_identifiers_and_alphabets_count_and_pseudonyms_do_not(
    attributes: dict[str, Any], text: str, personal: bool, tmp_path: Path
) -> None:
    given = {"PatientBirthDate": "", "SpecificCharacterSet": "ISO_IR 192"} | attributes
    assert names_person(text, [series(tmp_path, **given)]) is personal


def test_identifiers_in_a_sequence_are_found(tmp_path: Path) -> None:
    item = pydicom.Dataset()
    item.PatientID = "QX-55512"
    assert names_person("qx55512", [series(tmp_path, OtherPatientIDsSequence=[item])])


def test_a_damaged_first_file_does_not_hide_the_patient_and_what_is_no_dicom_says_nothing(
    tmp_path: Path,
) -> None:
    good = series(tmp_path / "a")
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(good.read_bytes()[:150])
    assert names_person("doe", [broken, good])
    assert not names_person("doe", [broken, tmp_path / "missing.dcm"])


@pytest.mark.robustness("privacy-names")
def test_stems_are_made_of_the_series_number_where_the_folder_is_called_after_the_patient(
    tmp_path: Path,
) -> None:
    series(tmp_path / "DOE^JANE" / "a", number=1)
    series(tmp_path / "DOE^JANE" / "b", number=1)
    series(tmp_path / "DOE^JANE", number=2)
    series(tmp_path / "ROE^RICHARD", number=2, PatientName="Roe^Richard", PatientID="ID-4712")
    series(tmp_path / "study" / "a", number=1)
    stems = [one.stem for one in find_scans(tmp_path)]
    assert len({stem.casefold() for stem in stems}) == 5
    assert not any(word in "".join(stems).casefold() for word in ("doe", "jane", "roe", "richard"))
    assert sorted(stem[:9] for stem in stems if stem.startswith("series")) == ["series002", "series002"]
    assert sum("study" in stem for stem in stems) == 1


@pytest.mark.robustness("privacy-names")
def test_stems_of_one_series_are_the_same_each_time(tmp_path: Path) -> None:
    series(tmp_path / "DOE^JANE")
    first, second = find_scans(tmp_path / "DOE^JANE"), find_scans(tmp_path)
    assert first[0].stem == second[0].stem


def test_a_description_that_names_the_patient_is_not_shown_but_tells_the_contrast(tmp_path: Path) -> None:
    series(tmp_path, SeriesDescription="T1 of Jane")
    (found,) = find_scans(tmp_path)
    assert found.series is not None
    assert (found.series.description, found.series.contrast) == ("", "t1")


def test_advice_on_an_export_of_both_contrasts_does_not_name_its_folder(tmp_path: Path) -> None:
    first = series(tmp_path / "DOE^JANE", number=1, SeriesDescription="T1w")
    for file in sorted(first.parent.iterdir()):
        file.rename(file.with_name(f"a{file.name}"))
    series(first.parent, number=2, SeriesDescription="T2w")
    candidates, _ = find_candidates([tmp_path])
    (advice,) = (text for text in overview(list(inspect_each(candidates))).advice if "side by side" in text)
    assert "side by side in folder 1." in advice
    assert "DOE" not in advice


@pytest.mark.robustness("privacy-names")
def test_labels_tell_folders_and_files_that_are_called_after_the_patient_by_their_place(
    tmp_path: Path,
) -> None:
    series(
        tmp_path / "in" / "B Roe" / "scan", number=1, PatientName="Roe^R", PatientID="", PatientBirthDate=""
    )
    series(tmp_path / "in" / "DOE^JANE" / "scan", number=2)
    series(tmp_path / "in" / "study" / "a", number=3)
    (tmp_path / "in" / "DOE^JANE" / "T1.nii.gz").touch()
    labels = [one.label for one in find_candidates([tmp_path / "in"])[0]]
    assert labels == ["folder 2/T1.nii.gz", "folder 1/scan #1", "folder 2/scan #2", "study/a #3"]
    typed = [tmp_path / "in" / "DOE^JANE", tmp_path / "in" / "study"]
    assert [one.label for one in find_candidates(typed)[0]] == [
        "folder 2/T1.nii.gz", "folder 2/scan #2", "study/a #3",
    ]  # fmt: skip
    one = series(tmp_path / "single", number=4)
    assert find_candidates([one.rename(tmp_path / "single" / "Jane.dcm")])[0][0].label == "file 3 #4"


@pytest.mark.robustness("privacy-names")
@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("DOE^JANE", "in/folder 2"),
        ("DOE^JANE/a/0002.dcm", "in/folder 2/a/0002.dcm"),
        ("DOE^JANE/a/Jane.dcm", "in/folder 2/a/file 3"),
        ("study", "in/study"),
        ("absent\x1b", "in/absent\\x1b"),
        ("", "in"),
    ],
)
def test_a_path_is_shown_without_the_patients_name(
    place: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "study"):
        (Path("in") / folder).mkdir(parents=True)
    first = series(Path("in") / "DOE^JANE" / "a")
    first.rename(first.with_name("Jane.dcm"))
    first.with_name("0002.dcm").write_bytes(
        first.with_name("0002.dcm").read_bytes()[:200]
    )  # names no one itself
    assert shown_path(Path("in") / place) == shown
    assert shown_path(tmp_path / "in" / place) == f"{tmp_path}/{shown}"


def test_a_deflated_file_beyond_the_limits_names_no_one_and_hides_no_other_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = series(tmp_path / "DOE^JANE")
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(file)
    monkeypatch.setattr(dicom_files, "MAX_INFLATED", 100)
    assert not names_person("doe", [file])
    assert shown_path(file) == f"{tmp_path}/folder 1/{file.name}"  # as its neighbours tell
    (tmp_path / "T1.nii.gz").touch()
    assert [one.path.name for one in find_scans(tmp_path)] == ["T1.nii.gz", "DOE^JANE"]


def test_values_of_a_header_that_are_not_valid_are_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pydicom.config.disable_value_validation():
        file = series(tmp_path, PatientBirthDate="31 Dec 1970")
    assert names_person("doe", [file])
    assert find_candidates([tmp_path])[0]
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_holds_up_no_message(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert shown_path(tmp_path) == str(tmp_path)


def test_the_working_folder_is_shown_as_it_was_typed() -> None:
    assert (shown_path(Path()), shown_path(Path("/"))) == (".", "/")


def test_nothing_that_lives_on_holds_an_identifier(tmp_path: Path) -> None:
    series(tmp_path / "scan")
    (found,) = find_scans(tmp_path)
    text = repr((found, found.series, found.series and found.series.planes)).casefold()
    assert not any(word in text for word in ("doe", "jane", "id-4711", "19701231"))
