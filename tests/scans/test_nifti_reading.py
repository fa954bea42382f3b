"""Claims about reading NIfTI: the values and the affine that the file means; what is damaged is refused."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans import packing
from medgan.scans.nifti import read_nifti, scan_from_image

AFFINE = np.array([[-0.9, 0.1, 0, 90], [0.1, 0.9, 0, -120], [0, 0, 3.0, -60], [0, 0, 0, 1]], dtype=np.float64)


def head(shape: tuple[int, ...] = (16, 18, 10), dtype: Any = np.int16) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 200, shape).astype(dtype)


def save(
    path: Path, voxels: np.ndarray, *, affine: np.ndarray = AFFINE, kind: Any = nibabel.Nifti1Image
) -> Path:
    kind(voxels, affine, dtype=voxels.dtype).to_filename(path)
    return path


@pytest.mark.parametrize("name", ["a_T1w.nii", "a_T1w.nii.gz", "a T1w é.nii.gz", "A_T1W.NII.GZ"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_voxels_and_affine_are_those_of_nibabel(tmp_path: Path, name: str, kind: Any) -> None:
    path = save(tmp_path / name, head(), kind=kind)
    scan = read_nifti(path)
    loaded = nibabel.load(path)
    assert scan.voxels.dtype == np.float32
    assert scan.voxels.flags.c_contiguous
    np.testing.assert_array_equal(scan.voxels, np.asarray(loaded.dataobj))
    np.testing.assert_array_equal(scan.affine, loaded.affine)
    assert scan.contrast == "t1"
    assert scan.source.kind == "nifti"
    assert name.startswith(scan.source.stem)
    assert not scan.source.stem.lower().endswith((".nii", ".gz"))


@pytest.mark.parametrize("asked_for", ["pair.hdr", "pair.img"])
def test_a_pair_is_read_by_either_name(tmp_path: Path, asked_for: str) -> None:
    save(tmp_path / "pair.img", head(), kind=nibabel.Nifti1Pair)
    np.testing.assert_array_equal(read_nifti(tmp_path / asked_for).voxels, head())


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "pair.img", head(), kind=nibabel.Nifti1Pair)
    (tmp_path / "pair.img").unlink()
    with pytest.raises(InputRefusedError, match=r"pair\.img is missing"):
        read_nifti(tmp_path / "pair.hdr")


def test_the_content_tells_gzip_whatever_the_name(tmp_path: Path) -> None:
    packed = save(tmp_path / "a.nii.gz", head()).rename(tmp_path / "a.nii")
    np.testing.assert_array_equal(read_nifti(packed).voxels, head())


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_all_real_types_are_read(tmp_path: Path, dtype: Any, order: str) -> None:
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    voxels = head() % 100
    nibabel.Nifti1Image(voxels.astype(dtype), AFFINE, header).to_filename(tmp_path / "a.nii.gz")
    scan = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.voxels.dtype.isnative


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), AFFINE)
    image.header.set_slope_inter(2.36, -17.5)
    image.to_filename(tmp_path / "a.nii")
    expected = (head().astype(np.float64) * float(np.float32(2.36)) - 17.5).astype(np.float32)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").voxels, expected)


@pytest.mark.parametrize(("slope", "inter"), [(np.inf, 0), (-np.inf, 0), (2, np.nan), (2, np.inf)])
def test_a_scaling_that_is_no_number_is_refused(tmp_path: Path, slope: float, inter: float) -> None:
    path = save(tmp_path / "a.nii", head())
    header = nibabel.load(path).header
    header["scl_slope"], header["scl_inter"] = slope, inter
    path.write_bytes(header.binaryblock + path.read_bytes()[348:])
    with pytest.raises(InputRefusedError, match="scaling is damaged"):
        read_nifti(path)


@pytest.mark.parametrize("percent", [10, 50, 90, 99])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str, percent: int) -> None:
    whole = save(tmp_path / name, head((32, 32, 20))).read_bytes()
    cut = tmp_path / f"cut_{name}"
    cut.write_bytes(whole[: len(whole) * percent // 100])
    with pytest.raises(InputRefusedError):
        read_nifti(cut)


def test_a_gzip_file_without_its_last_byte_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", head())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputRefusedError, match="damaged or cut"):
        read_nifti(path)


def test_a_flipped_byte_anywhere_in_the_gzip_payload_is_refused(tmp_path: Path) -> None:
    whole = bytearray(save(tmp_path / "a.nii.gz", head()).read_bytes())
    damaged = tmp_path / "damaged.nii.gz"
    for place in range(12, len(whole), 97):
        whole[place] ^= 0x10
        damaged.write_bytes(whole)
        whole[place] ^= 0x10
        with pytest.raises(InputRefusedError):
            read_nifti(damaged)


def claiming(shape: tuple[int, int, int], *, body: int, packed: bool) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header["dim"][:4] = 3, *shape
    header["magic"] = b"n+1"
    header["sform_code"] = 1
    header.set_sform(np.eye(4), 1)
    content = header.binaryblock + bytes(4) + bytes(body)
    return gzip.compress(content) if packed else content


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(32767, 32767, 32767), (1000, 1000, 1000), (64, 64, 64)])
def test_a_header_that_claims_more_than_the_file_holds_is_refused_before_allocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, shape: tuple[int, int, int]
) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(claiming(shape, body=300, packed=packed))
    monkeypatch.setattr(packing.np, "empty", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(InputRefusedError, match="claims"):
        read_nifti(path)


def test_a_gzip_that_holds_less_than_claimed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(claiming((64, 64, 8), body=40_000, packed=True) + b"")
    with pytest.raises(InputRefusedError):
        read_nifti(path)


def test_a_gzip_that_unpacks_to_far_more_than_claimed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(claiming((16, 16, 16), body=64 * 2**20, packed=True))
    with pytest.raises(InputRefusedError, match="unpacks to more"):
        read_nifti(path)


def test_a_gzip_beyond_the_unpacking_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.nii.gz", head())
    monkeypatch.setattr(packing, "UNPACK_LIMIT", 1000)
    with pytest.raises(InputRefusedError, match="would unpack to"):
        read_nifti(path)


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_complex_and_colour_voxels_are_refused(tmp_path: Path, dtype: Any) -> None:
    nibabel.Nifti1Image(np.zeros((16, 16, 8), dtype), AFFINE).to_filename(tmp_path / "a.nii")
    with pytest.raises(InputRefusedError, match="not one real number each"):
        read_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize("shape", [(16, 18, 10, 3), (16, 18, 10, 1, 3), (16, 18, 10, 3, 2)])
def test_several_volumes_ask_for_a_choice_and_the_choice_counts_from_0(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    voxels = head(shape)
    path = save(tmp_path / "a.nii.gz", voxels)
    count = math.prod(shape[3:])
    with pytest.raises(SeriesChoiceError, match=rf"holds {count} volumes") as caught:
        read_nifti(path)
    assert "--volume N" in caught.value.remedy
    assert f"0 to {count - 1}" in caught.value.remedy
    for volume in range(count):
        expected = voxels.reshape((*shape[:3], count), order="F")[..., volume]
        np.testing.assert_array_equal(read_nifti(path, volume=volume).voxels, expected)
    with pytest.raises(SeriesChoiceError, match=f"no volume {count}"):
        read_nifti(path, volume=count)


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", head((16, 18, 10, 1)))).voxels.shape == (16, 18, 10)


def test_a_2d_image_gets_one_slice(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", head((16, 18)))).voxels.shape == (16, 18, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted_and_refused(tmp_path: Path, value: float) -> None:
    voxels = head(dtype=np.float32)
    voxels[3, 4, 5:8] = value
    path = save(tmp_path / "a.nii.gz", voxels)
    with pytest.raises(InputRefusedError, match=r"3 of 2880 voxels") as caught:
        read_nifti(path)
    assert "Repair" in caught.value.remedy
    scan = read_nifti(path, nan_to_zero=True)
    assert (scan.voxels[3, 4, 5:8] == 0).all()
    assert any("3 of 2880" in warning for warning in scan.warnings)


def test_a_float64_beyond_float32_counts_as_infinite(tmp_path: Path) -> None:
    voxels = head(dtype=np.float64)
    voxels[0, 0, 0] = 1e300
    with pytest.raises(InputRefusedError, match="1 of 2880"):
        read_nifti(save(tmp_path / "a.nii", voxels))


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_a_volume_with_nothing_to_see_is_refused(tmp_path: Path, value: float) -> None:
    path = save(tmp_path / "a.nii", np.full((16, 16, 8), value, np.float32))
    with pytest.raises(InputRefusedError):
        read_nifti(path)
    with pytest.raises(InputRefusedError, match="every voxel is"):
        read_nifti(path, nan_to_zero=True)


def test_a_blank_slice_passes(tmp_path: Path) -> None:
    voxels = head()
    voxels[..., 4] = 0
    assert (read_nifti(save(tmp_path / "a.nii", voxels)).voxels[..., 4] == 0).all()


@pytest.mark.parametrize(("shape", "fits"), [((7, 5, 3), False), ((20, 7, 7), False), ((8, 8, 1), True)])
def test_two_axes_need_eight_voxels(tmp_path: Path, shape: tuple[int, int, int], fits: bool) -> None:
    path = save(tmp_path / "a.nii", head(shape))
    if fits:
        assert read_nifti(path).voxels.shape == shape
    else:
        with pytest.raises(InputRefusedError, match="too small"):
            read_nifti(path)


@pytest.mark.parametrize("code", [0, 1])
def test_an_unset_geometry_is_told_and_nibabels_affine_taken(tmp_path: Path, code: int) -> None:
    image = nibabel.Nifti1Image(head(), None)
    image.header.set_zooms((2, 3, 4))
    image.header["qform_code"] = code
    image.to_filename(tmp_path / "a.nii")
    scan = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(scan.affine, nibabel.load(tmp_path / "a.nii").affine)
    assert any("Neither sform nor qform" in warning for warning in scan.warnings) == (code == 0)


def test_sform_and_qform_that_disagree_are_told_and_the_sform_taken(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), AFFINE)
    moved = AFFINE.copy()
    moved[0, 3] += 5
    image.set_qform(moved, 1)
    image.to_filename(tmp_path / "a.nii")
    scan = read_nifti(tmp_path / "a.nii")
    np.testing.assert_allclose(scan.affine, AFFINE, rtol=1e-6)
    assert any("disagree" in warning for warning in scan.warnings)


def test_an_orderly_header_gives_no_warning(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), np.diag([-1.0, 1, 2, 1]))
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 1)
    image.to_filename(tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").warnings == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_an_affine_without_meaning_is_refused(tmp_path: Path, value: float) -> None:
    image = nibabel.Nifti1Image(head(), AFFINE)
    image.header["srow_x"] = value
    buffer = io.BytesIO(image.to_bytes())
    content = bytearray(buffer.getvalue())
    content[280:296] = np.full(4, value, "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputRefusedError, match="affine"):
        read_nifti(tmp_path / "a.nii")


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    for index, content in enumerate([b"", b"\x1f\x8b", b"hello", bytes(400), gzip.compress(b"hello")]):
        path = tmp_path / f"{index}.nii.gz"
        path.write_bytes(content)
        with pytest.raises(InputRefusedError):
            read_nifti(path)
    with pytest.raises(InputRefusedError, match="no such file"):
        read_nifti(tmp_path / "missing.nii")
    with pytest.raises(InputRefusedError, match="no such file"):
        read_nifti(tmp_path)


def test_analyze_is_refused_since_it_knows_no_left(tmp_path: Path) -> None:
    nibabel.AnalyzeImage(head(), np.eye(4)).to_filename(tmp_path / "a.img")
    with pytest.raises(InputRefusedError, match=r"Analyze 7\.5"):
        read_nifti(tmp_path / "a.img")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_header_is_read_or_refused_and_nothing_else(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(nibabel.Nifti1Image(head(), AFFINE).to_bytes())
    for place, value in changes:
        content[place] = value
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    try:
        scan = read_nifti(path)
    except InputRefusedError as error:
        assert str(path) in str(error)
    else:
        assert np.isfinite(scan.voxels).all()
        assert np.isfinite(scan.affine).all()


def test_the_sidecar_tells_a_contrast_that_the_name_does_not(tmp_path: Path) -> None:
    path = save(tmp_path / "scan.nii.gz", head())
    (tmp_path / "scan.json").write_text(json.dumps({"EchoTime": 0.09, "RepetitionTime": 4.0}))
    scan = read_nifti(path)
    assert scan.contrast == "t2"
    assert scan.source.facts["echo_time"] == pytest.approx(90)
    assert scan.source.facts["repetition_time"] == pytest.approx(4000)


@pytest.mark.parametrize("entry", [{"SyntheticData": True}, {"Synthetic": True}])
def test_a_sidecar_that_says_synthetic_is_believed(tmp_path: Path, entry: dict[str, bool]) -> None:
    path = save(tmp_path / "scan.nii.gz", head())
    (tmp_path / "scan.json").write_text(json.dumps(entry))
    scan = read_nifti(path)
    assert scan.source.facts["synthetic"] is True
    assert any("synthetic" in warning for warning in scan.warnings)


def test_a_header_that_says_synthetic_is_believed(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), AFFINE)
    image.header["descrip"] = b"medgan 1.0 synthetic T2w from T1w"
    image.to_filename(tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").source.facts["synthetic"] is True


def test_an_image_in_memory_becomes_a_scan(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head(), AFFINE)
    scan = scan_from_image(image, stem="sub-01_T2w")
    np.testing.assert_array_equal(scan.voxels, head())
    np.testing.assert_array_equal(scan.affine, AFFINE)
    assert (scan.source.kind, scan.source.stem, scan.contrast) == ("array", "sub-01_T2w", "t2")
    scan.voxels[...] = 0
    assert np.asarray(image.dataobj).any()


def test_an_image_in_memory_is_checked_like_a_file() -> None:
    with pytest.raises(SeriesChoiceError, match="3 volumes"):
        scan_from_image(nibabel.Nifti1Image(head((16, 18, 10, 3)), AFFINE))
    with pytest.raises(InputRefusedError, match="complex64"):
        scan_from_image(nibabel.Nifti1Image(np.ones((16, 18, 10), np.complex64), AFFINE))
    with pytest.raises(InputRefusedError, match="every voxel"):
        scan_from_image(nibabel.Nifti1Image(np.ones((16, 18, 10), np.float32), AFFINE))


def test_real_scans_have_nibabels_voxels_and_affine(real_data: Path) -> None:
    for path in [
        *(real_data / "nifti" / "orientations").glob("*.nii.gz"),
        real_data / "nifti" / "odd" / "shear.nii.gz",
        real_data / "nifti" / "odd" / "minimal.nii.gz",
    ]:
        scan, loaded = read_nifti(path), nibabel.load(path)
        np.testing.assert_array_equal(scan.affine, loaded.affine)
        np.testing.assert_array_equal(scan.voxels, np.asarray(loaded.dataobj, dtype=np.float32))


@pytest.mark.parametrize("name", ["complex.nii.gz", "low_res.nii.gz"])
def test_real_odd_files_are_refused(real_data: Path, name: str) -> None:
    with pytest.raises(InputRefusedError):
        read_nifti(real_data / "nifti" / "odd" / name)
