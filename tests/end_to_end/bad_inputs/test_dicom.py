"""Bad DICOM through the command line: rows 8 to 12 and 14 of the bad inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

Edit = Callable[[int, Any], object]


def series(edit: Edit | None = None, **options: Any) -> Callable[[Any], Path]:
    return lambda kit: Path(kit.series("series", edit, **options))


def changed(**attributes: Any) -> Callable[[Any], Path]:
    def edit(_: int, dataset: Any) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return series(edit)


def raw(keyword: str, value: str) -> Callable[[Any], Path]:
    """The text of a decimal string as it is, which pydicom would not write."""

    def edit(_: int, dataset: Any) -> None:
        tag, content = pydicom.tag.Tag(keyword), value.encode() + b" " * (len(value) % 2)
        dataset._dict[tag] = pydicom.dataelem.RawDataElement(tag, "DS", len(content), content, 0, False, True)

    return series(edit)


def without(keyword: str) -> Callable[[Any], Path]:
    return series(lambda _, dataset: delattr(dataset, keyword))


def heights(of: Callable[[int], float]) -> Callable[[Any], Path]:
    def edit(k: int, dataset: Any) -> None:
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], round(of(k), 6)]

    return series(edit)


def tilted(k: int, dataset: Any) -> None:
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, round(y + 5 * k * math.tan(math.radians(14)), 6), z]


def new_instance(dataset: Any) -> None:
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()


def dual_echo(kit: Any) -> Path:
    """One series with PD and T2 at each position."""

    def late(_: int, dataset: Any) -> None:
        dataset.EchoTime = 90
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2")[::-1]).tobytes()
        new_instance(dataset)

    kit.series("exam/early", description="PD T2 dual")
    kit.series("exam/late", late, description="PD T2 dual")
    return Path(kit.folder / "exam")


def time_points(kit: Any) -> Path:
    def later(_: int, dataset: Any) -> None:
        dataset.TemporalPositionIdentifier = 2
        new_instance(dataset)

    kit.series("exam/one", lambda _, dataset: setattr(dataset, "TemporalPositionIdentifier", 1))
    kit.series("exam/two", later)
    return Path(kit.folder / "exam")


def copies(kit: Any) -> Path:
    kit.series("exam/one")
    kit.series("exam/copy")
    return Path(kit.folder / "exam")


AXIAL, SAGITTAL = np.diag([-1.0, 1, 1]), np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]])


def exam(kit: Any) -> Path:
    """A localizer, a T1w, a T2w and a CT series over nested folders, with files that are no images beside."""
    shared = generate_uid()

    def localizer(_: int, dataset: Any) -> None:
        dataset.SeriesInstanceUID = shared
        new_instance(dataset)

    for name, axes in (("axial", AXIAL), ("sagittal", SAGITTAL)):
        kit.series(f"exam/loc/{name}", localizer, axes=axes, number=1, description="localizer",
                   keep=lambda k: k == 7)  # fmt: skip
    kit.series("exam/DICOM/a/t1", number=2, description="t1 se tra")
    kit.series("exam/DICOM/b/t2", number=3, description="t2 tse tra", echo_time=90.0, axes=SAGITTAL)
    ct(kit, "exam/DICOM/ct")
    kit.path("exam/README.txt", b"Exported for Doe^Jane")
    kit.path("exam/DICOM/a/Thumbs.db", bytes(2000))
    kit.path("exam/DICOM/report.pdf", b"%PDF-1.4")
    return Path(kit.folder / "exam")


def ct(kit: Any, name: str) -> Path:
    def edit(_: int, dataset: Any) -> None:
        dataset.Modality = "CT"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"

    return Path(kit.series(name, edit, number=9, description="ct plain"))


def cut(share: float) -> Callable[[Any], Path]:
    def make(kit: Any) -> Path:
        folder = kit.series()
        file = sorted(folder.iterdir())[9]
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
        return Path(folder)

    return make


def packed(syntax: Any, edit: Edit = lambda k, dataset: None) -> Callable[[Any], Path]:
    def compress(k: int, dataset: Any) -> None:
        dataset.compress(syntax)
        edit(k, dataset)

    return series(compress)


def damaged_stream(kit: Any) -> Path:
    folder = packed(RLELossless)(kit)
    file = sorted(folder.iterdir())[3]
    data = bytearray(file.read_bytes())
    place = data.index(b"\xe0\x7f\x10\x00")
    data[place + 64 : place + 160] = bytes(96)
    file.write_bytes(data)
    return folder


def deflated_bomb(kit: Any) -> Path:
    """80 MB of zeros in a private attribute, in 80 KB; the header hides where they begin."""
    folder = kit.series("series", keep=lambda k: k < 4)
    dataset = pydicom.dcmread(folder / "0001.dcm")
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.add_new(0x00091010, "OB", bytes(80 << 20))
    dataset.save_as(folder / "0001.dcm")
    data = bytearray((folder / "0001.dcm").read_bytes())
    data[140:144] = (1 << 20).to_bytes(4, "little")  # FileMetaInformationGroupLength
    (folder / "0001.dcm").write_bytes(data)
    return Path(folder)


def large_claim(_: int, dataset: Any) -> None:
    dataset.Rows = dataset.Columns = 65_000


def huge_codestream(kit: Any) -> Path:
    """A JPEG 2000 stream that claims 60,000 x 60,000 pixels where the header says 32 x 40."""
    folder = packed(JPEG2000Lossless)(kit)
    for file in folder.iterdir():
        data = file.read_bytes()
        place = data.index(b"\xff\x4f\xff\x51") + 8
        file.write_bytes(data[:place] + (60_000).to_bytes(4, "big") * 2 + data[place + 8 :])
    return folder


BOMBS = {"deflated": deflated_bomb, "claimed": series(large_claim), "stream": huge_codestream}

BAD = [
    ("bad-01", "cut-at-10", cut(0.1), "damaged|cut off"),
    ("bad-01", "cut-at-50", cut(0.5), r"2560 bytes, but has only 18\d\d"),
    ("bad-01", "cut-at-90", cut(0.9), "cut off"),
    ("bad-02", "damaged-stream", damaged_stream, "cannot be decoded"),
    ("bad-03", "claims", series(large_claim), "8450000000 bytes, but has only"),
    ("bad-03", "claims-packed", packed(RLELossless, large_claim), "8450000000 bytes, but has only"),
    ("bad-03", "frames", changed(NumberOfFrames=2**31 - 1), "claims|several frames"),
    ("bad-05", "blank", series(lambda _, ds: setattr(ds, "PixelData", bytes(len(ds.PixelData)))), "is blank"),
    ("bad-06", "volume-of-a-series", series(), "--volume is for NIfTI",
     {"options": ("--volume", 0), "code": 2, "inspects": 0}),
    ("bad-07", "rgb", changed(PhotometricInterpretation="RGB", SamplesPerPixel=3), "colour image"),
    ("bad-08", "deflated", deflated_bomb, "unpacks to more than 64 MiB"),
    ("bad-08", "stream", huge_codestream, "compressed image of 60000 x 60000"),
    ("bad-09", "missing-slice", series(keep=lambda k: k != 5), r"15 slices, mostly 5.00 mm apart.*20.00 to 30.00"),
    ("bad-09", "two-missing", series(keep=lambda k: k not in (3, 9)), "10.00 to 20.00, 40.00 to 50.00"),
    ("bad-09", "uneven", heights(lambda k: 5 * k + 1.5 * (k == 4)), "unevenly spaced.*15.00 to 21.50"),
    ("bad-09", "growing", heights(lambda k: 5 * k**1.2), "unevenly spaced"),
    ("bad-09", "dual-echo", dual_echo, r"at one position, with echo times of 12, 90 ms \(at 0, 5, 10"),
    ("bad-09", "time-points", time_points, "several slices at one position, from 2 time points"),
    ("bad-09", "copies", copies, "more than once"),
    ("bad-09", "no-such-echo", dual_echo, "no echo at 50 ms", {"options": ("--echo", 50)}),
    ("bad-10", "exam", exam, "holds 5 scans, and one is needed|holds 4 scans", {"inspects": 0}),
    ("bad-10", "no-such-series", exam, "has no series '7'", {"options": ("--series", 7), "inspects": 0}),
    ("bad-10", "localizer-of-two", exam, "has 2 series '1'", {"options": ("--series", 1), "inspects": 0}),
    ("bad-10", "ct-by-number", exam, "is CT, not MR", {"options": ("--series", 9), "inspects": 0}),
    ("bad-10", "ct-alone", lambda kit: ct(kit, "ct"), "is CT, not MR"),
    ("bad-10", "nothing", lambda kit: kit.path("folder/README.txt", b"x").parent, "no scan was found"),
    *[
        ("bad-12", f"spacing-{value!r}", raw("PixelSpacing", value), "PixelSpacing")
        for value in ("nan\\1", "1\\nan", "inf\\inf", "-inf\\1", "0\\1", "0\\0", "-1\\-1", "1e400\\1", "1", "", "a\\b")
    ],
    ("bad-12", "no-spacing", without("PixelSpacing"), "no PixelSpacing"),
    ("bad-12", "no-position", without("ImagePositionPatient"), "no ImagePositionPatient"),
    ("bad-12", "nan-position", raw("ImagePositionPatient", "0\\0\\nan"), "ImagePositionPatient"),
    ("bad-12", "no-orientation", without("ImageOrientationPatient"), "no ImageOrientationPatient"),
    *[
        ("bad-12", f"axes-{name}", changed(ImageOrientationPatient=axes), "not two unit vectors at right angles")
        for name, axes in (
            ("skewed", [1, 0, 0, 0.2, 0.98, 0]), ("long", [1.1, 0, 0, 0, 1, 0]), ("zero", [0] * 6),
            ("parallel", [1, 0, 0, 1, 0, 0]),
        )
    ],
    ("bad-14", "tilted", series(tilted), "stacked 14.0 degrees off their normal"),
    ("bad-16", "mpeg", packed(RLELossless, lambda k, ds: setattr(
        ds.file_meta, "TransferSyntaxUID", "1.2.840.10008.1.2.4.100")), "MPEG2.*which medgan cannot decode"),
]  # fmt: skip


def test_it_is_refused(bad: Any, kit: Any, refuses: Any, medgan: Any) -> None:
    path = bad.make(kit)
    done = refuses(path, bad.cause, *bad.options, code=bad.code)
    seen = medgan("inspect", path)
    assert seen.code == bad.inspects and "Traceback" not in seen.out + seen.err
    assert "Doe" not in done.err and "Nobody" not in done.err + seen.out + seen.err


def test_training_on_nothing_else_is_refused(
    sample: Any, kit: Any, head_folders: Any, medgan: Any, tmp_path: Path
) -> None:
    done = medgan(
        "train", "--t1-dir", sample.make(kit), "--t2-dir", head_folders.t2, "--out", tmp_path / "run"
    )
    assert done.code == 3 and "holds no scan to train on" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.robustness("bad-08")
def test_it_is_refused_before_memory_is_taken(name: str, kit: Any, refuses: Any, little_memory: Any) -> None:
    refuses(cut(0.5)(kit), "but has only")  # what is loaded once is loaded
    path = BOMBS[name](kit)
    with little_memory(32):
        refuses(path, "")


@pytest.mark.parametrize("echo", [12, 90])
@pytest.mark.robustness("bad-09")
def test_one_echo_of_two_can_be_chosen(echo: int, kit: Any, makes: Any, refuses: Any) -> None:
    said = refuses(dual_echo(kit), "echo times").err
    assert "--echo" in said
    made = makes(kit.folder / "exam", "--echo", echo)
    alone = makes(kit.folder / "exam" / {12: "early", 90: "late"}[echo], name="alone")
    np.testing.assert_array_equal(made.voxels, alone.voxels)
    np.testing.assert_array_equal(made.image.affine, alone.image.affine)


@pytest.mark.robustness("bad-10")
def test_an_exam_is_listed_and_a_series_of_it_is_chosen_by_number_or_uid(
    kit: Any, refuses: Any, makes: Any
) -> None:
    said = refuses(exam(kit), "one is needed").err
    assert "--series" in said
    listed = [line.strip() for line in said.splitlines() if ", 1.2.826." in line]
    for words in (
        ("1: MR", "localizer", "32 x 40 x 1", "axial"),
        ("1: MR", "localizer", "sagittal"),
        ("2: MR", "t1 se tra", "32 x 40 x 16", "axial"),
        ("3: MR", "t2 tse tra", "sagittal"),
        ("9: CT", "ct plain"),
    ):
        assert any(all(word in line for word in words) for line in listed), f"{words} in {said}"
    alone = makes(kit.folder / "exam/DICOM/a/t1", name="alone")
    uid = pydicom.dcmread(next((kit.folder / "exam/DICOM/a/t1").iterdir())).SeriesInstanceUID
    for chosen in (2, uid):
        made = makes(kit.folder / "exam", "--series", chosen, name=f"by-{chosen}")
        np.testing.assert_array_equal(made.voxels, alone.voxels)


@pytest.mark.robustness("bad-10")
def test_the_only_mr_volume_among_other_things_is_taken(kit: Any, makes: Any) -> None:
    kit.series("exam/deep/er/t1")
    ct(kit, "exam/ct")
    kit.path("exam/notes.txt", b"notes")
    kit.path("exam/.DS_Store", bytes(6148))
    made = makes(kit.folder / "exam")
    np.testing.assert_array_equal(made.voxels, makes(kit.series("alone"), name="alone").voxels)


@pytest.mark.robustness("bad-05")
def test_a_blank_slice_in_a_good_series_passes(kit: Any, makes: Any) -> None:
    def blank(k: int, dataset: Any) -> None:
        if k == 0:
            dataset.PixelData = bytes(len(dataset.PixelData))

    assert makes(kit.series(edit=blank)).image.shape == (32, 40, 16)


REAL = {
    "icometrix/failing/gantrytilting/001": "is CT",
    "icometrix/failing/notavolume/001": "is CT",
    "icometrix/failing/sliceincrement/001": "is CT",
    "icometrix/failing/sliceincrement/002": "is CT",
    "icometrix/failing/sliceorientation/001": "holds 2 scans",
    "icometrix/generic/rgb/001": "colour image",
    "pydicom/MR_truncated.dcm": "cut off|bytes, but has only",
    "pydicom/bad_sequence.dcm": "is CT",
    "pydicom/emri_small.dcm": "several frames without their positions",
    "pydicom/emri_small_big_endian.dcm": "several frames without their positions",
    "pydicom/emri_small_jpeg_2k_lossless_too_short.dcm": "several frames without their positions",
    "pydicom/JPEG-LL.dcm": "is NM, not MR",
    "pydicom/no_meta.dcm": "header is damaged or cut off",
    "pydicom/no_meta_group_length.dcm": "is not an image that medgan reads",
    "pydicom/rtplan_truncated.dcm": "is not an image that medgan reads",
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.robustness("real-dicom-refused")
def test_a_real_odd_file_is_refused(name: str, real_data: Path, kit: Any, refuses: Any) -> None:
    source = real_data / "dicom" / name
    if source.is_dir():
        for file in source.iterdir():
            kit.path(f"series/{file.name}", file.read_bytes())
        refuses(kit.folder / "series", REAL[name])
    else:
        refuses(kit.path(source.name, source.read_bytes()), REAL[name])
