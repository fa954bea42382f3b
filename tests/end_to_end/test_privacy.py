"""No name, ID or date of birth of a patient leaves medgan: every byte written and all that is printed is searched."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin

from medgan.recipe import load_recipe
from medgan.scans import read_scan
from medgan.scans.dicom_writing import write_series
from medgan.training.cases import prepare_folder

ATTRIBUTES = {
    "PatientName": "Quistgaard^Wilhelmina^Zofia",
    "PatientID": "PID-7734219",
    "PatientBirthDate": "19470613",
    "PatientAddress": "Rosenkavalierweg 12",
    "PatientComments": "aunt of Xanthippe",
    "PatientBirthName": "Zwetschgenbaum",
    "AccessionNumber": "ACC88123554",
    "OtherPatientIDs": ["OPID556677", "OPID998811"],
    "InstitutionName": "Brummelhof Hospital",
    "ReferringPhysicianName": "Vandersloot^Ignaz",
    "OperatorsName": "Fitzwarren^Ottokar",
    "StudyDescription": "Follow-up of Quistgaard",
    "SeriesDescription": "ax QUISTGAARD head",
    "ProtocolName": "head (Wilhelmina)",
    "ImageComments": "Wilhelmina moved",
    "StudyID": "STUDY440022",
}
PRIVATE = "Blumenkohlsuppe"
PLANTED = (
    "quistgaard", "wilhelmina", "zofia", "7734219", "19470613", "1947-06-13", "rosenkavalier", "xanthippe",
    "zwetschgenbaum", "88123554", "opid556677", "opid998811", "brummelhof", "vandersloot", "ignaz",
    "fitzwarren", "ottokar", "blumenkohl", "study440022",
)  # fmt: skip
EXPORT = "QUISTGAARD^WILHELMINA_7734219"


def leaks(block: bytes | str) -> set[str]:
    """The planted words in a block, in any case, in one byte a letter or two."""
    low = block.lower() if isinstance(block, bytes) else block.lower().encode()
    return {
        word
        for word in PLANTED
        for form in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"))
        if form in low
    }


def blocks(block: bytes) -> Iterator[bytes]:
    """What a file holds as it is, and unpacked: gzip, PNG's chunks, pictures in a page."""
    yield block
    if block[:2] == b"\x1f\x8b":
        yield from blocks(gzip.decompress(block))
    for encoded in re.findall(rb"base64,([A-Za-z0-9+/=]+)", block):
        yield from blocks(base64.b64decode(encoded))
    if block[:8] == b"\x89PNG\r\n\x1a\n":
        place = 8
        while place < len(block):
            size = int.from_bytes(block[place : place + 4], "big")
            content = block[place + 8 : place + 8 + size]
            for start in {0, *(match.end() for match in re.finditer(b"\0", content[:100]))}:
                with contextlib.suppress(zlib.error):
                    yield zlib.decompress(content[start:])
            place += size + 12


def leaks_below(folder: Path) -> dict[str, set[str]]:
    """The planted words in names and contents of all files below a folder, of which there must be some."""
    found = {}
    files = sorted(path for path in folder.rglob("*"))
    assert any(file.is_file() for file in files)
    for file in files:
        words = leaks(str(file.relative_to(folder)))
        for block in blocks(file.read_bytes()) if file.is_file() else ():
            words |= leaks(block)
        if words:
            found[str(file.relative_to(folder))] = words
    return found


def write_dicom(folder: Path, head: Path, *, number: int = 4) -> Path:
    """A head as a DICOM series of the patient, with everything that a scanner adds."""
    files = write_series(
        folder, read_scan(head), description="head", series_number=number, facts={"echo_time": 12.0}
    )
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in ATTRIBUTES.items():
            setattr(dataset, keyword, value)
        dataset.private_block(0x0029, "MEDGAN TEST", create=True).add_new(1, "LO", PRIVATE)
        dataset.save_as(file)
    return folder


def write_nifti(path: Path, head: Path) -> Path:
    """A head as NIfTI with the patient in every text of its header, in its extensions and its sidecar."""
    image = nibabel.load(head)
    for name, text in {
        "descrip": "Quistgaard, Wilhelmina *19470613",
        "db_name": "PID-7734219",
        "aux_file": "/x/Zofia.txt",
        "intent_name": "Xanthippe",
    }.items():
        image.header[name] = text.encode()
    with io.BytesIO() as stream:
        dataset = pydicom.Dataset()
        dataset.PatientName, dataset.PatientID = ATTRIBUTES["PatientName"], ATTRIBUTES["PatientID"]
        pydicom.dcmwrite(stream, dataset, implicit_vr=False, little_endian=True)
        extension = stream.getvalue()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(2, extension))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"of Wilhelmina Quistgaard"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    path.with_name(path.name.split(".")[0] + ".json").write_text(json.dumps(ATTRIBUTES | {"EchoTime": 0.012}))
    return path


def write_pictures(folder: Path, head: Path, *, suffix: str) -> Path:
    """Slices of a head as PNG with text chunks of three kinds and EXIF, or as JPEG with EXIF and a comment."""
    folder.mkdir(parents=True)
    voxels = read_scan(head).voxels
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Wilhelmina Quistgaard", "Vandersloot"  # ImageDescription, Artist
    for k in range(6, 11):
        grey = Image.fromarray((voxels[:, ::-1, k].T * (250 / voxels.max())).astype(np.uint8))
        if suffix == ".png":
            chunks = PngImagePlugin.PngInfo()
            chunks.add_text("Description", "Quistgaard, born 1947-06-13")
            chunks.add_text("Author", "Vandersloot", zip=True)
            chunks.add_itxt("Comment", "Brummelhof", zip=True)
            grey.save(folder / f"slice{k}.png", pnginfo=chunks, exif=exif)
        else:
            grey.save(folder / f"slice{k}.jpg", exif=exif, comment=b"PID-7734219 Quistgaard")
    return folder


@pytest.fixture
def plain(head: Any, tmp_path: Path) -> Path:
    """A head of no one."""
    made: Path = head(tmp_path / "plain" / "head.nii.gz", "t1", 1)
    return made


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Callable[..., Any]:
    """The command, as talkative as it can be."""

    def call(*arguments: object) -> Any:
        given = ("--target", "t2", "--model", tiny_run, "--device", "cpu", "-v")
        return medgan("synthesize", *arguments, *given)

    return call


def test_the_search_finds_what_is_planted(plain: Path, tmp_path: Path) -> None:
    everything = set(PLANTED) - {"1947-06-13"}
    write_dicom(tmp_path / "dicom" / EXPORT, plain)
    assert leaks_below(tmp_path / "dicom")[EXPORT] == {"quistgaard", "wilhelmina", "7734219"}
    assert leaks_below(tmp_path / "dicom")[f"{EXPORT}/0001.dcm"] == everything
    write_nifti(tmp_path / "nifti" / "a.nii.gz", plain)
    assert leaks_below(tmp_path / "nifti")["a.nii.gz"] >= {"quistgaard", "zofia", "xanthippe", "7734219"}
    write_pictures(tmp_path / "png", plain, suffix=".png")
    assert leaks_below(tmp_path / "png")["slice6.png"] >= {"quistgaard", "vandersloot", "brummelhof"}
    write_pictures(tmp_path / "jpeg", plain, suffix=".jpg")
    assert leaks_below(tmp_path / "jpeg")["slice6.jpg"] >= {"quistgaard", "vandersloot", "7734219"}
    assert leaks("Quistgaard".encode("utf-16")) == {"quistgaard"}


@pytest.mark.parametrize("wanted", ["nifti", "png"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("dicom", marks=pytest.mark.robustness("privacy-dicom")),
        pytest.param("nifti", marks=pytest.mark.robustness("privacy-nifti")),
        pytest.param(".png", marks=pytest.mark.robustness("privacy-pictures")),
        pytest.param(".jpg", marks=pytest.mark.robustness("privacy-pictures")),
    ],
)
def test_a_synthesis_writes_and_prints_nothing_of_the_patient(
    kind: str, wanted: str, plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    given = tmp_path / "in" / "scan"
    if kind == "dicom":
        write_dicom(given, plain)
    elif kind == "nifti":
        given = write_nifti(given / "scan.nii.gz", plain)
    else:
        write_pictures(given, plain, suffix=kind)
    done = synthesize(given, "-o", tmp_path / "out", "--format", wanted)
    assert done.code == 0, done.err
    assert leaks(done.out + done.err) == set()
    assert leaks_below(tmp_path / "out") == {}


@pytest.mark.robustness("privacy-dicom")
def test_a_deidentified_dicom_result_holds_nothing_of_the_patient_either(
    plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    write_dicom(tmp_path / EXPORT, plain)
    done = synthesize(tmp_path / EXPORT, "-o", tmp_path / "out", "--format", "dicom", "--deidentify")
    assert done.code == 0, done.err
    assert leaks_below(tmp_path / "out") == {}


@pytest.mark.robustness("privacy-names")
@pytest.mark.parametrize(
    "place", [EXPORT, f"{EXPORT}/study/scan", "study/Zofia QUISTGAARD", "1947-06-13", "acc_88123554"]
)
def test_results_of_an_export_that_is_called_after_the_patient_are_not(
    place: str, plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    write_dicom(tmp_path / "in" / place, plain)
    for given in {tmp_path / "in" / place, tmp_path / "in"}:
        done = synthesize(given, "-o", tmp_path / "out" / given.name[:2], "--format", "nifti")
        assert done.code == 0, done.err
    assert leaks_below(tmp_path / "out") == {}
    assert all("series004" in path.name for path in (tmp_path / "out").rglob("*.json"))


@pytest.mark.robustness("privacy-names")
def test_results_of_a_single_file_that_is_called_after_the_patient_are_not(
    plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    source = write_dicom(tmp_path / "in", plain) / "0008.dcm"
    named = source.rename(tmp_path / "Quistgaard Wilhelmina.dcm")
    assert synthesize(named, "-o", tmp_path / "out").code == 0
    assert leaks_below(tmp_path / "out") == {}


@pytest.mark.robustness("privacy-names")
def test_two_patients_results_keep_apart(plain: Path, synthesize: Callable[..., Any], tmp_path: Path) -> None:
    folders = [write_dicom(tmp_path / part / EXPORT, plain) for part in ("a", "b")]
    done = synthesize(*folders, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2
    assert leaks_below(tmp_path / "out") == {}


@pytest.fixture
def cohort(head: Any, tmp_path: Path) -> Path:
    """Training folders of the patient's scans: DICOM in an export's folders, and NIfTI."""
    for contrast, people in (("t1", (1, 2)), ("t2", (3, 4))):
        made = [
            head(tmp_path / "plain" / f"{contrast}{person}.nii.gz", contrast, person) for person in people
        ]
        write_dicom(tmp_path / "cohort" / contrast / EXPORT / "scan", made[0])
        write_nifti(tmp_path / "cohort" / contrast / f"hospital-{contrast.upper()}.nii.gz", made[1])
    return tmp_path / "cohort"


@pytest.mark.robustness("privacy-training")
def test_a_training_writes_and_prints_nothing_of_the_patients(
    cohort: Path, medgan: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    folders = ("--t1-dir", cohort / "t1", "--t2-dir", cohort / "t2")
    changes = [part for change in (*tiny, "training.tensorboard=true") for part in ("--set", change)]
    done = medgan("train", *folders, "-o", run, "--device", "cpu", "-v", *changes)
    assert done.code == 0, done.err
    assert "T1w: 2 scans" in done.out
    assert leaks(done.out + done.err) == set()
    assert leaks_below(run) == {}
    for file in run.rglob("*"):  # nor what the user called the files, since models are passed on
        assert b"hospital" not in (file.read_bytes() if file.is_file() else b"").lower(), file


@pytest.mark.robustness("privacy-training")
def test_what_a_training_keeps_until_its_end_names_no_one(
    cohort: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    cases = prepare_folder(cohort / "t1", "t1", recipe=load_recipe("slices", tiny), cache=tmp_path / "cache")
    assert leaks_below(tmp_path / "cache") == {}
    assert leaks(repr(cases)) == set()


@pytest.mark.robustness("privacy-training")
def test_synthetic_scans_in_a_training_folder_are_left_out_and_told(
    cohort: Path, synthesize: Callable[..., Any], medgan: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    made = synthesize(cohort / "t1" / "hospital-T1.nii.gz", "-o", cohort / "t2" / "more_T2w.nii.gz")
    assert made.code == 0, made.err
    (cohort / "t2" / "more_T2w.json").unlink()
    changes = [part for change in tiny for part in ("--set", change)]
    folders = ("--t1-dir", cohort / "t1", "--t2-dir", cohort / "t2")
    done = medgan("train", *folders, "-o", tmp_path / "run", "--device", "cpu", "-q", *changes)
    assert done.code == 0, done.err
    assert "1 result of medgan left out of the t2 folder" in done.err


@pytest.mark.robustness("privacy-names")
def test_a_report_of_what_was_found_names_no_one(cohort: Path, medgan: Any, tmp_path: Path) -> None:
    gap = write_dicom(cohort / "t1" / "gap" / EXPORT, cohort.parent / "plain" / "t11.nii.gz", number=9)
    (gap / "0008.dcm").unlink()
    write_dicom(cohort / "t1" / EXPORT / "t2", cohort.parent / "plain" / "t23.nii.gz", number=5)
    report = tmp_path / "out" / "report.html"
    done = medgan("inspect", cohort / "t1" / EXPORT, cohort / "t1", "-o", report, "-v")
    assert done.code == 0, done.err
    text = report.read_text(encoding="utf-8")
    assert leaks_below(report.parent) == {}
    assert "slices missing" in text
    assert "folder 2/scan #4" in text.replace("<wbr>", "")
    assert "hospital-T1" in text
    assert leaks(done.out + done.err) == set()


@pytest.mark.robustness("privacy-dicom")
def test_inspect_prints_nothing_that_headers_say_of_the_patient(
    plain: Path, medgan: Any, tmp_path: Path
) -> None:
    write_dicom(tmp_path / "in" / "a", plain)
    write_nifti(tmp_path / "in" / "b.nii.gz", plain)
    for options in ((), ("--json",), ("-v",)):
        done = medgan("inspect", tmp_path / "in", *options)
        assert done.code == 0, done.err
        assert leaks(done.out + done.err) == set()


def _same_position(folder: Path) -> None:
    _edit(folder / "0003.dcm", ImagePositionPatient=pydicom.dcmread(folder / "0002.dcm").ImagePositionPatient)


def _edit(*files: Path, **attributes: Any) -> None:
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


@pytest.mark.robustness("privacy-dicom")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "0005.dcm").unlink(),
        _same_position,
        lambda folder: _edit(folder / "0001.dcm", ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        lambda folder: _edit(folder / "0001.dcm", PixelData=b"\0\0"),
        lambda folder: _edit(*folder.iterdir(), Modality="CT"),
        lambda folder: (folder / "0004.dcm").write_bytes((folder / "0004.dcm").read_bytes()[:900]),
        lambda folder: write_dicom(folder / "more", folder.parent / "plain" / "head.nii.gz", number=5),
    ],
    ids=["gap", "twice", "orientation", "pixels", "ct", "cut", "two-series"],
)
def test_a_refusal_says_nothing_of_the_patient(
    spoil: Callable[[Path], Any], plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_dicom(tmp_path / "in", plain)
    spoil(folder)
    done = synthesize(folder, "-o", tmp_path / "out")
    assert done.code == 3, done.err
    assert leaks(done.out + done.err) == set()
    assert not (tmp_path / "out").exists()


@pytest.mark.robustness("privacy-names")
@pytest.mark.parametrize("spoil", ["gap", "cut", "two"])
def test_a_refusal_tells_a_folder_that_is_called_after_the_patient_by_its_place(
    spoil: str, plain: Path, synthesize: Callable[..., Any], medgan: Any, tmp_path: Path
) -> None:
    folder = write_dicom(tmp_path / "in" / EXPORT / "scan", plain)
    if spoil == "gap":
        (folder / "0005.dcm").unlink()
    elif spoil == "cut":
        (folder / "0004.dcm").write_bytes((folder / "0004.dcm").read_bytes()[:900])
    else:
        write_dicom(tmp_path / "in" / EXPORT / "more", plain, number=5)
    done = synthesize(tmp_path / "in" / EXPORT, "-o", tmp_path / "out")
    assert (done.code, "in/folder 1" in done.err) == (3, True), done.err
    assert leaks(done.out + done.err) == set()
    for options in ((), ("-v",), ("-q",)):
        seen = medgan("inspect", tmp_path / "in" / EXPORT, *options)
        assert seen.code == (0 if spoil == "two" else 3)
        assert leaks(seen.out + seen.err) == set()


@pytest.mark.robustness("privacy-training")
def test_a_training_tells_what_it_does_not_use_without_the_patients_name(
    cohort: Path, medgan: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    gap = write_dicom(cohort / "t1" / EXPORT / "gap", cohort.parent / "plain" / "t11.nii.gz", number=9)
    (gap / "0008.dcm").unlink()
    changes = [part for change in tiny for part in ("--set", change)]
    folders = ("--t1-dir", cohort / "t1", "--t2-dir", cohort / "t2")
    done = medgan("train", *folders, "-o", tmp_path / "run", "--device", "cpu", "-q", *changes)
    assert done.code == 0, done.err
    assert re.search(r"not used: \S*/t1/folder 1/gap: has slices missing", done.err), done.err
    assert leaks(done.out + done.err) == set()


@pytest.mark.robustness("privacy-nifti")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_refusal_of_a_damaged_file_says_nothing_of_the_patient(
    share: float, plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("a.nii", "a.nii.gz"):
        file = write_nifti(tmp_path / "in" / name, plain)
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        done = synthesize(file, "-o", tmp_path / "out")
        assert done.code == 3, done.err
        assert leaks(done.out + done.err) == set()


@pytest.mark.robustness("privacy-synthetic-mark")
@pytest.mark.parametrize("name", ["T2.nii.gz", "T2.nii", "T2.png", "slice.png"])
def test_a_result_is_known_as_synthetic_without_its_name_and_its_sidecar(
    name: str, plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    given = plain
    if name == "slice.png":
        given = write_pictures(tmp_path / "png", plain, suffix=".png") / "slice8.png"
    assert synthesize(given, "-o", tmp_path / "out" / name).code == 0
    renamed = (tmp_path / "out" / name).rename(tmp_path / f"renamed{''.join(Path(name).suffixes)}")
    assert read_scan(renamed).source.facts["synthetic"] is True
    again = synthesize(renamed, "-o", tmp_path / "again")
    assert again.code == 3
    assert "synthetic" in again.err
    assert not (tmp_path / "again").exists()


@pytest.mark.robustness("privacy-synthetic-mark")
def test_a_sidecar_alone_marks_an_image_that_lost_its_own_mark(
    plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    made = tmp_path / "T2.nii.gz"
    assert synthesize(plain, "-o", made).code == 0
    image = nibabel.load(made)
    image.header["descrip"] = b""
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), made)
    assert read_scan(made).source.facts["synthetic"] is True
    made.with_name("T2.json").unlink()
    assert "synthetic" not in read_scan(made).source.facts


@pytest.mark.robustness("privacy-synthetic-mark")
def test_one_marked_slice_makes_a_dicom_series_synthetic(
    plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_dicom(tmp_path / "in", plain)
    assert "synthetic" not in read_scan(folder).source.facts
    _edit(folder / "0007.dcm", SyntheticData="YES")
    assert read_scan(folder).source.facts["synthetic"] is True
    assert synthesize(folder, "-o", tmp_path / "out").code == 3


@pytest.mark.robustness("privacy-synthetic-mark")
def test_a_dicom_result_is_known_as_synthetic_and_stays_so_through_dcm2niix(
    plain: Path, synthesize: Callable[..., Any], tmp_path: Path
) -> None:
    dcm2niix = pytest.importorskip("dcm2niix")
    import subprocess

    folder = write_dicom(tmp_path / "in", plain)
    done = synthesize(folder, "-o", tmp_path / "out", "--format", "dicom")
    assert done.code == 0, done.err
    (series,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert read_scan(series).source.facts["synthetic"] is True
    (tmp_path / "nifti").mkdir()
    # by the sidecar, by the name, by the header alone
    for options in (("-b", "y", "-f", "x"), ("-b", "n", "-f", "%p_%s"), ("-b", "n", "-f", "z")):
        command = [dcm2niix.bin, *options, "-z", "n", "-o", tmp_path / "nifti", series]
        subprocess.run(command, check=True, capture_output=True)
    converted = sorted((tmp_path / "nifti").glob("*.nii"))
    assert len(converted) == 3
    for file in converted:
        assert read_scan(file).source.facts.get("synthetic") is True, file.name
