"""Bad names, links, archives and places to write, through the command line: rows 8, 19, 20 and 22."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STEM = "scan_desc-medganFromT1w_T2w"


def packed(kit: Any, entries: dict[str, bytes], name: str = "input.zip") -> Path:
    path = kit.path(name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return Path(path)


def archive(entry: str, **more: bytes) -> Callable[[Any], Path]:
    """An archive with the head under that name."""
    return lambda kit: packed(kit, {entry: kit.nifti("kept/scan.nii.gz").read_bytes(), **more})


def link_in_archive(kit: Any) -> Path:
    entry = zipfile.ZipInfo("scan.nii.gz")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(kit.path("input.zip"), "w") as opened:
        opened.writestr(entry, str(kit.nifti("secret.nii.gz")))
    return Path(kit.folder / "input.zip")


def bomb(kit: Any) -> Path:
    return packed(kit, {"scan.nii": bytes(100 << 20)})


def cut(percent: int) -> Callable[[Any], Path]:
    def make(kit: Any) -> Path:
        whole = archive("scan.nii.gz")(kit).read_bytes()
        return Path(kit.path("cut/input.zip", whole[: len(whole) * percent // 100]))

    return make


def bad_crc(kit: Any) -> Path:
    path = archive("scan.nii.gz")(kit)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return Path(kit.path("input.zip", bytes(data)))


def damaged_inside(kit: Any) -> Path:
    whole = kit.nifti("kept/scan.nii.gz").read_bytes()
    return packed(kit, {"sub/scan.nii.gz": whole[: len(whole) // 2]})


def dangling(kit: Any) -> Path:
    kit.path("scan.nii.gz").symlink_to(kit.folder / "gone.nii.gz")
    return Path(kit.folder / "scan.nii.gz")


def loop(kit: Any) -> Path:
    kit.path("a.nii.gz").symlink_to(kit.folder / "b.nii.gz")
    (kit.folder / "b.nii.gz").symlink_to(kit.folder / "a.nii.gz")
    return Path(kit.folder / "a.nii.gz")


def synthetic(kit: Any) -> Path:
    kit.path("scan.json", b'{"SyntheticData": true}')
    return Path(kit.nifti())


BAD = [
    ("bad-08", "zip", bomb, "more than 100 times its size"),
    ("bad-19", "no-such-file", lambda kit: kit.folder / "absent.nii.gz", "there is no such file"),
    ("bad-19", "no-such-folder", lambda kit: kit.folder / ".." / "absent", "there is no such file"),
    ("bad-19", "dangling-link", dangling, "there is no such file"),
    ("bad-19", "loop", loop, "there is no such file"),
    ("bad-19", "zip-dots", archive("../../scan.nii.gz"), "leads out of its folder"),
    ("bad-19", "zip-absolute", archive("/scan.nii.gz"), "leads out of its folder"),
    ("bad-19", "zip-drive", archive("C:\\scan.nii.gz"), "leads out of its folder"),
    ("bad-19", "zip-backslashes", archive("..\\..\\scan.nii.gz"), "leads out of its folder"),
    ("bad-19", "zip-link", link_in_archive, "a link or a device"),
    ("bad-19", "zip-case", archive("scan.nii.gz", **{"SCAN.nii.gz": b""}), "two files called"),
    ("bad-19", "zip-cut-10", cut(10), "cut short or no zip archive"),
    ("bad-19", "zip-cut-90", cut(90), "cut short or no zip archive"),
    ("bad-19", "zip-crc", bad_crc, "CRC|damaged"),
    ("bad-19", "zip-empty", lambda kit: packed(kit, {}), "holds no file"),
    ("bad-19", "zip-without-scans", lambda kit: packed(kit, {"notes.txt": b""}), "no scan was found"),
    ("bad-19", "zip-damaged-inside", damaged_inside, "damaged or cut short"),
    ("bad-20", "out-under-a-file", lambda kit: kit.nifti(), "could not be written",
     {"options": ("-o", "FILE/out"), "code": 5, "inspects": 0}),
    ("bad-20", "out-under-a-file-by-name", lambda kit: kit.nifti(), "could not be written",
     {"options": ("-o", "FILE/t2.nii.gz"), "code": 5, "inspects": 0}),
    ("bad-20", "out-read-only", lambda kit: kit.nifti(), "could not be written",
     {"options": ("-o", "READ-ONLY/out"), "code": 5, "inspects": 0}),
    ("bad-22", "synthetic", synthetic, "synthetic", {"inspects": 0}),
]  # fmt: skip


def test_it_is_refused(
    bad: Any, kit: Any, medgan: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = bad.make(kit)
    options = list(bad.options)
    if options and options[1].startswith("FILE"):
        options[1] = kit.path("FILE", b"") / options[1].partition("/")[2]
    elif options and options[1].startswith("READ-ONLY"):
        folder = tmp_path / "READ-ONLY"
        folder.mkdir(mode=0o555)
        if os.access(folder, os.W_OK):  # as root
            pytest.skip("this user may write into a read-only folder")
        options[1] = folder / "out"
    # What cannot be written is found out at the end, with the network loaded.
    request.getfixturevalue("fails_to_write" if bad.code == 5 else "refuses")(
        path, bad.cause, *options, code=bad.code
    )
    seen = medgan("inspect", path)
    assert seen.code == bad.inspects and "Traceback" not in seen.out + seen.err


@pytest.mark.robustness("bad-08")
def test_an_archive_is_refused_before_memory_is_taken(kit: Any, refuses: Any, little_memory: Any) -> None:
    refuses(cut(50)(kit), "cut short")  # what is loaded once is loaded
    path = bomb(kit)
    with little_memory(16):
        refuses(path, "100 times its size")


@pytest.mark.robustness("bad-19")
def test_a_refusal_names_the_place_in_the_archive_and_no_temporary_one(
    kit: Any, refuses: Any, tmp_path: Path
) -> None:
    said = refuses(damaged_inside(kit), "cut short").err
    assert str(kit.folder / "input.zip" / "sub" / "scan.nii.gz") in said
    assert str(tmp_path / "temporary") not in said


@pytest.mark.parametrize("name", ["scan.nii.gz", "sub 1/Schädel 頭/scan.nii.gz", "a\\b\\scan.nii.gz"])
@pytest.mark.robustness("bad-19")
def test_a_scan_in_an_archive_gives_what_it_gives_outside(name: str, kit: Any, makes: Any) -> None:
    litter = {
        "__MACOSX/._scan.nii.gz": b"Mac OS X",
        ".DS_Store": bytes(99),
        "notes.txt": b"",
        "in.zip": b"PK",
    }
    made = makes(archive(name, **litter)(kit))
    plain = makes(kit.folder / "kept/scan.nii.gz", name="plain")
    np.testing.assert_array_equal(made.voxels, plain.voxels)
    assert [file.name for file in sorted(made.folder.iterdir())] == [f"{STEM}.json", f"{STEM}.nii.gz"]


@pytest.mark.robustness("bad-19")
def test_a_series_in_an_archive_is_called_after_the_archive(kit: Any, makes: Any) -> None:
    folder = kit.series("series")
    path = packed(kit, {file.name: file.read_bytes() for file in folder.iterdir()}, "patient-7.zip")
    made = makes(path)
    np.testing.assert_array_equal(made.voxels, makes(folder, name="plain").voxels)
    assert sorted(file.name for file in made.folder.iterdir())[0].startswith(
        "patient-7_series001_desc-medgan"
    )


@pytest.mark.robustness("bad-19")
def test_of_several_series_in_an_archive_one_is_chosen(kit: Any, makes: Any, refuses: Any) -> None:
    entries: dict[str, bytes] = {}
    for number in (1, 2):
        folder = kit.series(f"s{number}", number=number, entropy=f"head {number}")
        entries |= {f"exam/{number}/{file.name}": file.read_bytes() for file in folder.iterdir()}
    path = packed(kit, entries)
    said = refuses(path, "holds 2 scans, and one is needed").err
    assert "--series" in said and "1: MR, T1w, 32 x 40 x 16, axial" in said
    made = makes(path, "--series", 2)
    np.testing.assert_array_equal(made.voxels, makes(kit.folder / "s2", name="plain").voxels)


@pytest.mark.robustness("bad-19")
def test_training_on_an_archive_says_to_unpack_it(
    kit: Any, head_folders: Any, medgan: Any, tmp_path: Path
) -> None:
    path = archive("scan.nii.gz")(kit)
    done = medgan("train", "--t1-dir", path, "--t2-dir", head_folders.t2, "--out", tmp_path / "run")
    assert done.code in (2, 3) and "Traceback" not in done.err
    assert "Unpack it first" in done.err
    assert {file.name for file in (tmp_path / "run").rglob("*")} <= {".lock"}


@pytest.mark.parametrize(
    "name",
    [
        "Schädel 頭 🧠.nii.gz",
        "a b  c.nii.gz",
        "x;rm -rf $HOME.nii.gz",
        "...nii.gz",
        "-o.nii.gz",
        "[red]x.nii.gz",
    ],
)
@pytest.mark.robustness("bad-19")
def test_any_name_is_only_a_name(name: str, kit: Any, makes: Any) -> None:
    path = kit.nifti("plain.nii.gz").rename(kit.folder / name)
    made = makes(path)
    assert (made.folder / name.replace(".nii.gz", "_desc-medganFromT1w_T2w.nii.gz")).is_file()


@pytest.mark.robustness("bad-19")
def test_a_name_that_is_no_utf_8_is_only_a_name(kit: Any, makes: Any) -> None:
    name = os.fsdecode(b"sch\xe4del.nii.gz")
    try:
        path = kit.nifti("plain.nii.gz").rename(kit.folder / name)
    except OSError:
        pytest.skip("this file system knows no such name")
    assert makes(path).image.shape == (32, 40, 16)


@pytest.mark.robustness("bad-19")
def test_links_are_followed_once_and_never_in_circles(
    kit: Any, medgan: Any, tiny_run: Path, tmp_path: Path
) -> None:
    kit.nifti("real/scan.nii.gz")
    (kit.folder / "in").mkdir()
    (kit.folder / "in/by-link").symlink_to(kit.folder / "real")
    (kit.folder / "in/again").symlink_to(kit.folder / "in")
    (kit.folder / "real/up").symlink_to(kit.folder)
    done = medgan(
        "synthesize",
        kit.folder / "in",
        "--target",
        "t2",
        "--model",
        tiny_run,
        "-o",
        tmp_path / "out",
        "--device",
        "cpu",
    )
    assert done.code == 0, done.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [f"{STEM}.json", f"{STEM}.nii.gz"]
    assert sorted(file.name for file in (kit.folder / "real").iterdir()) == ["scan.nii.gz", "up"]


@pytest.mark.parametrize("ours", [False, True], ids=["a-stranger-s", "as-if-medgan-s"])
@pytest.mark.parametrize("kind", ["file", "dangling"])
@pytest.mark.robustness("bad-19")
def test_a_link_in_the_place_of_a_result_leads_nowhere(
    kind: str, ours: bool, kit: Any, medgan: Any, tiny_run: Path, tmp_path: Path
) -> None:
    """What a link points to is never written, whoever laid it there; it is replaced itself, or refused."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    out.mkdir()
    if kind == "file":
        victim.write_bytes(b"precious")
    (out / f"{STEM}.nii.gz").symlink_to(victim)
    if ours:
        (out / f"{STEM}.json").write_text('{"SyntheticData": true}')
    done = medgan(
        "synthesize", kit.nifti(), "--target", "t2", "--model", tiny_run, "-o", out, "--device", "cpu"
    )
    assert done.code in (0, 2) and "Traceback" not in done.err
    assert victim.read_bytes() == b"precious" if kind == "file" else not victim.exists()
    if done.code == 0:
        assert not (out / f"{STEM}.nii.gz").is_symlink()


@pytest.mark.robustness("bad-19")
def test_texts_of_a_header_lead_no_path_out(kit: Any, makes: Any, tmp_path: Path) -> None:
    def evil(_: int, dataset: Any) -> None:
        for keyword in ("SeriesDescription", "ProtocolName", "StudyDescription", "PatientID", "SequenceName"):
            setattr(dataset, keyword, "../../evil")

    made = makes(kit.series(edit=evil))
    assert all(file.parent == made.folder for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.robustness("bad-22")
def test_a_synthetic_scan_is_taken_by_force_with_a_warning(kit: Any, makes: Any) -> None:
    assert "synthetic" in makes(synthetic(kit), "--force").err.lower()
