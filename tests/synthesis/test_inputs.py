"""Each scan of a command is found once, under a name of its own, and without loading a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medgan.scans import Found, read_scan
from medgan.scans.dicom_writing import write_series
from medgan.synthesis import find_inputs


def stems(*paths: Path) -> list[str]:
    """What results would be called after."""
    return [one.scan.stem for one in find_inputs(paths, series=None) if isinstance(one.scan, Found)]


def put(*paths: Path) -> tuple[Path, ...]:
    """Files that are NIfTI by their name, which is all that finding looks at."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return paths


def test_names_of_their_own_are_kept(tmp_path: Path) -> None:
    assert stems(*put(tmp_path / "a" / "one.nii.gz", tmp_path / "b" / "two.nii")) == ["one", "two"]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("a/scan.nii", "b/scan.nii"), ["a_scan", "b_scan"]),
        (("1/anat/scan.nii", "2/anat/scan.nii"), ["1_anat_scan", "2_anat_scan"]),
        (("a/scan.nii", "b/Scan.nii.gz"), ["a_scan", "b_Scan"]),
        (("a/scan.nii", "b/scan.nii", "c/other.nii"), ["a_scan", "b_scan", "other"]),
        (("sub-01/T1w.nii", "sub-02/T1w.nii"), ["sub-01_T1w", "sub-02_T1w"]),
    ],
)
def test_scans_of_one_name_get_the_names_of_the_folders_that_tell_them_apart(
    places: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    found = stems(*put(*(tmp_path / place for place in places)))
    assert found == expected


def test_where_folders_do_not_tell_them_apart_a_number_does(tmp_path: Path) -> None:
    twins = put(tmp_path / "a" / "scan.nii", tmp_path / "a" / "scan.nii.gz")
    assert stems(*twins) == ["scan", "scan-2"]
    assert stems(*twins, *put(tmp_path / "b" / "scan.nii")) == ["a_scan", "a_scan-2", "b_scan"]


def test_folders_of_scans_are_told_apart_by_their_own_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        put(*(tmp_path / folder / person / "scan.nii" for person in ("x", "y")))
    assert stems(tmp_path / "a", tmp_path / "b") == ["a_x_scan", "a_y_scan", "b_x_scan", "b_y_scan"]


def test_series_of_one_name_are_told_apart_too(head: Any, tmp_path: Path) -> None:
    scan = read_scan(head(tmp_path / "scan.nii.gz", "t1", 1))
    for visit in ("first", "second"):
        write_series(tmp_path / visit / "T1", scan, description="T1w", series_number=3, facts={})
    found = stems(tmp_path / "first" / "T1", tmp_path / "second" / "T1")
    assert found == ["first_T1_series003", "second_T1_series003"]


def test_what_is_given_twice_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan,) = put(tmp_path / "a" / "scan.nii")
    monkeypatch.chdir(tmp_path)
    assert stems(scan, scan.parent, Path("a/scan.nii"), Path("a/../a/scan.nii")) == ["scan"]


def test_a_link_is_a_scan_of_its_own(tmp_path: Path) -> None:
    """As archives of data keep each content once, and link to it by several names."""
    (scan,) = put(tmp_path / "content.nii")
    for name in ("one", "two"):
        (tmp_path / f"{name}.nii").symlink_to(scan)
    assert stems(tmp_path / "one.nii", tmp_path / "two.nii") == ["one", "two"]


def test_what_cannot_be_a_scan_is_an_input_with_its_refusal(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no scan")
    paths = [tmp_path / "absent.nii.gz", tmp_path / "empty", tmp_path / "notes.txt"]
    found = find_inputs([*paths, *put(tmp_path / "good.nii")], series=None)
    assert [one.refusal is not None for one in found] == [True, True, True, False]
    assert [one.refusal.file for one in found if one.refusal] == paths


def test_scans_beside_several_series_are_taken_and_the_choice_is_refused(head: Any, tmp_path: Path) -> None:
    scan = read_scan(head(tmp_path / "in" / "scan.nii.gz", "t1", 1))
    for number in (3, 4):
        folder = tmp_path / "in" / str(number)
        write_series(folder, scan, description="T1w", series_number=number, facts={})
    found = find_inputs([tmp_path / "in"], series=None)
    assert [one.name for one in found] == ["scan.nii.gz", "in"]
    assert found[1].refusal is not None
    (chosen,) = find_inputs([tmp_path / "in"], series="4")
    assert isinstance(chosen.scan, Found) and chosen.scan.series is not None
    assert chosen.scan.series.number == 4


def test_a_series_is_not_chosen_where_there_is_none(tmp_path: Path) -> None:
    put(tmp_path / "in" / "scan.nii")
    (one,) = find_inputs([tmp_path / "in"], series="4")
    assert one.refusal is not None and "there is none" in one.refusal.cause


def test_medgans_own_results_are_left_out_and_told(head: Any, tmp_path: Path) -> None:
    head(tmp_path / "scan.nii.gz", "t1", 1)
    made = head(tmp_path / "scan_desc-medganFromT1w_T2w.nii.gz", "t2", 1)
    (one,) = find_inputs([tmp_path], series=None)
    assert one.name == "scan.nii.gz"
    assert "1 result of medgan left out" in one.left_out
    (named,) = find_inputs([made], series=None)
    assert named.refusal is None and not named.left_out


def test_finding_loads_neither_torch_nor_monai() -> None:
    program = (
        "import sys; from pathlib import Path; from medgan.synthesis import find_inputs, open_destination; "
        "find_inputs([Path('absent.nii.gz')], series=None); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
