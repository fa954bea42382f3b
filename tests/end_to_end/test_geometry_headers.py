"""However a NIfTI file says where its voxels lie, the file that is written says it in the same bytes, and no more.

All through the command line and files: the output's header is read with NumPy from its bytes, not with the
library that wrote it.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

import medgan as package

PLACES = (
    "dim_info", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
"""The fields that say where voxels lie; these come back byte for byte."""
TEXTS = ("aux_file", "db_name", "intent_name", "data_type", "unused_str")
MILLIMETRES = 1e-3
"""By which SimpleITK, which computes in its own way from the same bytes, may differ from nibabel."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A way to store one image; `warns` is what a user is told of it."""

    sform: int = 1
    qform: int = 1
    kind: Any = nibabel.Nifti1Image
    dtype: Any = np.float32
    scaling: tuple[float, float] = (1, 0)
    endianness: str = "<"
    name: str = "scan.nii"
    units: int = 10
    axes: Any = ((0, 1, 2), (1, 1, 1))
    rank: int = 3
    moved: Any = None
    grid: str = "oblique"
    warns: str = ""


MIRRORED = np.diag([-1.0, 1, 1, 1])
PUSHED = np.array([[1.0, 0, 0, 12], [0, 1, 0, -30], [0, 0, 1, 0], [0, 0, 0, 1]])

FORMS: dict[str, tuple[str, Form]] = {
    "float32, sform and qform": ("geometry-both", Form()),
    "sform 2, qform 1": ("geometry-both", Form(sform=2)),
    "sform 4, qform 3": ("geometry-both", Form(sform=4, qform=3)),
    "sform 1 only": ("geometry-sform-only", Form(qform=0)),
    "sform 2 only": ("geometry-sform-only", Form(sform=2, qform=0)),
    "sform 4 only": ("geometry-sform-only", Form(sform=4, qform=0)),
    "qform 1 only": ("geometry-qform-only", Form(sform=0)),
    "qform 2 only": ("geometry-qform-only", Form(sform=0, qform=2)),
    "qform only, qfac -1": ("geometry-qfac", Form(sform=0, axes=((0, 1, 2), (-1, 1, 1)))),
    "qform only, qfac -1, sagittal": ("geometry-qfac", Form(sform=0, axes=((2, 1, 0), (1, 1, 1)))),
    "qform elsewhere": ("geometry-disagree", Form(moved=PUSHED, warns="disagree")),
    "qform elsewhere, codes 4 and 1": ("geometry-disagree", Form(sform=4, moved=PUSHED, warns="disagree")),
    "qform mirrored": ("geometry-disagree", Form(qform=2, moved=MIRRORED, warns="disagree")),
    "no form": ("geometry-unset", Form(sform=0, qform=0, grid="unset", warns="Neither sform nor qform")),
    "no form, NIfTI-2": (
        "geometry-unset",
        Form(sform=0, qform=0, grid="unset", kind=nibabel.Nifti2Image, warns="Neither sform nor qform"),
    ),
    "sheared": ("geometry-sheared", Form(qform=0, grid="sheared", warns="sheared")),
    "sheared, with a qform": ("geometry-sheared", Form(sform=2, qform=2, grid="sheared", warns="sheared")),
    "thick and not square": ("geometry-anisotropic", Form(grid="anisotropic")),
    "thick and not square, qform only": ("geometry-anisotropic", Form(sform=0, grid="anisotropic")),
    "far away": ("geometry-far", Form(grid="far")),
    "NIfTI-2": ("geometry-nifti2", Form(kind=nibabel.Nifti2Image)),
    "NIfTI-2, compressed": ("geometry-nifti2", Form(kind=nibabel.Nifti2Image, name="scan.nii.gz", sform=0)),
    "big endian": ("geometry-big-endian", Form(endianness=">", dtype=np.int16)),
    "big endian NIfTI-2": ("geometry-big-endian", Form(endianness=">", kind=nibabel.Nifti2Image)),
    "pair": ("geometry-pair", Form(kind=nibabel.Nifti1Pair, name="scan.img")),
    "pair, big endian": ("geometry-pair", Form(kind=nibabel.Nifti1Pair, name="scan.hdr", endianness=">")),
    "NIfTI-2 pair": ("geometry-pair", Form(kind=nibabel.Nifti2Pair, name="scan.img")),
    "int16, scaled": ("geometry-scaled", Form(dtype=np.int16, scaling=(0.5, -10))),
    "int16, big endian, scaled": ("geometry-scaled", Form(dtype=np.int16, scaling=(0.25, 4), endianness=">")),
    "uint8, scaled": ("geometry-scaled", Form(dtype=np.uint8, scaling=(2, 0), grid="even")),
    "uint8": ("geometry-dtypes", Form(dtype=np.uint8)),
    "int16": ("geometry-dtypes", Form(dtype=np.int16)),
    "int32": ("geometry-dtypes", Form(dtype=np.int32)),
    "uint16": ("geometry-dtypes", Form(dtype=np.uint16)),
    "float64": ("geometry-dtypes", Form(dtype=np.float64)),
    "one volume in four dimensions": ("geometry-4d", Form(rank=4)),
    "one volume in five dimensions": ("geometry-4d", Form(rank=5)),
    "two dimensions": ("geometry-2d", Form(rank=2, grid="slice")),
    "a slice in three dimensions": ("geometry-2d", Form(grid="slice")),
    "units unset": ("geometry-units", Form(units=0)),
    "mm, no seconds": ("geometry-units", Form(units=2)),
    "micrometres": ("geometry-units", Form(units=3, warns="counts in micrometres")),
}


def store(form: Form, grid: Any, folder: Path) -> Path:
    """Write the image in that form, with texts and an extension that name a person."""
    slope, inter = form.scaling
    raw = (grid.voxels - inter) / slope
    assert np.array_equal(raw.astype(form.dtype), raw)  # nothing is rounded
    voxels = raw.reshape((*raw.shape, 1, 1)[: form.rank])
    header = form.kind.header_class(endianness=form.endianness)
    header.set_data_dtype(np.dtype(form.dtype).newbyteorder(form.endianness))
    image = form.kind(voxels, None, header)
    image.header.set_slope_inter(slope, inter)  # nibabel then takes the voxels as they are stored
    image.set_sform(grid.affine, form.sform)
    image.set_qform((form.moved if form.moved is not None else np.eye(4)) @ grid.affine, form.qform)
    if not (form.sform or form.qform):
        for field in ("srow_x", "srow_y", "srow_z"):
            image.header[field] = 0
    image.header["xyzt_units"] = form.units
    for field in ("cal_max", "glmax"):
        if field in image.header.keys():  # noqa: SIM118 - a header iterates over its keys but has no `in`
            image.header[field] = 7
    for field in ("descrip", *TEXTS):
        if field in image.header.keys():  # noqa: SIM118
            image.header[field] = b"Jane Doe"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    path = folder / form.name
    image.to_filename(path)
    assert np.array_equal(nibabel.load(path).get_fdata().ravel(), grid.voxels.ravel())
    return path


@pytest.fixture(scope="module")
def grids(world: Any) -> dict[str, Any]:
    head = world.head()
    even = np.rint(head / 2) * 2
    return {
        "oblique": world.grid_of(head, degrees=(12, -7, 20)),
        "even": world.grid_of(even, degrees=(12, -7, 20)),
        "sheared": world.grid_of(head, degrees=(12, -7, 20), shear=0.3),
        "anisotropic": world.grid_of(head, degrees=(3, 28, -20), spacing=(4.0, 6.0, 11)),
        "far": world.grid_of(head, degrees=(12, -7, 20), centre=(-1200.5, 843.75, 2000)),
        "slice": world.grid_of(world.head(shape=(20, 24, 1)), degrees=(5, -7, 20)),
        # without either form the first axis runs to the left, and the origin is the middle of the grid
        "unset": world.grid_of(head, centre=(0, 0, 0)).stored(((0, 1, 2), (-1, 1, 1))),
    }


@pytest.fixture
def through_files(tiny_run: Path, tmp_path: Path, medgan: Any) -> Any:
    def call(source: Path, *, name: str) -> tuple[Path, str]:
        out = tmp_path / name
        told = medgan(
            "synthesize", source, "--target", "t2", "--model", tiny_run, "-o", out, "--device", "cpu"
        )
        assert told.code == 0, told.err
        return out, told.err

    return call


def header_of(path: Path) -> tuple[npt.NDArray[Any], bytes]:
    """The header as NumPy sees it, little-endian, and all bytes of the file."""
    packed = path.with_suffix(".hdr") if path.suffix == ".img" else path
    data = packed.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    order = "<" if data[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else ">"
    is_nifti1 = int.from_bytes(data[:4], {"<": "little", ">": "big"}[order]) == 348  # type: ignore[arg-type]
    fields = (nibabel.nifti1 if is_nifti1 else nibabel.nifti2).header_dtype
    header = np.frombuffer(data, fields.newbyteorder(order), count=1)
    return header.astype(fields.newbyteorder("<"))[0], data


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, id=name, marks=pytest.mark.robustness(row)) for name, (row, form) in FORMS.items()],
)
def test_where_voxels_lie_comes_back_byte_for_byte_and_so_does_the_image(
    form: Form, grids: dict[str, Any], world: Any, through_files: Any, tmp_path: Path
) -> None:
    grid = grids[form.grid]
    nibabel.save(grid.image(), tmp_path / "plain.nii")
    plain, _ = through_files(tmp_path / "plain.nii", name="expected.nii")
    stored = grid.stored(form.axes)
    source = store(form, stored, tmp_path)
    out, said = through_files(source, name="out.nii.gz" if source.suffix == ".gz" else "out.nii")

    made, expected = nibabel.load(out), nibabel.load(plain)
    assert np.array_equal(world.values_at(grid.places, made).ravel(), np.asarray(expected.dataobj).ravel())
    assert made.shape == stored.voxels.shape[: max(2, min(form.rank, 3))]
    if form.warns:
        assert form.warns in " ".join(said.split())
    for word in ("disagree", "sheared", "Neither", "counts in"):
        assert word in form.warns or word not in said

    before, _ = header_of(source)
    after, data = header_of(out)
    for field in PLACES:
        if field == "qform_code" and form.grid == "sheared":  # which no quaternion can tell
            assert after[field] == 0
        else:
            assert after[field].tobytes() == before[field].tobytes(), field
    assert_the_rest_is_fresh(after, data)
    if not form.warns and type(made) is nibabel.Nifti1Image:  # SimpleITK knows no NIfTI-2
        assert_itk_agrees(out, made)


def assert_the_rest_is_fresh(header: npt.NDArray[Any], data: bytes) -> None:
    """What belonged to the source's voxels, or may name a person, is set anew."""
    assert (header["datatype"], header["bitpix"]) == (16, 32)
    assert (header["scl_slope"], header["scl_inter"]) == (1, 0)
    start = int(header["vox_offset"])
    assert start == header["sizeof_hdr"] + 4
    assert data[start - 4 : start] == b"\0\0\0\0"  # no extensions
    assert header["magic"].tobytes()[:3] in (b"n+1", b"n+2")
    voxels = np.frombuffer(data[start:], "<f4")
    assert voxels.size == np.prod(header["dim"][1:])
    assert voxels.min() <= header["cal_min"] < header["cal_max"] <= voxels.max()
    assert header["cal_max"] != 7
    assert "glmax" not in (header.dtype.names or ()) or header["glmax"] == 0
    assert header["descrip"].item().decode() == f"medgan {package.__version__} synthetic T2w from T1w"
    for field in TEXTS:
        if field in (header.dtype.names or ()):
            assert header[field].item() == b"", field
    assert b"Doe" not in data


def assert_itk_agrees(path: Path, image: Any) -> None:
    """SimpleITK, which tells places in LPS, puts the corners of the grid where nibabel does."""
    seen = SimpleITK.ReadImage(str(path))
    assert seen.GetSize() == image.shape
    if len(image.shape) == 2:  # SimpleITK keeps nothing of where a 2D image lies in the world but its plane
        return
    for corner in np.ndindex(2, 2, 2):
        index = [float(c * (n - 1)) for c, n in zip(corner, image.shape, strict=True)]
        place = np.array(seen.TransformContinuousIndexToPhysicalPoint(index)) * [-1, -1, 1]
        np.testing.assert_allclose(place, (image.affine @ [*index, 1])[:3], atol=MILLIMETRES)
