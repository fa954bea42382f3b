"""Claims about finding scans: all of them, in a natural order, under names that differ, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from medgan.errors import InputRefusedError
from medgan.scans import finding
from medgan.scans.dicom_reading import Series
from medgan.scans.finding import find_scans, search

DICOM = bytes(128) + b"DICM" + bytes(20)


def touch(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def stub_series(files: Iterable[Path]) -> list[Series]:
    """Groups by what follows `DICM` in the files: the series number."""
    groups: dict[bytes, list[Path]] = {}
    for file in sorted(files):
        groups.setdefault(file.read_bytes()[132:133], []).append(file)
    return [
        Series(
            uid=f"1.2.{number!r}",
            number=number[0] if number else None,
            description="Doe^Jane",
            modality="MR",
            files=tuple(members),
            shape=(8, 8, len(members)),
            orientation="axial",
            contrast=None,
            refusal=InputRefusedError("gap") if number == b"\x09" else None,
            facts={},
            planes=(),
        )
        for number, members in sorted(groups.items())
    ]


@pytest.fixture(autouse=True)
def _stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "list_series", stub_series)


def test_a_folder_is_searched_to_its_depths_in_natural_order(tmp_path: Path) -> None:
    for name in ("Image #10.png", "Image #2.png", "b/T1.nii.gz", "b/a/T2.NII", "a10/x.jpg", "a9/y.JPEG"):
        touch(tmp_path / name)
    found = [one.path.relative_to(tmp_path).as_posix() for one in find_scans(tmp_path)]
    assert found == ["Image #2.png", "Image #10.png", "a9/y.JPEG", "a10/x.jpg", "b/T1.nii.gz", "b/a/T2.NII"]


def test_hidden_temporary_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in (
        ".medgan-abc.nii.gz", "._T1.nii.gz", ".git/T1.nii.gz", "T1.json", "notes.txt", "a.mgz", "disk.img",
        "envi.hdr", "noext",
    ):  # fmt: skip
        touch(tmp_path / name, b"x" * 200)
    touch(tmp_path / "DICOMDIR", DICOM)
    touch(tmp_path / "T1.nii.gz")
    assert [one.path.name for one in find_scans(tmp_path)] == ["T1.nii.gz"]


def test_a_pair_counts_once_and_is_found_by_either_name(tmp_path: Path) -> None:
    touch(tmp_path / "a.hdr")
    touch(tmp_path / "a.img")
    assert [one.stem for one in find_scans(tmp_path)] == ["a"]
    for name in ("a.hdr", "a.img"):
        assert [(one.kind, one.stem) for one in find_scans(tmp_path / name)] == [("nifti", "a")]


def test_dicom_is_known_by_its_mark_or_its_suffix_and_grouped_over_folders(tmp_path: Path) -> None:
    touch(tmp_path / "st" / "a" / "IM0001", DICOM[:132] + b"\x03")
    touch(tmp_path / "st" / "b" / "1.2.840.5", DICOM[:132] + b"\x03")
    touch(tmp_path / "st" / "b" / "old.dcm", bytes(132) + b"\x07")
    touch(tmp_path / "st" / "b" / "old.IMA", bytes(132) + b"\x09")
    touch(tmp_path / "st" / "b" / "report.pdf", b"%PDF" * 50)
    three, seven, nine = find_scans(tmp_path)
    assert three.series is not None
    assert [file.name for file in three.series.files] == ["IM0001", "1.2.840.5"]
    assert (three.path, three.kind, three.stem) == (tmp_path / "st", "dicom", "st_series003")
    assert (seven.path, seven.stem) == (tmp_path / "st" / "b", "b_series007")
    assert nine.refusal is not None
    assert "Doe" not in three.stem + seven.stem


@pytest.mark.parametrize(("name", "stem"), [("IM1.dcm", "IM1"), ("IM1", "IM1"), ("1.2.840.5", "1.2.840.5")])
def test_a_dicom_file_alone_is_a_series_of_itself(tmp_path: Path, name: str, stem: str) -> None:
    file = touch(tmp_path / name, DICOM[:132] + b"\x03")
    touch(tmp_path / "other.dcm", DICOM[:132] + b"\x03")
    (one,) = find_scans(file)
    assert one.series is not None
    assert (one.path, one.series.files, one.stem) == (file, (file,), stem)


def test_a_dicom_file_without_mark_and_suffix_is_tried_when_named(tmp_path: Path) -> None:
    assert find_scans(touch(tmp_path / "IM0001", bytes(132) + b"\x03"))[0].kind == "dicom"


def test_what_has_no_scan_is_refused_naming_what_was_looked_for(tmp_path: Path) -> None:
    for path in (tmp_path, touch(tmp_path / "a.txt", b"hello")):
        with pytest.raises(InputRefusedError) as caught:
            find_scans(path)
        for kind in ("NIfTI", "DICOM", "PNG"):
            assert kind in caught.value.remedy
    with pytest.raises(InputRefusedError, match="no such file or folder"):
        find_scans(tmp_path / "missing")


def stems(root: Path) -> list[str]:
    return [one.stem for one in find_scans(root)]


def test_equal_names_in_several_folders_get_their_folders_before_them(tmp_path: Path) -> None:
    for name in ("sub-01/anat/T1.nii.gz", "sub-02/anat/T1.nii.gz", "sub-02/anat/T2.nii.gz"):
        touch(tmp_path / name)
    assert stems(tmp_path) == ["sub-01_anat_T1", "sub-02_anat_T1", "T2"]


def test_one_folder_suffices_where_it_tells_them_apart(tmp_path: Path) -> None:
    for name in ("x/a/T1.nii.gz", "x/b/T1.nii.gz"):
        touch(tmp_path / name)
    assert stems(tmp_path) == ["a_T1", "b_T1"]


@pytest.mark.parametrize(
    "names",
    [
        ("T1.nii", "T1.nii.gz", "T1.png"),
        ("T1.nii", "a/T1.nii", "a_T1.nii"),
        ("a/T1.nii", "A/t1.nii"),
        ("é/T1.nii", "ü/T1.nii", "T1.nii"),
    ],
)
def test_no_two_stems_are_equal_even_where_case_does_not_count(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        touch(tmp_path / name)
    found = [stem.casefold() for stem in stems(tmp_path)]
    assert len(set(found)) == len(names)
    assert all("/" not in stem for stem in found)


def test_links_are_followed_but_never_in_circles_nor_upwards(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside" / "T1.nii.gz")
    folder = tmp_path / "in"
    touch(folder / "a" / "T2.nii.gz")
    (folder / "linked.nii.gz").symlink_to(outside)
    (folder / "broken.nii.gz").symlink_to(tmp_path / "missing")
    (folder / "self.nii.gz").symlink_to(folder / "self.nii.gz")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "a" / "up").symlink_to(tmp_path)
    (folder / "root").symlink_to("/")
    (folder / "z").symlink_to(tmp_path / "outside")
    assert sorted(one.path.relative_to(folder).as_posix() for one in find_scans(folder)) == [
        "a/T2.nii.gz",
        "linked.nii.gz",
        "z/T1.nii.gz",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii.gz")
    touch(tmp_path / "T1.nii.gz")
    assert stems(tmp_path) == ["T1"]
    with pytest.raises(InputRefusedError):
        find_scans(tmp_path / "pipe.nii.gz")


def test_a_relative_path_gives_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "st" / "IM1", DICOM[:132] + b"\x03")
    touch(tmp_path / "st" / "T1.nii.gz")
    for root in ("st", "."):
        monkeypatch.chdir(tmp_path)
        assert stems(Path(root)) == ["T1", "st_series003"]
    monkeypatch.chdir(tmp_path / "st")
    assert stems(Path()) == ["T1", "st_series003"]


def write_image(path: Path, description: str = "") -> Path:
    """A small NIfTI or PNG that says this of itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text("Description", description)
        Image.new("L", (9, 9)).save(path, pnginfo=chunks)
    else:
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
        image.header["descrip"] = description.encode()
        image.to_filename(path)
    return path


OURS = "medgan 1.0 synthetic T2w from T1w"


@pytest.mark.robustness("bad-22")
def test_results_of_medgan_in_a_folder_are_left_out_and_counted(tmp_path: Path) -> None:
    write_image(tmp_path / "T1.nii.gz", "an acquired one")
    write_image(tmp_path / "b" / "slice.png", "a picture")
    write_image(tmp_path / "by header.nii.gz", OURS)
    write_image(tmp_path / "by text.png", OURS)
    touch(tmp_path / "T1_desc-medganFromT1w_T2w.nii.gz")
    touch(tmp_path / "out" / "T1.nii.gz")
    touch(tmp_path / "out" / "T1.json", b'{"SyntheticData": true, "Medgan": {}}')
    write_image(tmp_path / "foreign.nii")
    touch(tmp_path / "foreign.json", b'{"SyntheticData": true}')
    held = search(tmp_path)
    assert [one.stem for one in held.scans] == ["foreign", "T1", "slice"]
    assert held.left_out == "4 results of medgan left out"
    assert {one.path.name for one in held.results} == {
        "by header.nii.gz", "by text.png", "T1_desc-medganFromT1w_T2w.nii.gz", "T1.nii.gz",
    }  # fmt: skip
    assert list(held.scans) == find_scans(tmp_path)


@pytest.mark.robustness("bad-22")
def test_a_derived_series_is_left_out_and_a_foreign_synthetic_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {
        3: {"synthetic": True, "manufacturer": "medgan"},
        7: {"synthetic": True, "manufacturer": "X"},
        9: {},
    }
    monkeypatch.setattr(
        finding,
        "list_series",
        lambda files: [replace(one, facts=facts[one.number or 0]) for one in stub_series(files)],
    )
    for number in facts:
        touch(tmp_path / str(number) / "IM1", DICOM[:132] + bytes([number]))
    held = search(tmp_path)
    assert [one.series.number for one in held.scans if one.series] == [7, 9]
    assert held.left_out == "1 result of medgan left out"


@pytest.mark.robustness("bad-22")
def test_results_that_are_all_there_is_or_are_named_are_meant(tmp_path: Path) -> None:
    made = write_image(tmp_path / "a" / "T2.nii.gz", OURS)
    write_image(tmp_path / "a" / "more.nii.gz", OURS)
    for path, count in ((made, 1), (tmp_path / "a", 2)):
        held = search(path)
        assert (len(held.scans), held.left_out) == (count, "")


def test_maps_and_previews_are_no_images_where_results_are_all_there_is(tmp_path: Path) -> None:
    write_image(tmp_path / "sub-1_desc-medganFromT1w_T2w.nii.gz", OURS)
    write_image(tmp_path / "sub-1_desc-medganFromT1wBound90_T2w.nii.gz", OURS)
    write_image(tmp_path / "sub-1_desc-medganFromT1w_T2w_preview.png", OURS)
    assert [one.path.name for one in search(tmp_path).scans] == ["sub-1_desc-medganFromT1w_T2w.nii.gz"]


def test_stems_hold_nothing_that_is_not_seen_and_still_differ(tmp_path: Path) -> None:
    for name in ("a\nb.nii", "a\x1bb.nii", "a-b.png", "\udcff.nii", "é x.nii"):
        touch(tmp_path / name)
    assert sorted(stems(tmp_path)) == ["-", "a-b", "a-b-2", "a-b-3", "é x"]
    assert find_scans(tmp_path / "a\nb.nii")[0].stem == "a-b"


def test_what_cannot_be_reached_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="cannot be reached"):
        find_scans(tmp_path / ("x" * 300))
    with pytest.raises(InputRefusedError, match="no such file"):
        find_scans(tmp_path / "a\0b")


def test_an_archive_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="is a zip archive") as caught:
        find_scans(touch(tmp_path / "scans.ZIP", b"PK"))
    assert caught.value.remedy == "Unpack it first, and give the folder."
