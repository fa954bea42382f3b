"""Bad and odd pictures through the command line: rows 7 and 8 of the bad inputs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 0, rows: bytes = b"", before: bytes = b""
) -> bytes:
    """A PNG file by its specification, whatever it claims."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
            before,
            chunk(b"IDAT", zlib.compress(rows, 1)),
            chunk(b"IEND", b""),
        ]
    )


def file(name: str, make: Callable[[], bytes]) -> Callable[[Any], Path]:
    return lambda kit: Path(kit.path(name, make()))


def coloured(mode: str) -> Callable[[Any], Path]:
    """The slice with a red vessel in it."""

    def make(kit: Any) -> Path:
        pixels = np.stack([kit.slice()] * 3, axis=-1)
        pixels[20:22, 10:20] = (250, 20, 20)
        return Path(kit.picture("scan.png", pixels, mode))

    return make


def see_through(kit: Any) -> Path:
    alpha = np.full_like(kit.slice(), 255)
    alpha[:5] = 0
    return Path(kit.picture("scan.png", np.stack([*[kit.slice()] * 3, alpha], axis=-1)))


def cut(name: str, percent: int) -> Callable[[Any], Path]:
    def make(kit: Any) -> Path:
        whole = kit.picture(f"whole/{name}", kit.slice()).read_bytes()
        return Path(kit.path(name, whole[: len(whole) * percent // 100]))

    return make


def flipped(kit: Any) -> Path:
    whole = bytearray(kit.picture("whole.png", kit.slice()).read_bytes())
    whole[len(whole) // 2] ^= 0x10
    return Path(kit.path("flipped/scan.png", bytes(whole)))


def animated(kit: Any) -> Path:
    more = [Image.fromarray(kit.slice() // 2)]
    return Path(kit.picture("scan.png", kit.slice(), save_all=True, append_images=more))


def turned(kit: Any) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    return Path(kit.picture("scan.jpg", kit.slice(), exif=exif))


def text_bomb() -> bytes:
    """A compressed text chunk that unpacks to 200 MB."""
    content = b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    chunk = (
        struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    )
    return png(32, 32, rows=bytes(33 * 32), before=chunk)


BAD = [
    ("bad-06", "volume-of-a-picture", lambda kit: kit.picture("scan.png", kit.slice()), "--volume is for NIfTI",
     {"options": ("--volume", 0), "code": 2, "inspects": 0}),
    ("bad-07", "unequal-rgb", coloured("RGB"), "its channels differ"),
    ("bad-07", "unequal-rgba", coloured("RGBA"), "its channels differ"),
    ("bad-07", "unequal-palette", coloured("P"), "its channels differ"),
    ("bad-07", "unequal-cmyk", lambda kit: kit.picture("s.jpg", np.stack([kit.slice()] * 4, -1), "CMYK"), "colour"),
    ("bad-07", "see-through", see_through, "partly transparent"),
    ("bad-07", "16-bit-rgb", file("s.png", lambda: png(16, 16, depth=16, colour=2, rows=(b"\0" + bytes(96)) * 16)),
     "16 bits in several channels"),
    ("bad-07", "animated", animated, "animation"),
    ("bad-07", "turned", turned, "turned or mirrored"),
    ("bad-07", "constant", lambda kit: kit.picture("scan.png", np.full((32, 40), 9, np.uint8)), "every voxel is 9"),
    ("bad-07", "tiny", lambda kit: kit.picture("scan.png", kit.slice()[:5, :5]), "too small"),
    ("bad-07", "no-picture", file("scan.png", lambda: b"<html>not found</html>"), "is not a PNG or JPEG"),
    ("bad-07", "gif-by-another-name", lambda kit: kit.picture("s.png", kit.slice(), format="GIF"), "is not a PNG or"),
    *[
        ("bad-07", f"{name}-cut-at-{p}", cut(name, p), "cut|not a PNG")
        for name in ("a.png", "a.jpg")
        for p in (10, 50, 90)
    ],
    ("bad-07", "flipped", flipped, "damaged"),
    ("bad-08", "claims-60000", file("s.png", lambda: png(60_000, 60_000, rows=bytes(99))), "67108864 pixels"),
    ("bad-08", "claims-2-31", file("s.png", lambda: png(2**31 - 1, 2**31 - 1)), "67108864 pixels"),
    ("bad-08", "blank", file("s.png", lambda: png(20_000, 20_000, rows=bytes(20_000 * 20_001))), "67108864 pixels"),
    ("bad-08", "text", file("s.png", text_bomb), "damaged|too large|limit"),
]  # fmt: skip


def test_it_is_refused(bad: Any, kit: Any, refuses: Any, medgan: Any) -> None:
    path = bad.make(kit)
    refuses(path, bad.cause, *bad.options, code=bad.code)
    seen = medgan("inspect", path)
    assert seen.code == bad.inspects and "Traceback" not in seen.out + seen.err


def test_training_on_nothing_else_is_refused(
    sample: Any, kit: Any, head_folders: Any, medgan: Any, tmp_path: Path
) -> None:
    folder = sample.make(kit).parent
    done = medgan("train", "--t1-dir", folder, "--t2-dir", head_folders.t2, "--out", tmp_path / "run")
    assert done.code == 3 and "holds no scan to train on" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("make", [lambda: png(60_000, 60_000), lambda: png(20_000, 20_000), text_bomb])
@pytest.mark.robustness("bad-08")
def test_it_is_refused_before_memory_is_taken(
    make: Callable[[], bytes], kit: Any, refuses: Any, little_memory: Any
) -> None:
    refuses(coloured("RGB")(kit), "differ")  # what is loaded once is loaded
    path = kit.path("bomb.png", make())
    with little_memory(24):
        refuses(path, "")


@pytest.mark.robustness("bad-08")
def test_a_picture_at_the_limit_takes_what_its_pixels_take(kit: Any, little_memory: Any, medgan: Any) -> None:
    """A blank one of 8192 x 8192 packs to 65 KB, and is refused for being blank; nothing grows without bound."""
    path = kit.path("blank.png", png(8192, 8192, rows=bytes(8192 * 8193)))
    medgan("inspect", kit.picture("warm.png", kit.slice()))
    with little_memory(900):
        assert medgan("inspect", path).code == 3


def made_picture(made: Any) -> Image.Image:
    path: Path
    (path,) = made.folder.glob("*.png")
    with Image.open(path) as picture:
        copy: Image.Image = picture.copy()
        return copy


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
@pytest.mark.robustness("bad-07")
def test_equal_channels_are_the_grey_they_show(mode: str, kit: Any, makes: Any) -> None:
    made = makes(kit.picture("scan.png", kit.slice(), mode))
    plain = makes(kit.picture("plain.png", kit.slice()), name="plain")
    np.testing.assert_array_equal(made.voxels, plain.voxels)
    picture = made_picture(made)
    assert (picture.mode, picture.size) == ("L", (32, 40))
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(made_picture(plain)))


@pytest.mark.robustness("bad-07")
def test_a_jpeg_is_taken_with_a_warning(kit: Any, makes: Any) -> None:
    made = makes(kit.picture("scan.jpg", kit.slice(), quality=95))
    assert "JPEG has lost detail" in made.err
    assert made_picture(made).size == (32, 40)


@pytest.mark.robustness("bad-07")
def test_sixteen_bits_stay_sixteen_bits(kit: Any, makes: Any) -> None:
    """Values that differ in the low byte alone would be lost on the way through eight bits."""
    from medgan.scans import read_scan

    fine = kit.slice().astype(np.uint16) * 257
    fine[10:30, 8:24] += np.arange(16, dtype=np.uint16)
    path = kit.picture("scan.png", fine)
    np.testing.assert_array_equal(read_scan(path).voxels[..., 0].T, fine.astype(np.float32))
    picture = made_picture(makes(path))
    assert picture.mode.startswith("I") and len(np.unique(np.asarray(picture) % 256)) > 8
