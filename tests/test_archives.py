"""A zip archive is unpacked within bounds, or refused; nothing of it ever lies outside its folder."""

from __future__ import annotations

import errno
import io
import os
import random
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from medgan import archives
from medgan.archives import unpacked
from medgan.errors import InputRefusedError, MedganError, OutputNotWrittenError

Entries = Mapping[str, bytes]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the archives are unpacked; must be empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def pack(path: Path, entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def held(archive: Path) -> dict[str, bytes]:
    with unpacked(archive) as folder:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }


def refused(archive: Path) -> str:
    """The cause; the refusal has its three parts, and neither it nor the folder around knows what was unpacked."""
    root = archive.parent
    before = sorted(root.rglob("*"))
    with pytest.raises(InputRefusedError) as caught:
        held(archive)
    assert caught.value.file == archive
    assert caught.value.remedy
    assert sorted(root.rglob("*")) == before
    assert caught.value.cause.isprintable()
    return caught.value.cause


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in_and_are_gone_afterwards(
    method: int, tmp_path: Path, temporary: Path
) -> None:
    files = {"a.nii": os.urandom(3 << 20), "deep/er/b.dcm": b"", "Schädel 頭 é.nii.gz": b"x", "in.zip": b"PK"}
    archive = pack(tmp_path / "patient one.zip", files, method)
    assert held(archive) == files
    assert list(temporary.iterdir()) == []
    with unpacked(archive) as folder:
        assert folder.name == "patient one"
        assert stat.S_IMODE(folder.parent.stat().st_mode) & 0o077 == 0 or os.name != "posix"


@pytest.mark.parametrize("name", ["..zip", "...zip", ".zip", " .zip"])
def test_a_name_of_dots_is_no_way_out(name: str, tmp_path: Path, temporary: Path) -> None:
    with unpacked(pack(tmp_path / name, {"a": b"a"})) as folder:
        assert temporary in folder.parents
        assert (folder / "a").read_bytes() == b"a"


def test_hidden_files_folders_and_litter_are_left_out(tmp_path: Path) -> None:
    litter = ["__MACOSX/._a.nii", ".DS_Store", "x/.hidden/a", "x/y/"]
    archive = pack(tmp_path / "a.zip", {"a.nii": b"a", **dict.fromkeys(litter, b"")})
    assert held(archive) == {"a.nii": b"a"}


def test_backslashes_part_folders_as_their_packers_mean_it(tmp_path: Path) -> None:
    assert held(pack(tmp_path / "a.zip", {"series\\": b"", "series\\1.dcm": b"a", "./b//c": b"b"})) == {
        "series/1.dcm": b"a",
        "b/c": b"b",
    }


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "x/../../a",
        "..",
        "/etc/a",
        "\\\\host\\a",
        "..\\a",
        "x\\..\\..\\a",
        "C:a",
        "c:\\a",
        "C:/a",
        "//a",
    ],
)
def test_a_path_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    assert "leads out of its folder" in refused(pack(tmp_path / "a.zip", {"good": b"", name: b"evil"}))


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "x" * 256, "é" * 200, "/".join(["d" * 200] * 30)])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    assert "holds a name that no file can have" in refused(pack(tmp_path / "a.zip", {name: b""}))


def test_a_name_cut_by_a_zero_byte_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"good.nii": b"", "aXevil": b"x"})
    path.write_bytes(path.read_bytes().replace(b"aXevil", b"a\0evil"))
    assert "no file can have" in refused(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link.nii")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert "a link or a device: link.nii" in refused(tmp_path / "a.zip")


def test_the_way_out_of_a_hostile_archive_is_not_to_unpack_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ARCHIVE_FREE_BYTES", 1000)
    hostile = [pack(tmp_path / "out.zip", {"../a": b""}), pack(tmp_path / "bomb.zip", {"a": bytes(1 << 20)})]
    for archive in hostile:
        with pytest.raises(InputRefusedError) as caught:
            held(archive)
        assert "do not unpack it" in caught.value.remedy
    with pytest.raises(InputRefusedError) as caught:
        held(pack(tmp_path / "odd.zip", {"a": b"a"}, zipfile.ZIP_BZIP2))
    assert caught.value.remedy.startswith("Pack the scans anew")


@pytest.mark.parametrize(
    "names", [["a.nii", "a.nii"], ["A.nii", "a.nii"], ["x/é", "x/e\u0301"], ["a", "a/b"], ["./a", "a"]]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_for_one_name_are_refused(names: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    assert "two files called" in (cause := refused(tmp_path / "a.zip")) or "one name" in cause


def patched(path: Path, offset: int, value: bytes, *, local: bool = False) -> Path:
    """Change the only entry's record in the central directory, and on request the local one as well."""
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + offset
    data[place : place + len(value)] = value
    if local:
        data[offset - 2 : offset - 2 + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("offset", "value", "cause"),
    [
        (8, b"\x01\x00", "encrypted"),
        (8, b"\x41\x00", "encrypted"),
        (10, b"\x09\x00", "unusual way"),
        (10, b"\x0e\x00", "unusual way"),
        (10, b"\x63\x00", "unusual way"),
        (6, b"\xff\x00", "damaged"),
    ],
    ids=["encrypted", "strongly-encrypted", "deflate64", "lzma", "aes", "version-25.5"],
)
def test_what_cannot_be_unpacked_is_refused(offset: int, value: bytes, cause: str, tmp_path: Path) -> None:
    assert cause in refused(patched(pack(tmp_path / "a.zip", {"a": bytes(99)}), offset, value, local=True))


@pytest.mark.parametrize("claim", [0, 1, 98, 100, 1 << 20, (1 << 32) - 2])
def test_a_size_that_is_not_the_real_one_is_refused(claim: int, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a": bytes(99)})
    refused(patched(path, 24, struct.pack("<I", claim), local=True))


def test_a_checksum_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a": os.urandom(5000)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    assert "CRC" in refused(path)


@pytest.mark.parametrize("percent", [0, 10, 50, 90, 99])
def test_an_archive_that_is_cut_short_is_refused(percent: int, tmp_path: Path) -> None:
    whole = pack(tmp_path / "a.zip", {f"{k}": os.urandom(300) for k in range(20)}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) * percent // 100])
    assert "cut short or no zip archive" in refused(tmp_path / "cut.zip")


def test_flipped_bytes_are_refused_or_change_nothing_that_counts(tmp_path: Path) -> None:
    files = {"x/a.nii": os.urandom(200), "b": bytes(500)}
    whole = pack(tmp_path / "a.zip", files).read_bytes()
    chance = random.Random(4)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        (tmp_path / "b.zip").write_bytes(flipped)
        try:
            found = held(tmp_path / "b.zip")
        except InputRefusedError:
            continue
        # A name in the directory, or a mark that hides a file, has no checksum; contents have.
        assert set(found.values()) <= set(files.values())


LIMITS: list[tuple[str, int, Entries, str]] = [
    ("ARCHIVE_FILES", 2, {"a": b"", "b": b"", "c": b""}, "holds 3 files; medgan's limit is 2"),
    ("ARCHIVE_BYTES", 999, {"a": bytes(500), "b": bytes(500)}, "holds 1000 bytes unpacked"),
    ("ARCHIVE_FILE_BYTES", 999, {"a": bytes(1000)}, "holds a file of 1000 bytes"),
    ("ARCHIVE_FREE_BYTES", 1000, {"a": bytes(100_000)}, "more than 100 times its size"),
]


@pytest.mark.parametrize(("limit", "value", "files", "cause"), LIMITS, ids=[limit[0] for limit in LIMITS])
@pytest.mark.robustness("bad-08")
def test_each_limit_is_kept_and_named(
    limit: str, value: int, files: Entries, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "a.zip", files)
    assert held(archive) == files
    monkeypatch.setattr(archives, limit, value)
    monkeypatch.setattr(
        archives, "_copy", lambda *_, **__: pytest.fail("unpacked before the claims were judged")
    )
    assert cause in refused(archive)


def test_an_archive_within_the_ratio_of_a_blank_scan_passes(tmp_path: Path) -> None:
    """A megabyte of zeros packs to a thousandth; only what is large in all counts as a bomb."""
    assert held(pack(tmp_path / "a.zip", {"blank.nii": bytes(1 << 20)})) == {"blank.nii": bytes(1 << 20)}


def bomb(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as stream:
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    return path


def overlapping(path: Path, copies: int, size: int) -> Path:
    """Many directory entries for one compressed kernel, as in D. Fifield's bomb of 2019."""
    whole = pack(path, {"0000": bytes(size)}).read_bytes()
    start = whole.rindex(b"PK\x01\x02")
    end = whole.rindex(b"PK\x05\x06")
    record = whole[start:end]
    records = b"".join(record[:46] + f"{k:04d}".encode() + record[50:] for k in range(copies))
    tail = bytearray(whole[end:])
    struct.pack_into("<HHI", tail, 8, copies, copies, len(records))
    path.write_bytes(whole[:start] + records + tail)
    return path


def crowded(path: Path, entries: int) -> Path:
    """A directory of many entries that have no name and no content."""
    record = b"PK\x01\x02" + bytes(42)
    tail = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, entries * 46, 0, 0)
    path.write_bytes(record * entries + tail)
    return path


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda path: bomb(path, 300 << 20), "more than 100 times its size"),
        (lambda path: overlapping(path, 9000, 1 << 20), "more than 100 times its size"),
        (lambda path: crowded(path, 1_000_000), "its directory has more than"),
    ],
    ids=["zeros", "overlapping", "crowded"],
)
@pytest.mark.robustness("bad-08")
def test_a_bomb_is_refused_before_it_takes_memory(
    make: Callable[[Path], Path], cause: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "bomb.zip")
    tracemalloc.start()
    try:
        assert cause in refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_unpacking_takes_little_memory_whatever_the_size(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.zip", 60 << 20)
    tracemalloc.start()
    try:
        with unpacked(path) as folder:
            assert (folder / "a").stat().st_size == 60 << 20
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"PK", os.urandom(3000)], ids=["empty", "PK", "noise"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert "no zip archive" in refused(tmp_path / "a.zip")


def test_an_archive_without_a_visible_file_is_refused(tmp_path: Path) -> None:
    assert refused(pack(tmp_path / "a.zip", {".DS_Store": b"", "folder/": b""})) == "holds no file"


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    for name in ("folder.zip", "absent.zip"):
        assert "cannot be read" in refused(tmp_path / name)


def test_an_archive_in_the_large_format_is_read_within_the_limits(tmp_path: Path) -> None:
    """Writers that stream do not know the size beforehand and write zip64."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(b"content")
    (tmp_path / "a.zip").write_bytes(stream.getvalue())
    assert held(tmp_path / "a.zip") == {"a": b"content"}


def test_whatever_ends_the_reading_the_folder_goes(tmp_path: Path, temporary: Path) -> None:
    archive = pack(tmp_path / "scans.zip", {"x/a.nii": b"a"})
    for ending in (InputRefusedError("damaged"), KeyboardInterrupt()):
        with pytest.raises(type(ending)), unpacked(archive):
            raise ending
        assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("place", ["write", "open"])
def test_a_full_disk_is_an_output_error_that_names_the_way_out(
    place: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "a.zip", {"a": b"a"})
    opened = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> Any:
        if "x" not in mode:
            return opened(self, mode, **options)
        if place == "open":
            raise OSError(errno.ENOSPC, "No space left on device")
        stream = opened(self, "wb")
        stream.close()
        return Refusing(self)

    class Refusing(io.FileIO):
        def write(self, _: Any, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputNotWrittenError, match="No space left") as caught:
        held(archive)
    assert isinstance(caught.value, MedganError) and "TMPDIR" in caught.value.remedy
    monkeypatch.undo()
    assert list(temporary.iterdir()) == []
