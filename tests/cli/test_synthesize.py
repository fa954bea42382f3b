"""`medgan synthesize`: exactly the files that its help promises, or none and a reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

Synthesize = Callable[..., Any]


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Synthesize:
    """The command with a model, on the CPU."""

    def call(*arguments: object, target: str = "t2", model: Path = tiny_run) -> Any:
        return medgan("synthesize", *arguments, "--target", target, "--model", model, "--device", "cpu")

    return call


@pytest.fixture
def scan(head: Any, tmp_path: Path) -> Path:
    """A T1w head whose name says nothing."""
    made: Path = head(tmp_path / "in" / "scan.nii.gz", "t1", 1)
    return made


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_name_gives_exactly_that_file_and_its_sidecar(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    done = synthesize(scan, "-o", tmp_path / "out" / "t2.nii.gz")
    assert done.code == 0, done.err
    assert below(tmp_path / "out") == ["t2.json", "t2.nii.gz"]
    made, source = nibabel.load(tmp_path / "out" / "t2.nii.gz"), nibabel.load(scan)
    assert made.shape == source.shape
    assert np.array_equal(made.affine, source.affine)
    assert str(tmp_path / "out" / "t2.nii.gz") in done.out
    assert "not for diagnosis" in done.out


@pytest.mark.parametrize(("name", "sidecar"), [("t2.nii", "t2.json"), ("a.b.nii.gz", "a.b.json")])
def test_the_sidecar_is_called_after_the_file(
    name: str, sidecar: str, synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "out" / name).code == 0
    assert below(tmp_path / "out") == sorted([name, sidecar])


def test_a_folder_gets_a_name_that_says_what_it_is(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "out").code == 0
    stem = "scan_desc-medganFromT1w_T2w"
    assert below(tmp_path / "out") == [f"{stem}.json", f"{stem}.nii.gz"]


def test_without_out_results_lie_in_the_working_folder(
    synthesize: Synthesize, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert synthesize(scan).code == 0
    assert below(tmp_path / "work") == [f"scan_desc-medganFromT1w_T2w.{end}" for end in ("json", "nii.gz")]


def test_a_bids_name_keeps_its_entities_and_changes_its_suffix(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    path = head(tmp_path / "in" / "sub-07_ses-1_T1w.nii.gz", "t1", 1)
    assert synthesize(path, "-o", tmp_path / "out").code == 0
    assert "sub-07_ses-1_desc-medganFromT1w_T2w.nii.gz" in below(tmp_path / "out")


def test_the_sidecar_says_that_it_is_synthetic_and_by_what_it_was_made(
    synthesize: Synthesize, scan: Path, tiny_run: Path, tmp_path: Path
) -> None:
    from medgan.models import load_model

    synthesize(scan, "-o", tmp_path / "t2.nii.gz")
    text = (tmp_path / "t2.json").read_text()
    said = json.loads(text)
    assert said["SyntheticData"] is True
    assert said["Sources"] == ["scan.nii.gz"]
    assert said["Medgan"]["ModelSHA256"] == load_model(tiny_run).digest
    assert said["Medgan"]["Direction"] == "T1w to T2w"
    assert "not for diagnosis" in text
    assert str(tmp_path) not in text


def test_the_same_command_gives_the_same_bytes(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        synthesize(scan, "-o", tmp_path / name / "t2.nii.gz")
    for name in ("t2.nii.gz", "t2.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("out", ["scan.nii.gz", "scan.nii", "../in/scan.nii.gz", "link/scan.nii.gz"])
def test_the_input_and_its_sidecar_are_never_written_over(
    out: str, synthesize: Synthesize, scan: Path
) -> None:
    (scan.parent / "link").symlink_to(scan.parent)
    (scan.parent / "scan.json").write_text('{"EchoTime": 0.01}')
    before = {path.name: path.read_bytes() for path in scan.parent.iterdir() if path.is_file()}
    done = synthesize(scan, "-o", scan.parent / out)
    assert done.code == 2
    assert {path.name: path.read_bytes() for path in scan.parent.iterdir() if path.is_file()} == before


def test_several_inputs_need_a_folder(synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path) -> None:
    other = head(tmp_path / "in" / "other.nii.gz", "t1", 2)
    done = synthesize(scan, other, "-o", tmp_path / "out.nii.gz")
    assert done.code == 2
    assert "Give a folder" in done.err
    assert not (tmp_path / "out.nii.gz").exists()
    assert synthesize(scan, other, "-o", tmp_path / "out").code == 0
    assert len([name for name in below(tmp_path / "out") if name.endswith(".nii.gz")]) == 2


def test_a_bad_scan_in_a_cohort_does_not_stop_the_others(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path
) -> None:
    (scan.parent / "bad.nii.gz").write_bytes(scan.read_bytes()[:1000])
    head(scan.parent / "zz.nii.gz", "t1", 2)
    done = synthesize(scan.parent, "-o", tmp_path / "out")
    assert done.code == 3
    assert "1 of 3 inputs were refused" in done.err
    assert "bad.nii.gz" in done.err
    assert [name.split("_")[0] for name in below(tmp_path / "out") if name.endswith(".nii.gz")] == [
        "scan",
        "zz",
    ]


def test_a_name_with_no_room_for_more_is_refused_alone(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    for name in ("a" * 240, "b"):
        head(tmp_path / "in" / f"{name}.nii.gz", "t1", 1)
    done = synthesize(tmp_path / "in", "-o", tmp_path / "out")
    assert done.code == 3, done.err
    assert f"{'a' * 240}.nii.gz\n    has a name of 240 letters" in done.err
    stem = "b_desc-medganFromT1w_T2w"
    assert below(tmp_path / "out") == [f"{stem}.json", f"{stem}.nii.gz"]


def test_two_scans_of_one_name_are_told_apart_by_their_folders(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    a, b = (head(tmp_path / name / "scan.nii.gz", "t1", person) for name, person in (("a", 1), ("b", 2)))
    names = [f"{name}_scan_desc-medganFromT1w_T2w.{end}" for name in "ab" for end in ("json", "nii.gz")]
    done = synthesize(a, b, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert below(tmp_path / "out") == names
    for path in (a, b):
        shutil.copytree(path.parent, tmp_path / "both" / path.parent.name)
    assert synthesize(tmp_path / "both", "-o", tmp_path / "again").code == 0
    assert below(tmp_path / "again") == names


@pytest.mark.parametrize("bits", [8, 16])
def test_a_picture_gives_a_picture_of_its_size_and_depth(
    bits: int, synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    plane = nibabel.load(scan).get_fdata()[:, :, 8]
    grey = (plane.T[::-1, ::-1] / plane.max() * (2**bits - 1)).round()
    path = tmp_path / "in" / "slice.png"
    Image.fromarray(grey.astype(np.uint8 if bits == 8 else np.uint16)).save(path)
    assert synthesize(path, "-o", tmp_path / "out").code == 0
    stem = "slice_desc-medganFromT1w_T2w"
    assert below(tmp_path / "out") == [f"{stem}.json", f"{stem}.nii.gz", f"{stem}.png"]
    with Image.open(tmp_path / "out" / f"{stem}.png") as made, Image.open(path) as source:
        assert made.size == source.size
        assert made.mode == source.mode
        assert "synthetic" in made.info["Description"]
    assert synthesize(path, "-o", tmp_path / "png", "--format", "png").code == 0
    assert below(tmp_path / "png") == [f"{stem}.json", f"{stem}.png"]
    assert synthesize(path, "-o", tmp_path / "exact.png").code == 0
    assert (tmp_path / "exact.png").read_bytes() == (tmp_path / "out" / f"{stem}.png").read_bytes()


def test_a_volume_as_png_is_a_contact_sheet(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    assert synthesize(scan, "-o", tmp_path / "out", "--format", "png").code == 0
    stem = "scan_desc-medganFromT1w_T2w"
    assert below(tmp_path / "out") == [f"{stem}.json", f"{stem}.png"]
    with Image.open(tmp_path / "out" / f"{stem}.png") as sheet:
        assert sheet.width * sheet.height > 4 * 32 * 40


def test_a_dicom_folder_is_one_scan(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    from medgan.scans.dicom_writing import write_series
    from medgan.scans.scan import Scan, Source

    voxels = np.round(nibabel.load(scan).get_fdata(dtype=np.float32))
    source = Scan(
        voxels=voxels,
        affine=np.diag([-5.0, 5, 5, 1]),
        source=Source(path=Path("x"), kind="array", stem="x"),
    )
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    for number in (4, 7):
        write_series(
            tmp_path / "study" / str(number), source, description="T1w", series_number=number, facts=facts
        )
    done = synthesize(tmp_path / "study" / "4", "-o", tmp_path / "t2.nii.gz")
    assert done.code == 0, done.err
    assert nibabel.load(tmp_path / "t2.nii.gz").shape == voxels.shape
    done = synthesize(tmp_path / "study", "-o", tmp_path / "two.nii.gz")
    assert done.code == 3
    assert "--series" in done.err
    assert synthesize(tmp_path / "study", "-o", tmp_path / "two.nii.gz", "--series", "7").code == 0
    assert (tmp_path / "two.nii.gz").is_file()


def test_one_volume_of_a_4d_file_is_chosen_by_its_number(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    image = nibabel.load(scan)
    voxels = image.get_fdata(dtype=np.float32)
    both = nibabel.Nifti1Image(np.stack([voxels[::-1], voxels], axis=-1), image.affine)
    nibabel.save(both, tmp_path / "in" / "both.nii.gz")
    done = synthesize(tmp_path / "in" / "both.nii.gz", "-o", tmp_path / "t2.nii.gz")
    assert done.code == 3
    assert "--volume" in done.err
    assert not (tmp_path / "t2.nii.gz").exists()
    assert synthesize(tmp_path / "in" / "both.nii.gz", "-o", tmp_path / "t2.nii.gz", "--volume", 1).code == 0
    assert synthesize(scan, "-o", tmp_path / "alone.nii.gz").code == 0
    made, alone = (nibabel.load(tmp_path / name).get_fdata() for name in ("t2.nii.gz", "alone.nii.gz"))
    assert np.array_equal(made, alone)


def test_a_scan_that_is_the_target_contrast_already_is_warned_of(
    synthesize: Synthesize, head: Any, tmp_path: Path
) -> None:
    path = head(tmp_path / "sub-01_T2w.nii.gz", "t2", 3)
    done = synthesize(path, "-q", "-o", tmp_path / "out.nii.gz")
    assert done.code == 0
    assert "looks like T2w already" in done.err
    warnings = json.loads((tmp_path / "out.json").read_text())["Medgan"]["Warnings"]
    assert any("T2w" in text for text in warnings)
    assert synthesize(path, "-q", "-o", tmp_path / "t1.nii.gz", target="t1").err == ""


def test_quiet_says_nothing(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    done = synthesize(scan, "-q", "-o", tmp_path / "t2.nii.gz")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_without_a_model_it_says_how_to_get_one(
    medgan: Any, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medgan.models.catalogue.WEIGHTS", tmp_path / "none")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    done = medgan("synthesize", scan, "--target", "t2")
    assert done.code == 4
    assert "medgan train" in done.err
    done = medgan("synthesize", scan, "--target", "t2", "--model", "absent")
    assert done.code == 4
    assert "absent" in done.err
    assert below(tmp_path / "work") == []


def test_the_run_in_the_working_folder_is_the_default_model(
    medgan: Any, scan: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "medgan-run").symlink_to(tiny_run)
    monkeypatch.chdir(tmp_path / "work")
    assert medgan("synthesize", scan, "--target", "t2", "-o", "t2.nii.gz").code == 0


def test_a_damaged_model_is_refused_before_anything_is_written(
    synthesize: Synthesize, scan: Path, tiny_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run / "model", tmp_path / "model")
    path = tmp_path / "model" / "t1_to_t2.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    done = synthesize(scan, "-o", tmp_path / "t2.nii.gz", model=tmp_path / "model")
    assert done.code == 4
    assert "checksum" in done.err
    assert not (tmp_path / "t2.nii.gz").exists()
    assert synthesize(scan, "-o", tmp_path / "t1.nii.gz", target="t1", model=tmp_path / "model").code == 4


@pytest.mark.parametrize(("device", "code"), [("gpu", 2), ("cpu:3", 2), ("cuda:99", 6)])
def test_a_device_that_is_none_or_not_there_is_refused(
    device: str, code: int, medgan: Any, scan: Path, tiny_run: Path, tmp_path: Path
) -> None:
    done = medgan(
        "synthesize",
        scan,
        "--target",
        "t2",
        "--model",
        tiny_run,
        "-o",
        tmp_path / "x.nii.gz",
        "--device",
        device,
    )
    assert done.code == code
    assert device in done.err
    assert not (tmp_path / "x.nii.gz").exists()


@pytest.mark.parametrize("name", ["absent.nii.gz", "empty", "notes.txt"])
def test_an_input_that_is_none_is_refused_by_name(name: str, synthesize: Synthesize, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no scan")
    done = synthesize(tmp_path / name, "-o", tmp_path / "out")
    assert done.code == 3
    assert name in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--volume", "0"], "--volume"), (["--series", "3"], "--series"), (["--format", "jpeg"], "--format")],
)
def test_an_option_that_the_input_does_not_have_is_wrong_usage(
    more: list[str], said: str, synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "in" / "slice.png"
    Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).save(picture)
    done = synthesize(picture if "--volume" in more else scan, "-o", tmp_path / "out", *more)
    assert done.code == 2
    assert said in done.err


def test_an_output_folder_that_cannot_be_made_is_an_output_error(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in ("file/out", "file/t2.nii.gz"):
        assert synthesize(scan, "-o", tmp_path / out).code == 5
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_an_output_error_that_leaves_nothing(
    synthesize: Synthesize, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    done = synthesize(scan, "-o", tmp_path / "out" / "t2.nii.gz")
    assert done.code == 5
    assert "No space left" in done.err
    assert below(tmp_path / "out") == []


def test_an_image_that_medgan_did_not_make_is_not_written_over(
    synthesize: Synthesize, scan: Path, head: Any, tmp_path: Path
) -> None:
    acquired: Path = head(tmp_path / "acquired_T2w.nii.gz", "t2", 1)
    before = acquired.read_bytes()
    refused = synthesize(scan, "-o", acquired)
    assert refused.code == 2
    assert acquired.read_bytes() == before


def test_a_result_of_its_own_is_replaced(synthesize: Synthesize, scan: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert synthesize(scan, "-o", tmp_path / "t2.nii.gz").code == 0


def test_an_empty_folder_does_not_stop_the_other_inputs(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert synthesize(tmp_path / "empty", scan, "-o", tmp_path / "out").code == 3
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 1


def test_an_upper_case_suffix_names_the_file_all_the_same(
    synthesize: Synthesize, scan: Path, tmp_path: Path
) -> None:
    assert synthesize(scan, "-o", tmp_path / "T2.NII.GZ").code == 0
    assert (tmp_path / "T2.NII.GZ").is_file()


def test_an_interrupted_cohort_says_how_far_it_came_and_how_to_go_on(
    synthesize: Synthesize, head: Any, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.synthesis import members

    read = members.read_scan

    def interrupted(found: Any, **options: Any) -> Any:
        if found.stem == "zz":
            raise KeyboardInterrupt
        return read(found, **options)

    head(scan.parent / "zz.nii.gz", "t1", 2)
    monkeypatch.setattr(members, "read_scan", interrupted)
    done = synthesize(scan.parent, "-o", tmp_path / "out")
    assert done.code == 130
    assert "interrupted: 1 of 2 inputs are done" in done.err
    assert "--resume" in done.err
    alone = synthesize(scan.parent / "zz.nii.gz", "-o", tmp_path / "out")
    assert alone.code == 130
    assert alone.err.strip().endswith("Interrupted.")
