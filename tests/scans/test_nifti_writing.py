"""Claims about writing NIfTI: the source's grid and codes stay, its voxel type and its texts do not."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.errors import OutputNotWrittenError
from medgan.scans.nifti import read_nifti, scan_from_image, to_image, write_nifti
from medgan.scans.scan import Kind, Scan, Source

SAYS = "medgan 1.0 synthetic T2w from T1w"
OBLIQUE = np.array(
    [[-0.9, 0.1, 0, 90], [0.1, 0.9, 0, -120], [0, 0, 3.0, -60], [0, 0, 0, 1]], dtype=np.float64
)


def source_image(
    *, sform: int, qform: int, kind: Any = nibabel.Nifti1Image, shape: Any = (16, 18, 10)
) -> Any:
    voxels = np.random.default_rng(3).integers(0, 3000, shape).astype(np.int16)
    image = kind(voxels, OBLIQUE)
    image.set_sform(OBLIQUE, sform)
    image.set_qform(OBLIQUE, qform)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Jane Doe 1970"
    image.header["aux_file"] = b"doe.txt"
    image.header["intent_name"] = b"Doe"
    image.header["cal_max"] = 7
    if "db_name" in image.header.keys():  # noqa: SIM118
        image.header["db_name"] = b"Doe"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    return image


def round_trip(
    image: Any, folder: Path, *, name: str = "out.nii.gz", volume: int | None = None
) -> tuple[Scan, Any]:
    image.to_filename(folder / "in_T1w.nii.gz")
    scan = read_nifti(folder / "in_T1w.nii.gz", volume=volume)
    result = replace(scan, voxels=scan.voxels * np.float32(0.37) - np.float32(5.5))
    write_nifti(result, folder / name, description=SAYS)
    return result, nibabel.load(folder / name)


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (2, 1), (1, 2), (4, 0), (0, 1), (0, 3)])
def test_codes_transforms_units_and_spacing_stay(
    tmp_path: Path, name: str, kind: Any, sform: int, qform: int
) -> None:
    image = source_image(sform=sform, qform=qform, kind=kind)
    before = read_header(image, tmp_path)
    result, after = round_trip(image, tmp_path, name=name)
    for field in ("sform_code", "qform_code", "xyzt_units", "pixdim", "srow_x", "srow_y", "srow_z", "dim"):
        np.testing.assert_array_equal(after.header[field], before[field], err_msg=field)
    for field in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "dim_info"):
        assert after.header[field] == before[field], field
    assert type(after) is kind
    np.testing.assert_array_equal(after.affine, result.affine)
    np.testing.assert_array_equal(np.asarray(after.dataobj), result.voxels)


def read_header(image: Any, folder: Path) -> Any:
    image.to_filename(folder / "before.nii")
    return nibabel.load(folder / "before.nii").header


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    result, _ = round_trip(source_image(sform=1, qform=1), tmp_path)
    again = read_nifti(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(again.voxels, result.voxels)
    np.testing.assert_array_equal(again.affine, result.affine)
    assert again.source.facts["synthetic"] is True


def test_voxels_are_float32_unscaled_with_a_fresh_window(tmp_path: Path) -> None:
    result, _ = round_trip(source_image(sform=1, qform=1), tmp_path, name="out.nii")
    header = nibabel.Nifti1Header((tmp_path / "out.nii").read_bytes()[:348], check=False)
    assert header.get_data_dtype() == np.float32
    assert (header["bitpix"], header["scl_slope"], header["scl_inter"]) == (32, 1, 0)
    assert result.voxels.min() <= header["cal_min"] < header["cal_max"] <= result.voxels.max()
    assert header["cal_max"] != 7


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_no_text_of_the_source_survives(tmp_path: Path, kind: Any) -> None:
    _, after = round_trip(source_image(sform=1, qform=1, kind=kind), tmp_path, name="out.nii")
    assert b"Doe" not in (tmp_path / "out.nii").read_bytes()
    assert after.header["descrip"].item() == SAYS.encode()
    assert len(after.header.extensions) == 0


def test_an_offset_left_by_extensions_is_not_kept(tmp_path: Path) -> None:
    round_trip(source_image(sform=1, qform=1), tmp_path, name="out.nii")
    assert (tmp_path / "out.nii").stat().st_size == 352 + 4 * 16 * 18 * 10


def test_a_long_description_is_cut_to_its_field(tmp_path: Path) -> None:
    scan = scan_from_image(source_image(sform=1, qform=1))
    descrip = to_image(scan, description="é" * 100).header["descrip"].item()
    assert len(descrip) <= 80
    assert descrip.decode() == "é" * 39


def test_unset_codes_stay_unset_and_the_affine_the_same(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(2880, dtype=np.int16).reshape(16, 18, 10), None)
    image.header.set_zooms((2, 3, 4))
    result, after = round_trip(image, tmp_path)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (0, 0)
    np.testing.assert_array_equal(after.affine, result.affine)


def test_a_sheared_sform_is_exact_and_its_qform_code_0(tmp_path: Path) -> None:
    sheared = OBLIQUE.copy()
    sheared[0, 2] = 0.7
    image = source_image(sform=2, qform=2)
    image.set_sform(sheared, 2)
    result, after = round_trip(image, tmp_path)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (2, 0)
    np.testing.assert_array_equal(after.affine, sheared.astype(np.float32))
    assert any("sheared" in warning for warning in result.warnings)


def test_transforms_that_disagree_both_stay(tmp_path: Path) -> None:
    moved = OBLIQUE.copy()
    moved[:3, 3] += 10
    image = source_image(sform=1, qform=1)
    image.set_qform(moved, 2)
    _, after = round_trip(image, tmp_path)
    np.testing.assert_allclose(after.get_sform(), OBLIQUE, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after.get_qform(), moved, rtol=1e-5, atol=1e-5)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (1, 2)


@pytest.mark.parametrize("flip", [1, -1])
def test_qfac_stays(tmp_path: Path, flip: int) -> None:
    affine = np.diag([-2.0, 2, 2 * flip, 1])
    image = nibabel.Nifti1Image(np.arange(2880, dtype=np.int16).reshape(16, 18, 10), affine)
    image.set_qform(affine, 1)
    image.set_sform(None, 0)
    result, after = round_trip(image, tmp_path)
    assert after.header["pixdim"][0] == -flip
    np.testing.assert_array_equal(after.affine, affine)
    np.testing.assert_array_equal(result.affine, affine)


def test_a_volume_of_several_becomes_a_plain_3d_image(tmp_path: Path) -> None:
    image = source_image(sform=1, qform=1, shape=(16, 18, 10, 3))
    image.header["pixdim"][4] = 2.5
    image.header["toffset"] = 9
    image.header["slice_duration"] = 0.1
    result, after = round_trip(image, tmp_path, volume=1)
    assert after.shape == (16, 18, 10)
    assert after.header["dim"].tolist() == [3, 16, 18, 10, 1, 1, 1, 1]
    assert after.header["pixdim"][4] == 1
    assert (after.header["toffset"], after.header["slice_duration"]) == (0, 0)
    np.testing.assert_array_equal(after.affine, result.affine)


def test_a_2d_image_stays_2d(tmp_path: Path) -> None:
    _, after = round_trip(source_image(sform=1, qform=1, shape=(16, 18)), tmp_path)
    assert after.shape == (16, 18)
    assert read_nifti(tmp_path / "out.nii.gz").voxels.shape == (16, 18, 1)


def test_a_big_endian_source_gives_a_little_endian_result_of_the_same_meaning(tmp_path: Path) -> None:
    little = source_image(sform=2, qform=1)
    image = nibabel.Nifti1Image(np.asarray(little.dataobj), None, little.header.as_byteswapped(">"))
    result, after = round_trip(image, tmp_path)
    assert result.header.endianness == ">"
    assert after.header.endianness == "<"
    np.testing.assert_array_equal(after.affine, result.affine)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (2, 1)


def test_a_pair_becomes_one_file(tmp_path: Path) -> None:
    image = nibabel.Nifti1Pair(np.arange(2880, dtype=np.int16).reshape(16, 18, 10), OBLIQUE)
    image.to_filename(tmp_path / "pair.img")
    scan = read_nifti(tmp_path / "pair.img")
    write_nifti(scan, tmp_path / "out.nii", description=SAYS)
    np.testing.assert_array_equal(read_nifti(tmp_path / "out.nii").voxels, scan.voxels)


def test_a_resampled_scan_gets_its_new_grid_under_the_old_codes(tmp_path: Path) -> None:
    scan = scan_from_image(source_image(sform=4, qform=1))
    affine = OBLIQUE @ np.diag([2.0, 2, 2, 1])
    image = to_image(replace(scan, voxels=scan.voxels[::2, ::2, ::2], affine=affine))
    np.testing.assert_allclose(image.get_sform(), affine, rtol=1e-6)
    np.testing.assert_allclose(image.get_qform(), affine, rtol=1e-5, atol=1e-5)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 1)
    np.testing.assert_allclose(image.header.get_zooms(), scan.spacing * np.array(2), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "code", "units"),
    [("dicom", 1, ("mm", "sec")), ("picture", 2, ("unknown",) * 2), ("array", 2, ("mm", "unknown"))],
)
def test_a_source_without_header_gets_codes_and_units_that_it_deserves(
    tmp_path: Path, kind: Kind, code: int, units: tuple[str, str]
) -> None:
    voxels = np.random.default_rng(0).random((16, 18, 10), dtype=np.float32)
    scan = Scan(voxels=voxels, affine=OBLIQUE, source=Source(path=Path("x"), kind=kind, stem="x"))
    write_nifti(scan, tmp_path / "a.nii.gz", description=SAYS)
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (code, code)
    assert image.header.get_xyzt_units() == units
    np.testing.assert_array_equal(image.affine, OBLIQUE.astype(np.float32))
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)


def test_with_and_without_isal_the_file_holds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = Scan(
        voxels=np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32),
        affine=np.diag([1.0, 2.0, 3.0, 1.0]),
        source=Source(path=Path("made"), kind="array", stem="made"),
    )
    files = {}
    for there in (True, False):
        if there and importlib.util.find_spec("isal") is None:
            continue
        with monkeypatch.context() as patch:
            if not there:
                patch.setitem(sys.modules, "isal", None)
                patch.setitem(sys.modules, "isal.igzip", None)
            write_nifti(scan, tmp_path / f"{there}.nii.gz", description="made")
        with gzip.open(tmp_path / f"{there}.nii.gz") as stream:
            files[there] = stream.read()
        packed = (tmp_path / f"{there}.nii.gz").read_bytes()
        assert packed[4:8] == bytes(4) and not packed[3] & 8, "neither a time nor a name"
    write_nifti(scan, tmp_path / "plain.nii", description="made")
    assert set(files.values()) == {(tmp_path / "plain.nii").read_bytes()}


def test_the_same_scan_gives_the_same_bytes(tmp_path: Path) -> None:
    scan = scan_from_image(source_image(sform=1, qform=1))
    write_nifti(scan, tmp_path / "a.nii.gz", description=SAYS)
    write_nifti(scan, tmp_path / "b.nii.gz", description=SAYS)
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert content == (tmp_path / "b.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # gzip's time of modification
    assert b"medgan-" not in content[:64]
    assert len(gzip.decompress(content)) == 352 + 4 * scan.voxels.size


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_that_is_not_finite_is_written(tmp_path: Path, value: float) -> None:
    scan = scan_from_image(source_image(sform=1, qform=1))
    scan.voxels[1, 2, 3] = value
    with pytest.raises(OutputNotWrittenError, match="NaN or infinite"):
        write_nifti(scan, tmp_path / "a.nii.gz", description=SAYS)
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWrittenError, match="not the name of a NIfTI file"):
        write_nifti(scan_from_image(source_image(sform=1, qform=1)), tmp_path / "a.mgz", description=SAYS)


def test_the_source_header_is_not_touched_by_writing() -> None:
    scan = scan_from_image(source_image(sform=1, qform=1))
    before = scan.header.binaryblock
    to_image(scan, description=SAYS)
    assert scan.header.binaryblock == before


def test_real_scans_come_back_on_their_own_grid(tmp_path: Path, real_data: Path) -> None:
    for path in [
        *(real_data / "nifti" / "orientations").glob("*.nii.gz"),
        real_data / "nifti/odd/minimal.nii.gz",
    ]:
        source = nibabel.load(path)
        write_nifti(read_nifti(path), tmp_path / "out.nii", description=SAYS)
        result = nibabel.load(tmp_path / "out.nii")
        np.testing.assert_array_equal(result.affine, source.affine)
        assert result.header["qform_code"] == source.header["qform_code"]
        assert result.header["sform_code"] == source.header["sform_code"]
        np.testing.assert_array_equal(result.header["pixdim"], source.header["pixdim"])


@pytest.mark.robustness("bad-15")
@pytest.mark.parametrize(
    ("field", "value"), [("quatern_b", np.nan), ("quatern_b", 5), ("qoffset_x", np.inf), ("pixdim", np.nan)]
)
@pytest.mark.parametrize("qform", [0, 1])
def test_a_qform_that_is_no_transform_beside_a_sound_sform_is_told_and_not_handed_on(
    field: str, value: float, qform: int, tmp_path: Path
) -> None:
    image = source_image(sform=1, qform=qform)
    content = bytearray(image.to_bytes())
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    header[field][1 if field == "pixdim" else ()] = value
    content[:348] = header.binaryblock
    (tmp_path / "in_T1w.nii").write_bytes(content)
    scan = read_nifti(tmp_path / "in_T1w.nii")
    damaged = bool(qform) or field == "pixdim"
    assert any("qform or the spacing is damaged" in warning for warning in scan.warnings) == damaged
    write_nifti(scan, tmp_path / "out.nii", description=SAYS)
    after = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(after.affine, image.affine)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (1, 0)
    if damaged:
        np.testing.assert_allclose(after.header.get_zooms(), scan.spacing, rtol=1e-6)
        np.testing.assert_allclose(after.header.get_qform(), image.affine, atol=1e-4)
