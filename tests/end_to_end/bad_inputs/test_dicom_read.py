"""Odd DICOM that is sound comes through the command line as its plain twin does: rows 11, 13, 16 and 18."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)


def jpeg_lossless(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Encode as JPEG lossless with the first predictor (ISO 10918-1 annex H), all Huffman codes of five bits."""
    rows, columns = pixels.shape
    values = pixels.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << 15
    bits = []
    for difference in ((values - predicted + 32768) % 65536 - 32768).ravel().tolist():
        size = abs(difference).bit_length() if difference != -32768 else 16
        bits.append(f"{size:05b}")
        if 0 < size < 16:
            bits.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    coded = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0] + [0] * 4 + [17] + [0] * 11) + bytes(range(17))
    frame = bytes([16]) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes([1, 1, 0x11, 0])
    scan = bytes([1, 1, 0x00, 1, 0, 0])

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content

    return (
        b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, table) + segment(0xDA, scan) + coded + b"\xff\xd9"
    )


def test_the_encoder_of_these_tests_is_understood_by_others() -> None:
    """Or else a wrong stream could be refused for being wrong."""
    libjpeg = pytest.importorskip("libjpeg")

    pixels = np.random.default_rng(2).integers(0, 65536, (9, 13)).astype(np.uint16)
    np.testing.assert_array_equal(libjpeg.decode(jpeg_lossless(pixels)), pixels)


def stored_as(syntax: Any) -> Callable[[int, Any], None]:
    """Change the stored form of each image, and nothing else."""

    def edit(_: int, dataset: Any) -> None:
        file = Path(dataset.filename)
        if syntax in (RLELossless, JPEG2000Lossless):
            dataset.compress(syntax)
        elif syntax == JPEGLosslessSV1:
            dataset.PixelData = encapsulate([jpeg_lossless(dataset.pixel_array)])
            dataset["PixelData"].is_undefined_length = True
            dataset.file_meta.TransferSyntaxUID = syntax
        else:
            if syntax == ExplicitVRBigEndian:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
            written = file.with_suffix(".new")
            pydicom.dcmwrite(
                written,
                dataset,
                little_endian=syntax != ExplicitVRBigEndian,
                implicit_vr=syntax == ImplicitVRLittleEndian,
            )
            file.unlink()  # so that it is not saved again
            written.rename(file.with_suffix(".DCM"))

    return edit


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
     JPEGLosslessSV1],
    ids=lambda syntax: syntax.name.split(",")[0].replace(" ", "-"),
)  # fmt: skip
@pytest.mark.robustness("bad-16")
def test_a_stored_form_changes_nothing(syntax: Any, kit: Any, makes: Any) -> None:
    made, plain = makes(kit.series("odd", stored_as(syntax))), makes(kit.series("plain"), name="plain")
    found = {pydicom.dcmread(file).file_meta.TransferSyntaxUID for file in (kit.folder / "odd").iterdir()}
    assert found == {syntax}
    np.testing.assert_array_equal(made.voxels, plain.voxels)
    np.testing.assert_array_equal(made.image.affine, plain.image.affine)


@pytest.mark.parametrize(("syntax", "package"), [(JPEGLSLossless, "libjpeg"), (JPEG2000Lossless, "openjpeg")])
@pytest.mark.robustness("bad-16")
def test_the_package_that_would_decode_is_named(
    syntax: Any, package: str, kit: Any, refuses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.scans import dicom_objections

    class Missing:
        is_available = False

    def claim(_: int, dataset: Any) -> None:
        dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = syntax

    monkeypatch.setattr(dicom_objections, "get_decoder", lambda _: Missing())
    said = refuses(kit.series("odd", claim), "which no installed package decodes").err
    assert f"pip install pylibjpeg pylibjpeg-{package}" in said


@pytest.mark.robustness("bad-11")
def test_pixels_that_are_no_squares_keep_their_sides(kit: Any, makes: Any) -> None:
    """PixelSpacing 1.0\\2.0: a millimetre between rows, two between columns (PS3.3 10.7.1.3)."""

    def flat(_: int, dataset: Any) -> None:
        dataset.PixelSpacing = [1.0, 2.0]

    made = makes(kit.series("odd", flat))
    assert made.image.shape == (32, 40, 16)  # 32 columns, 40 rows
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(made.image.affine), [2, 1, 5], atol=1e-6)


@pytest.mark.robustness("bad-11")
def test_each_slice_is_taken_with_its_own_slope(kit: Any, makes: Any) -> None:
    def rescaled(k: int, dataset: Any) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2")
        dataset.PixelData = (stored * (k + 1) + 8 * k).astype("<u2").tobytes()
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 / (k + 1), -4 * k / (k + 1)

    def halved(_: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, 0

    made, plain = makes(kit.series("odd", rescaled)), makes(kit.series("plain", halved), name="plain")
    np.testing.assert_allclose(made.voxels, plain.voxels, rtol=1e-3, atol=1e-3 * float(plain.voxels.max()))


AXES = {
    "sagittal": [[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]],
    "coronal": [[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]],
    "oblique": [[-0.96, 0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]],
}


@pytest.mark.parametrize("name", AXES)
@pytest.mark.robustness("bad-13")
def test_any_plane_in_any_order_lies_where_dcm2niix_puts_it(
    name: str, kit: Any, makes: Any, tmp_path: Path
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")

    def shuffled(k: int, dataset: Any) -> None:
        dataset.InstanceNumber = (k * 7) % 16 + 1

    folder = kit.series("odd", shuffled, axes=AXES[name])
    (tmp_path / "reference").mkdir()
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "r", "-o", tmp_path / "reference", folder]
    subprocess.run(command, check=True, capture_output=True)
    reference = nibabel.load(tmp_path / "reference" / "r.nii")
    made = makes(folder)
    assert made.image.shape == reference.shape
    np.testing.assert_allclose(made.image.affine, reference.affine, atol=1e-3)


def item(**attributes: Any) -> Items:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return Items([dataset])


def enhanced(path: Path, folder: Path) -> Path:
    """The images of a classic series as the frames of one file, in another order (PS3.3 A.36, main lines)."""
    frames = [pydicom.dcmread(file) for file in sorted(folder.iterdir())]
    frames = [*frames[1::2], *frames[::2]]
    whole = pydicom.dcmread(sorted(folder.iterdir())[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "EchoTime",
        "RepetitionTime",
    ):
        delattr(whole, keyword)
    whole.NumberOfFrames = len(frames)
    whole.PixelData = b"".join(frame.PixelData for frame in frames)
    whole.SharedFunctionalGroupsSequence = item(
        PixelMeasuresSequence=item(PixelSpacing=frames[0].PixelSpacing, SliceThickness=5),
        PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=0, RescaleType="US"),
    )
    groups = []
    for frame in frames:
        (group,) = item(
            PlanePositionSequence=item(ImagePositionPatient=frame.ImagePositionPatient),
            PlaneOrientationSequence=item(ImageOrientationPatient=frame.ImageOrientationPatient),
            MREchoSequence=item(EffectiveEchoTime=12.0),
        )
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence = Items(groups)
    whole.save_as(path)
    return path


@pytest.mark.robustness("bad-18")
def test_an_enhanced_object_gives_what_its_classic_twin_gives(kit: Any, makes: Any) -> None:
    folder = kit.series("classic")
    made, plain = makes(enhanced(kit.path("enhanced.dcm"), folder)), makes(folder, name="plain")
    np.testing.assert_array_equal(made.voxels, plain.voxels)
    np.testing.assert_allclose(made.image.affine, plain.image.affine, atol=1e-6)


@pytest.mark.robustness("bad-18")
def test_an_enhanced_object_that_lacks_a_frame_is_refused(kit: Any, refuses: Any) -> None:
    folder = kit.series("classic", keep=lambda k: k != 6)
    path = enhanced(kit.path("alone/enhanced.dcm"), folder)
    refuses(path, "slices missing or unevenly spaced.*25.00 to 35.00")


REAL = (
    "icometrix/generic/compressed_j2k/001",
    "icometrix/generic/compressed_jpeg/001",
    "icometrix/generic/compressed_jpegls/001",
    "icometrix/generic/compressed_rle/001",
    "icometrix/generic/anatomical/001_implicit",
    "icometrix/generic/anatomical/002_non_isotropic",
    "icometrix/philips_enhanced/anatomical/001",
    "icometrix/siemens_multiframe/anatomical/001",
    "icometrix/hitachi/anatomical/001",
    "icometrix/hyperfine/anatomical/001",
)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.robustness("real-dicom-read")
def test_a_real_odd_series_is_read(name: str, real_data: Path, medgan: Any) -> None:
    """Noise pixels under real headers: what `inspect` sees is what would be synthesised."""
    seen = medgan("inspect", real_data / "dicom" / name, "--json")
    assert seen.code == 0, seen.err
    assert '"usable": 1' in seen.out and '"refused": 0' in seen.out


@pytest.mark.parametrize(
    "form", ["bigendian", "implicit", "RLE", "jp2klossless", "jpeg_ls_lossless", "expb", "padded"]
)
@pytest.mark.robustness("real-dicom-read")
def test_the_stored_forms_of_one_real_image_look_alike(form: str, real_data: Path, medgan: Any) -> None:
    import json

    folder = real_data / "dicom" / "pydicom"
    scans = []
    for name in ("MR_small.dcm", f"MR_small_{form}.dcm"):
        seen = medgan("inspect", folder / name, "--json")
        assert seen.code == 0, seen.err
        (scan,) = json.loads(seen.out)["scans"]
        scans.append((scan["shape"], scan["spacing"], scan["orientation"], scan["intensities"]))
    assert scans[0] == scans[1]
