"""Bad and odd NIfTI files through the command line: rows 1 to 6, 8, 14, 15 and 17 of the bad inputs."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

NAN, INFINITE = float("nan"), float("inf")


def cut(percent: float, name: str = "scan.nii.gz") -> Callable[[Any], Path]:
    def make(kit: Any) -> Path:
        whole = kit.nifti().read_bytes() if name.endswith(".gz") else kit.nifti("whole.nii").read_bytes()
        return Path(kit.path(name, whole[: int(len(whole) * percent / 100)]))

    return make


def flipped(place: float) -> Callable[[Any], Path]:
    """A bit of the byte at that fraction of the deflated data; of 1 and more, in the trailer behind them."""

    def make(kit: Any) -> Path:
        whole = bytearray(kit.nifti().read_bytes())
        header = 10 + len(b"scan.nii\0") if whole[3] & 8 else 10
        at = header + int((len(whole) - header - 8) * place) if place < 1 else len(whole) - 9 + int(place)
        whole[at] ^= 0x10
        return Path(kit.path("scan.nii.gz", bytes(whole)))

    return make


def claiming(
    *shape: int,
    packed: bool = False,
    body: int = 252,
    kind: Any = nibabel.Nifti1Header,
    dtype: Any = np.int16,
) -> Callable[[Any], Path]:
    """A header that claims a shape, and a few bytes behind it."""

    def make(kit: Any) -> Path:
        header = kind()
        header.set_data_dtype(dtype)
        header["magic"] = b"n+1" if kind is nibabel.Nifti1Header else header["magic"]
        header["dim"][: len(shape) + 1] = [len(shape), *shape]
        header["vox_offset"] = 352 if kind is nibabel.Nifti1Header else 544
        header["sform_code"] = 1
        header["srow_x"], header["srow_y"], header["srow_z"] = np.eye(4)[:3]
        content = header.binaryblock + bytes(4) + bytes(body)
        return Path(
            kit.path("scan.nii.gz", gzip.compress(content, mtime=0))
            if packed
            else kit.path("scan.nii", content)
        )

    return make


def with_values(value: float, count: int | None = None) -> Callable[[Any], Path]:
    """The head with some voxels, or all, of one value."""

    def make(kit: Any) -> Path:
        voxels = kit.voxels.copy()
        voxels.reshape(-1)[:count] = value
        return Path(kit.nifti(voxels=voxels))

    return make


def volumes(*more: int) -> Callable[[Any], Path]:
    """The head, twice the head and so on along further axes."""

    def make(kit: Any) -> Path:
        scale = 1 + np.arange(np.prod(more)).reshape(more)
        return Path(kit.nifti(voxels=np.multiply.outer(kit.voxels, scale).astype(np.float32)))

    return make


def bomb(kit: Any) -> Path:
    """The head, and 300 MB of zeros behind it in the same gzip file."""
    whole = gzip.decompress(kit.nifti().read_bytes())
    with gzip.open(kit.path("scan.nii.gz"), "wb", compresslevel=1) as stream:
        stream.write(whole)
        for _ in range(300):
            stream.write(bytes(1 << 20))
    return Path(kit.folder / "scan.nii.gz")


def blank_bomb(kit: Any) -> Path:
    """A blank volume of 400 MB that says so, in 2 MB."""
    start = claiming(1000, 1000, 400, dtype=np.uint8, body=0)(kit).read_bytes()
    with gzip.open(kit.path("blank.nii.gz"), "wb", compresslevel=1) as stream:
        stream.write(start)
        for _ in range(400):
            stream.write(bytes(1_000_000))
    return Path(kit.folder / "blank.nii.gz")


def singular(kit: Any) -> Path:
    path = kit.nifti("scan.nii")
    data = bytearray(path.read_bytes())
    data[280:296] = struct.pack("<4f", NAN, 0, 0, 0)  # srow_x
    return Path(kit.path("scan.nii", bytes(data)))


BAD = [
    *[("bad-01", f"gz-cut-at-{p}", cut(p), "cut short|not a NIfTI") for p in (0, 1, 10, 50, 90, 99.9)],
    *[("bad-01", f"cut-at-{p}", cut(p, "cut.nii"), "cut|not a NIfTI") for p in (0, 0.1, 10, 50, 90, 99.9)],
    *[
        ("bad-02", f"flipped-at-{place}", flipped(place), "damaged|header|unpacks to|claims")
        for place in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1, 4, 5, 8)
    ],
    ("bad-03", "huge", claiming(32767, 32767, 32767), "claims 32767 x 32767 x 32767 voxels"),
    ("bad-03", "huge-gz", claiming(32767, 32767, 32767, packed=True), "claims 32767 x 32767 x 32767 voxels"),
    ("bad-03", "nifti-2", claiming(1 << 40, 1 << 40, 9, kind=nibabel.Nifti2Header), "voxels; medgan's limit"),
    ("bad-03", "within-limits", claiming(1000, 1000, 1000), "claims 2000000352 bytes and the file has 604"),
    ("bad-03", "within-limits-gz", claiming(1000, 1000, 1000, packed=True), "claims 2000000352 bytes"),
    ("bad-03", "many-volumes", claiming(64, 64, 64, 32767, 32767), "volumes|bytes"),
    ("bad-03", "negative", claiming(-5, 64, 64), "impossible dimensions|damaged"),
    ("bad-03", "seven-axes", claiming(64, 64, 64, 9, 9, 9, 9), "volumes|bytes"),
    ("bad-04", "all-nan", with_values(NAN), "20480 of 20480 voxels are NaN or infinite"),
    ("bad-04", "some-nan", with_values(NAN, 100), "100 of 20480 voxels are NaN or infinite"),
    ("bad-04", "infinite", with_values(INFINITE, 1), "1 of 20480 voxels are NaN or infinite"),
    ("bad-04", "minus-infinite", with_values(-INFINITE, 7), "7 of 20480 voxels"),
    ("bad-04", "all-nan-to-zero", with_values(NAN), "every voxel is 0", {"options": ("--nan-to-zero",)}),
    ("bad-05", "all-zero", with_values(0), "every voxel is 0"),
    ("bad-05", "all-five", with_values(5), "every voxel is 5"),
    ("bad-06", "4d", volumes(3), "holds 3 volumes"),
    ("bad-06", "5d", volumes(1, 2), "holds 2 volumes"),
    ("bad-06", "5d-6", volumes(3, 2), "holds 6 volumes"),
    ("bad-06", "no-such", volumes(3), "there is no volume 3", {"options": ("--volume", 3)}),
    ("bad-08", "behind-its-end", bomb, "unpacks to more than the 82272 bytes that its header claims"),
    ("bad-08", "blank", blank_bomb, "times its size"),
    ("bad-12", "nan-in-sform", singular, "NaN or infinity"),
]


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
    assert not list((tmp_path / "run").rglob("*.safetensors"))


@pytest.mark.parametrize(
    "make", [claiming(32767, 32767, 32767), claiming(1000, 1000, 1000, packed=True), bomb]
)
@pytest.mark.robustness("bad-03")
def test_it_is_refused_before_memory_is_taken(make: Any, kit: Any, refuses: Any, little_memory: Any) -> None:
    refuses(cut(50)(kit), "cut short")  # what is loaded once is loaded
    path = make(kit)
    with little_memory(24):
        refuses(path, "claims")


@pytest.mark.robustness("bad-04")
def test_nan_is_taken_as_zero_on_request_and_never_written(kit: Any, makes: Any) -> None:
    voxels = kit.voxels.copy()
    voxels[:4, :4, 3:9], voxels[10, 10, 5] = NAN, INFINITE
    made = makes(kit.nifti(voxels=voxels), "--nan-to-zero")
    assert "97 of 20480 voxels were NaN or infinite" in made.err
    assert made.image.shape == voxels.shape
    as_zero = makes(kit.nifti("zero.nii.gz", np.nan_to_num(voxels, posinf=0)), name="zero")
    np.testing.assert_array_equal(made.voxels, as_zero.voxels)


@pytest.mark.robustness("bad-05")
def test_a_blank_slice_in_a_good_volume_passes(kit: Any, makes: Any) -> None:
    voxels = kit.voxels.copy()
    voxels[..., 6] = 0
    assert makes(kit.nifti(voxels=voxels)).image.shape == voxels.shape


@pytest.mark.parametrize(("more", "chosen"), [((3,), 1), ((3,), 2), ((1, 2), 1), ((3, 2), 4)])
@pytest.mark.robustness("bad-06")
def test_the_chosen_volume_is_the_one_that_is_taken(
    more: tuple[int, ...], chosen: int, kit: Any, makes: Any
) -> None:
    """Volumes are counted over all further axes, the first of them fastest, as NIfTI stores them."""
    path = volumes(*more)(kit)
    whole = nibabel.load(path)
    alone = whole.get_fdata(dtype=np.float32).reshape(*whole.shape[:3], -1, order="F")[..., chosen]
    made = makes(path, "--volume", chosen)
    assert made.image.shape == alone.shape
    np.testing.assert_array_equal(made.voxels, makes(kit.nifti("alone.nii.gz", alone), name="alone").voxels)


@pytest.mark.parametrize("more", [(1,), (1, 1)])
@pytest.mark.robustness("bad-06")
def test_further_axes_of_one_are_dropped(more: tuple[int, ...], kit: Any, makes: Any) -> None:
    made, plain = makes(volumes(*more)(kit)), makes(kit.nifti("plain.nii.gz"), name="plain")
    assert made.image.shape == (32, 40, 16)
    np.testing.assert_array_equal(made.voxels, plain.voxels)


@pytest.mark.robustness("bad-14")
def test_a_sheared_sform_is_kept_as_it_is(kit: Any, makes: Any) -> None:
    sheared = np.array([[5, 0.9, 0, -80], [0, 5, 0.4, -90], [0, 0, 5, -40], [0, 0, 0, 1.0]])
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_sform(sheared, code=2)
    made = makes(kit.nifti(affine=sheared, header=header))
    np.testing.assert_array_equal(made.image.affine, sheared.astype(np.float32))
    assert (int(made.image.header["sform_code"]), int(made.image.header["qform_code"])) == (2, 0)
    assert "sheared" in made.err


@pytest.mark.robustness("bad-15")
def test_codes_that_are_both_unset_come_out_unset_with_a_warning(kit: Any, makes: Any) -> None:
    image = nibabel.Nifti1Image(kit.voxels, None)
    image.header.set_zooms((5, 5, 5))
    image.to_filename(kit.path("scan.nii.gz"))
    made = makes(kit.folder / "scan.nii.gz")
    assert (int(made.image.header["sform_code"]), int(made.image.header["qform_code"])) == (0, 0)
    np.testing.assert_array_equal(made.image.affine, nibabel.load(kit.folder / "scan.nii.gz").affine)
    assert "left and right are a guess" in made.err


@pytest.mark.robustness("bad-15")
def test_forms_that_disagree_both_come_out_with_a_warning(kit: Any, makes: Any) -> None:
    image = nibabel.Nifti1Image(kit.voxels, kit.affine)
    other = np.diag([-5.0, -5.0, 5.0, 1.0])
    image.set_sform(kit.affine, code=1)
    image.set_qform(other, code=3)
    image.to_filename(kit.path("scan.nii.gz"))
    made = makes(kit.folder / "scan.nii.gz")
    assert (int(made.image.header["sform_code"]), int(made.image.header["qform_code"])) == (1, 3)
    np.testing.assert_allclose(made.image.get_sform(), kit.affine)
    np.testing.assert_allclose(made.image.get_qform(), other, atol=1e-5)
    assert "disagree" in made.err


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.robustness("bad-16")
def test_a_big_endian_file_gives_what_its_twin_gives(dtype: Any, kit: Any, makes: Any) -> None:
    voxels = np.rint(kit.voxels / kit.voxels.max() * 4000).astype(dtype)
    made = []
    for order in "<>":
        header = nibabel.Nifti1Header(endianness=order)
        header.set_data_dtype(dtype)
        path = kit.nifti(f"scan{'<>'.index(order)}.nii.gz", voxels, header=header)
        assert nibabel.load(path).header.endianness == order
        made.append(makes(path, name=str("<>".index(order))))
    np.testing.assert_array_equal(made[0].voxels, made[1].voxels)
    np.testing.assert_array_equal(made[0].image.affine, made[1].image.affine)


@pytest.mark.robustness("bad-17")
def test_scaled_integers_come_in_scaled_and_go_out_unscaled(kit: Any, makes: Any) -> None:
    image = nibabel.Nifti1Image(np.rint(kit.voxels / kit.voxels.max() * 4000).astype(np.int16), kit.affine)
    image.header.set_slope_inter(0.25, -100)
    image.to_filename(kit.path("scaled.nii.gz"))
    plain = np.asarray(image.dataobj).astype(np.float32) * 0.25 - 100
    made = makes(kit.folder / "scaled.nii.gz")
    assert made.image.header.get_slope_inter() in ((None, None), (1.0, 0.0))
    with gzip.open(made.image.get_filename()) as stream:
        raw = nibabel.Nifti1Header.from_fileobj(stream)
    assert (float(raw["scl_slope"]), float(raw["scl_inter"])) == (1.0, 0.0)
    np.testing.assert_array_equal(made.voxels, makes(kit.nifti("plain.nii.gz", plain), name="plain").voxels)


REAL = {"complex.nii.gz": "complex", "low_res.nii.gz": "too small", "minimal.nii.gz": None}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.robustness("real-nifti")
def test_a_real_odd_file_is_refused_or_keeps_its_grid(
    name: str, real_data: Path, kit: Any, refuses: Any, makes: Any
) -> None:
    path = kit.path(name, (real_data / "nifti" / "odd" / name).read_bytes())
    if (cause := REAL[name]) is not None:
        refuses(path, cause)
        return
    source, made = nibabel.load(path), makes(path)
    assert made.image.shape == source.shape[:3]
    np.testing.assert_array_equal(made.image.affine, source.affine)
    for code in ("sform_code", "qform_code"):
        assert int(made.image.header[code]) in (int(source.header[code]), 0)


@pytest.mark.robustness("real-nifti")
def test_a_real_sheared_scan_is_read_with_a_warning(real_data: Path, medgan: Any) -> None:
    seen = medgan("inspect", real_data / "nifti" / "odd" / "shear.nii.gz")
    assert seen.code == 0 and "The sform is sheared" in seen.out
