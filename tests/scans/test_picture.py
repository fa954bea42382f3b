"""Claims about pictures: grey values exactly as stored, and refusal of what is no plain grey image."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.errors import InputRefusedError, OutputNotWrittenError, UsageError
from medgan.scans import picture
from medgan.scans.picture import read_picture, write_picture
from medgan.scans.scan import Scan, Source


def grey(dtype: Any = np.uint8, *, height: int = 24, width: int = 17) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(5).integers(0, top, (height, width), dtype=dtype, endpoint=True)


def save(path: Path, pixels: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_grey_values_are_exact_and_lie_with_the_width_first(tmp_path: Path, dtype: Any, bits: int) -> None:
    pixels = grey(dtype)
    scan = read_picture(save(tmp_path / "slice #2.png", pixels))
    assert scan.voxels.shape == (17, 24, 1)
    assert scan.voxels.dtype == np.float32
    np.testing.assert_array_equal(scan.voxels[..., 0].T, pixels)
    assert (scan.source.kind, scan.source.bits, scan.source.stem) == ("picture", bits, "slice #2")


def test_the_right_of_a_picture_is_the_left_of_the_patient(tmp_path: Path) -> None:
    scan = read_picture(save(tmp_path / "a.png", grey()))
    assert scan.orientation == "LPS"
    assert scan.spacing == (1, 1, 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_equal_channels_become_grey(tmp_path: Path, mode: str) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(grey()).convert(mode))
    np.testing.assert_array_equal(read_picture(path).voxels[..., 0].T, grey())


def test_a_grey_jpeg_is_read_and_its_loss_told(tmp_path: Path) -> None:
    for mode in ("L", "RGB"):
        path = save(tmp_path / f"{mode}.jpg", Image.fromarray(grey()).convert(mode), quality=95)
        scan = read_picture(path)
        np.testing.assert_array_equal(scan.voxels[..., 0].T, np.asarray(Image.open(path).convert("L")))
        assert any("JPEG" in warning for warning in scan.warnings)


def test_channels_that_differ_are_refused(tmp_path: Path) -> None:
    pixels = np.stack([grey()] * 3, axis=-1)
    pixels[3, 4, 1] ^= 1
    with pytest.raises(InputRefusedError, match="channels differ"):
        read_picture(save(tmp_path / "a.png", pixels))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_partly_transparent_picture_is_refused(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(grey()).convert(mode)
    image.putpixel((0, 0), (*image.getpixel((0, 0))[:-1], 0))
    with pytest.raises(InputRefusedError, match="transparent"):
        read_picture(save(tmp_path / "a.png", image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_grey_value_that_counts_as_transparent_is_refused(tmp_path: Path, dtype: Any) -> None:
    pixels = grey(dtype)
    path = save(tmp_path / "a.png", pixels, transparency=int(pixels[0, 0]))
    with pytest.raises(InputRefusedError, match="transparent"):
        read_picture(path)


def test_a_picture_stored_turned_is_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png"):
        with pytest.raises(InputRefusedError, match="turned"):
            read_picture(save(tmp_path / name, grey(), exif=exif))


def png(width: int, height: int, *, depth: int, colour: int, data: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_in_several_channels_are_refused_rather_than_cut(
    tmp_path: Path, colour: int, channels: int
) -> None:
    row = b"\0" + bytes(range(16 * channels)) * 2
    (tmp_path / "a.png").write_bytes(png(16, 16, depth=16, colour=colour, data=row * 16))
    with pytest.raises(InputRefusedError, match="16 bits in several channels"):
        read_picture(tmp_path / "a.png")


def test_a_picture_of_absurd_size_is_refused_before_decoding(tmp_path: Path) -> None:
    for width, height in [(8193, 8192), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]:
        (tmp_path / "a.png").write_bytes(png(width, height, depth=8, colour=0, data=bytes(100)))
        with pytest.raises(InputRefusedError, match="67108864 pixels"):
            read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("percent", [0, 10, 50, 90])
def test_a_picture_that_is_cut_short_is_refused(tmp_path: Path, suffix: str, percent: int) -> None:
    whole = save(tmp_path / f"a{suffix}", grey(height=64, width=64)).read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) * percent // 100])
    with pytest.raises(InputRefusedError):
        read_picture(tmp_path / f"cut{suffix}")


def test_a_flipped_byte_in_a_png_is_refused(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "a.png", grey()).read_bytes())
    for place in range(len(whole) - 12):  # the last chunk, IEND, holds nothing
        whole[place] ^= 0x08
        (tmp_path / "b.png").write_bytes(whole)
        whole[place] ^= 0x08
        with pytest.raises(InputRefusedError):
            read_picture(tmp_path / "b.png")


def test_a_damaged_jpeg_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "a.jpg", grey()).read_bytes())
    for place in range(0, len(whole), 5):
        for flip in (0x01, 0xFF):
            whole[place] ^= flip
            (tmp_path / "b.jpg").write_bytes(whole)
            whole[place] ^= flip
            try:
                assert read_picture(tmp_path / "b.jpg").voxels.ndim == 3
            except InputRefusedError as error:
                assert "b.jpg" in str(error)


def test_what_is_no_single_useful_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello")
    save(tmp_path / "gif.png", grey(), format="GIF")
    save(
        tmp_path / "film.png",
        Image.fromarray(grey()),
        save_all=True,
        append_images=[Image.fromarray(grey()[::-1])],
    )
    save(tmp_path / "flat.png", np.full((20, 20), 9, np.uint8))
    save(tmp_path / "tiny.png", grey(height=7))
    save(tmp_path / "cmyk.jpg", Image.fromarray(grey()).convert("CMYK"))
    for name in ("a.png", "gif.png", "film.png", "flat.png", "tiny.png", "cmyk.jpg", "missing.png"):
        with pytest.raises(InputRefusedError):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("TrainT1/Image #2.png", "t1"),
        ("T2w/1.png", "t2"),
        ("TrainT1/sub-01_T2w.png", "t2"),
        ("pictures/1.png", None),
    ],
)
def test_the_contrast_is_what_the_file_spells_else_what_the_folder_does(
    tmp_path: Path, name: str, contrast: str | None
) -> None:
    assert read_picture(save(tmp_path / name, grey())).contrast == contrast


def scan_of(pixels: np.ndarray) -> Scan:
    source = Source(path=Path("a.png"), kind="picture", stem="a")
    voxels = np.ascontiguousarray(pixels.T[..., np.newaxis], dtype=np.float32)
    return Scan(voxels=voxels, affine=np.diag([-1.0, -1, 1, 1]), source=source)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_a_written_picture_is_read_back_exactly(tmp_path: Path, dtype: Any, bits: int) -> None:
    pixels = grey(dtype)
    write_picture(scan_of(pixels), tmp_path / "o.png", low=0, high=2**bits - 1, bits=bits, text={})
    image = Image.open(tmp_path / "o.png")
    assert image.size == (17, 24)
    np.testing.assert_array_equal(np.asarray(image), pixels)
    np.testing.assert_array_equal(read_picture(tmp_path / "o.png").voxels[..., 0].T, pixels)


def test_values_are_mapped_linearly_and_clipped(tmp_path: Path) -> None:
    pixels = np.tile(np.array([-5.0, 0, 1, 2, 3, 4, 9, 4]), (8, 1))
    write_picture(scan_of(pixels), tmp_path / "o.png", low=0, high=4, bits=16, text={})
    expected = [0, 0, 16384, 32768, 49151, 65535, 65535, 65535]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png"))[0], expected)


def test_a_written_picture_says_in_itself_that_it_is_synthetic(tmp_path: Path) -> None:
    text = {"Description": "medgan 1.0 synthetic T2w from T1w", "Comment": "→ research only"}
    write_picture(scan_of(grey()), tmp_path / "o.png", low=0, high=255, bits=8, text=text)
    assert Image.open(tmp_path / "o.png").text == text
    assert b"tEXtDescription\0medgan 1.0 synthetic" in (tmp_path / "o.png").read_bytes()
    assert read_picture(tmp_path / "o.png").source.facts["synthetic"] is True


def test_settings_without_sense_are_refused(tmp_path: Path) -> None:
    good: dict[str, Any] = {"low": 0, "high": 1, "bits": 8, "text": {}}
    for wrong in ({"bits": 12}, {"low": 1}, {"high": float("nan")}):
        with pytest.raises(UsageError):
            write_picture(scan_of(grey()), tmp_path / "o.png", **(good | wrong))
    with pytest.raises(OutputNotWrittenError):
        write_picture(scan_of(grey()), tmp_path / "o.jpg", **good)
    scan = scan_of(grey())
    scan.voxels[0, 0, 0] = np.nan
    with pytest.raises(OutputNotWrittenError, match="NaN"):
        write_picture(scan, tmp_path / "o.png", **good)
    assert list(tmp_path.iterdir()) == []


def test_the_limit_is_what_the_message_says() -> None:
    assert picture.PIXEL_LIMIT == 8192 * 8192


def test_the_pictures_of_the_seeds_are_read_as_they_are(real_data: Path) -> None:
    files = sorted((real_data / "seeds_png").rglob("*.png"))
    assert files
    for path in files[::10]:
        scan = read_picture(path)
        assert scan.voxels.shape == (181, 217, 1)
        assert scan.contrast == path.parent.name[-2:].lower()
        buffer = io.BytesIO(path.read_bytes())
        np.testing.assert_array_equal(scan.voxels[..., 0].T, np.asarray(Image.open(buffer)))
