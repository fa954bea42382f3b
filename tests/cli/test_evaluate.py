"""Claims about `medgan evaluate`: what it prints, what it leaves, and with which code it exits."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

Medgan = Callable[..., Any]
Head = Callable[..., Path]


def spoil(path: Path, out: Path, amount: float) -> Path:
    """The same head with noise in it."""
    image = nibabel.load(path)
    voxels = image.get_fdata(dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, amount * voxels.std(), voxels.shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image((voxels + noise).astype(np.float32), image.affine), out)
    return out


@pytest.fixture
def pair(head: Head, tmp_path: Path) -> dict[str, Path]:
    """A prediction, the reference and the source of one head."""
    real = head(tmp_path / "sub-01_T2w.nii.gz", "t2", 1)
    return {
        "ref": real,
        "source": head(tmp_path / "sub-01_T1w.nii.gz", "t1", 1),
        "pred": spoil(real, tmp_path / "sub-01_desc-medganFromT1w_T2w.nii.gz", 0.2),
    }


@pytest.fixture
def folders(head: Head, tmp_path: Path) -> dict[str, Path]:
    """Three subjects, of whom the second is only predicted."""
    for person in (1, 2, 3):
        real = head(tmp_path / "all" / f"sub-{person:02d}_T2w.nii.gz", "t2", person)
        spoil(real, tmp_path / "pred" / f"sub-{person:02d}_desc-medganFromT1w_T2w.nii.gz", 0.1 * person)
        head(tmp_path / "source" / f"sub-{person:02d}_T1w.nii.gz", "t1", person)
        if person != 2:
            head(tmp_path / "ref" / real.name, "t2", person)
    return {key: tmp_path / key for key in ("pred", "ref", "source")}


def options(folders: dict[str, Path]) -> list[object]:
    return [part for key, folder in folders.items() for part in (f"--{key}-dir", folder)]


def test_a_pair_is_judged_beside_the_baselines_and_the_protocol(
    medgan: Medgan, pair: dict[str, Path]
) -> None:
    done = medgan("evaluate", pair["pred"], pair["ref"], "--source", pair["source"])
    assert done.code == 0
    for part in (
        "PSNR, dB",
        "SSIM",
        "copied: the source as it is",
        "gain",
        "Protocol 2, in the foreground: the head",
        "0.5 and 99.5",
        "Flicker",
    ):
        assert part in done.out
    assert "not for diagnosis" in done.out


def test_the_folder_holds_json_csv_and_a_page(medgan: Medgan, pair: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "judged"
    assert medgan("evaluate", pair["pred"], pair["ref"], "--source", pair["source"], "-o", out).code == 0
    assert sorted(one.name for one in out.iterdir()) == ["metrics.csv", "metrics.json", "report.html"]
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert found["protocol"]["version"] == "2"
    subject = found["subjects"][0]
    assert subject["name"] == "sub-01"
    assert {"psnr", "ssim", "mae", "r", "nrmse", "nmi"} == set(subject["foreground"])
    assert set(subject["foreground"]) | {"ms_ssim"} == set(subject["whole"])
    assert set(subject["baselines"]) == {"copy", "histogram"}
    assert {"psnr", "ssim", "mae", "r"} <= set(subject["baselines"]["copy"])
    assert found["summary"]["T2w"]["foreground"]["ssim"]["mean"] == subject["foreground"]["ssim"]
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["foreground_ssim"]) == subject["foreground"]["ssim"]
    assert float(rows[0]["copy_r"]) == subject["baselines"]["copy"]["r"]
    assert float(rows[0]["gain_psnr"]) == subject["gain"]["psnr"]
    assert str(tmp_path) not in (out / "report.html").read_text(encoding="utf-8")


def test_a_way_out_is_one_that_the_command_has(medgan: Medgan, pair: dict[str, Path], tmp_path: Path) -> None:
    image = nibabel.load(pair["pred"])
    several = tmp_path / "several_T2w.nii.gz"
    nibabel.save(
        nibabel.Nifti1Image(np.stack([image.get_fdata(dtype=np.float32)] * 2, 3), image.affine), several
    )
    done = medgan("evaluate", several, pair["ref"])
    assert done.code == 3
    assert "into a file or folder of its own" in done.err
    other = medgan("synthesize", several, "--target", "t1", "-o", tmp_path / "out")
    assert "--volume" in other.err
    assert "of its own" not in other.err


def test_of_many_scans_that_are_alone_some_are_named(
    medgan: Medgan, pair: dict[str, Path], tmp_path: Path
) -> None:
    for key in ("pred", "ref"):
        (tmp_path / "in" / key).mkdir(parents=True)
        (tmp_path / "in" / key / pair[key].name).write_bytes(pair[key].read_bytes())
    for number in range(20, 40):
        (tmp_path / "in" / "ref" / f"sub-{number}_T2w.nii.gz").write_bytes(pair["ref"].read_bytes())
    asked = ["evaluate", "--pred-dir", tmp_path / "in" / "pred", "--ref-dir", tmp_path / "in" / "ref"]
    done = medgan(*asked, "-o", tmp_path / "out")
    assert done.err.count("no prediction of that name") == 10
    assert "10 more scans were left out" in done.err
    found = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert len(found["left_out"]) == 20
    assert medgan(*asked, "-v").err.count("no prediction of that name") == 20


def test_an_image_beside_itself_is_told(medgan: Medgan, pair: dict[str, Path]) -> None:
    assert "are the same image" in medgan("evaluate", pair["ref"], pair["ref"]).err


def test_without_a_source_the_lack_of_baselines_is_told(medgan: Medgan, pair: dict[str, Path]) -> None:
    done = medgan("evaluate", pair["pred"], pair["ref"])
    assert done.code == 0
    assert "no baselines" in done.out
    assert "no baselines" not in medgan("evaluate", pair["pred"], pair["ref"], "--source", pair["source"]).out


def test_folders_are_matched_and_what_is_alone_is_named(
    medgan: Medgan, folders: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "judged"
    done = medgan("evaluate", *options(folders), "-o", out)
    assert done.code == 0
    assert "sub-02: no reference of that name" in done.err
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in found["subjects"]] == ["sub-01", "sub-03"]
    assert found["left_out"] == ["sub-02: no reference of that name"]
    summary = found["summary"]["T2w"]
    assert summary["subjects"] == 2
    assert summary["gain"]["ssim"]["p"] == 0.5
    low, high = summary["foreground"]["ssim"]["interval"]
    assert low <= summary["foreground"]["ssim"]["mean"] <= high


def test_a_bad_subject_does_not_stop_the_rest(
    medgan: Medgan, folders: dict[str, Path], tmp_path: Path
) -> None:
    bad = folders["ref"] / "sub-03_T2w.nii.gz"
    bad.write_bytes(bad.read_bytes()[:500])
    out = tmp_path / "judged"
    done = medgan("evaluate", *options(folders), "-o", out)
    assert done.code == 3
    assert "1 of 2 subjects were refused" in done.err
    assert "Traceback" not in done.err
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in found["subjects"]] == ["sub-01"]
    assert any("sub-03" in text for text in found["left_out"])


def test_other_grids_are_refused_with_both_and_the_way_out(
    medgan: Medgan, pair: dict[str, Path], head: Head, tmp_path: Path
) -> None:
    other = head(tmp_path / "other.nii.gz", "t2", 1, shape=(32, 40, 14))
    out = tmp_path / "judged"
    done = medgan("evaluate", pair["pred"], other, "-o", out)
    assert done.code == 3
    assert "32 x 40 x 16 voxels against 32 x 40 x 14" in done.err
    assert "--register" in done.err
    assert not out.exists()


def test_with_register_the_reference_is_moved_and_the_move_told(
    medgan: Medgan, head: Head, tmp_path: Path
) -> None:
    grid = {"shape": (48, 56, 44), "spacing": 4.0}
    pred = head(tmp_path / "pred_T2w.nii.gz", "t2", 1, **grid)
    ref = head(tmp_path / "ref_T2w.nii.gz", "t2", 1, **grid)
    image = nibabel.load(ref)
    affine = np.array(image.affine)
    affine[:3, 3] += (5, -3, 2)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), affine), ref)
    out = tmp_path / "judged"
    done = medgan("evaluate", pred, ref, "--register", "-o", out)
    assert done.code == 0
    assert "The reference was moved by" in done.out
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["subjects"][0]
    assert found["registration"]["millimetres"] == pytest.approx(np.sqrt(25 + 9 + 4), abs=0.5)
    assert found["foreground"]["r"] > 0.97


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.nii.gz"],
        ["a.nii.gz", "b.nii.gz", "--pred-dir", "c"],
        ["--pred-dir", "c"],
        ["--pred-dir", "c", "--ref-dir", "d", "--source", "e"],
        ["--model", "m", "--t1-dir", "c"],
        ["--source-dir", "c"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(medgan: Medgan, arguments: list[str]) -> None:
    done = medgan("evaluate", *arguments)
    assert done.code == 2
    assert "--pred-dir --ref-dir" in done.err
    assert "Traceback" not in done.err


def test_a_folder_with_other_things_is_left_alone(
    medgan: Medgan, pair: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "metrics.csv").write_text("mine", encoding="utf-8")
    (out / "thesis.txt").write_text("mine", encoding="utf-8")
    done = medgan("evaluate", pair["pred"], pair["ref"], "-o", out)
    assert done.code == 2
    assert sorted(one.name for one in out.iterdir()) == ["metrics.csv", "thesis.txt"]
    assert (out / "metrics.csv").read_text(encoding="utf-8") == "mine"
    assert medgan("evaluate", pair["pred"], pair["ref"], "-o", pair["ref"]).code == 2
    assert nibabel.load(pair["ref"]).shape == (32, 40, 16)


def test_an_earlier_evaluation_is_replaced_whole(
    medgan: Medgan, pair: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "judged"
    for prediction in (pair["pred"], pair["ref"]):
        assert medgan("evaluate", prediction, pair["ref"], "-o", out).code == 0
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert found["subjects"][0]["foreground"]["mae"] == 0
    assert sorted(one.name for one in out.iterdir()) == ["metrics.csv", "metrics.json", "report.html"]


def test_figures_that_are_someone_elses_are_not_replaced(
    medgan: Medgan, pair: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "metrics.json").write_text('{"mine": 1}', encoding="utf-8")
    assert medgan("evaluate", pair["pred"], pair["ref"], "-o", out).code == 2
    assert (out / "metrics.json").read_text(encoding="utf-8") == '{"mine": 1}'


def test_what_cannot_be_written_is_exit_code_5(medgan: Medgan, pair: dict[str, Path], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    done = medgan("evaluate", pair["pred"], pair["ref"], "-o", blocked / "judged")
    assert done.code == 5
    assert "Traceback" not in done.err


def test_quiet_says_nothing_but_warnings(medgan: Medgan, pair: dict[str, Path]) -> None:
    done = medgan("evaluate", pair["pred"], pair["ref"], "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert "looks like T1w" in medgan("evaluate", pair["source"], pair["ref"], "-q").err


def test_no_name_of_a_patient_is_written(medgan: Medgan, pair: dict[str, Path], tmp_path: Path) -> None:
    made = tmp_path / "in" / "Mustermann_T2w.nii.gz"
    made.parent.mkdir()
    made.write_bytes(pair["pred"].read_bytes())
    (tmp_path / "in" / "Mustermann_T2w.json").write_text(
        '{"PatientName": "Mustermann^Max"}', encoding="utf-8"
    )
    out = tmp_path / "judged"
    assert medgan("evaluate", made, pair["ref"], "-o", out).code == 0
    for file in out.iterdir():
        assert "mustermann" not in file.read_text(encoding="utf-8").casefold()


def test_a_model_is_judged_in_both_directions(
    medgan: Medgan, head_folders: Any, tiny_run: Path, head: Head, tmp_path: Path
) -> None:
    for person in (7, 8):
        for contrast in ("t1", "t2"):
            head(tmp_path / contrast / f"sub-{person:02d}_{contrast.upper()}w.nii.gz", contrast, person)
    out = tmp_path / "judged"
    arguments = ["--model", tiny_run, "--t1-dir", tmp_path / "t1", "--t2-dir", tmp_path / "t2"]
    done = medgan("evaluate", *arguments, "--device", "cpu", "-o", out)
    assert done.code == 0, done.err
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert sorted((one["name"], one["target"]) for one in found["subjects"]) == [
        ("sub-07", "T1w"),
        ("sub-07", "T2w"),
        ("sub-08", "T1w"),
        ("sub-08", "T2w"),
    ]
    assert set(found["summary"]) == {"T1w", "T2w"}
    assert found["model"].endswith(
        hashlib.sha256((tiny_run / "model" / "model.json").read_bytes()).hexdigest()
    )
    for file in out.iterdir():
        assert str(tiny_run) not in file.read_text(encoding="utf-8")
    assert all(one["baselines"] for one in found["subjects"])
    cut = nibabel.load(tmp_path / "t2" / "sub-08_T2w.nii.gz").slicer[:, :, :-2]
    nibabel.save(cut, tmp_path / "t2" / "sub-08_T2w.nii.gz")
    done = medgan("evaluate", *arguments, "--device", "cpu", "-q")
    assert done.code == 3
    assert "1 of 2 subjects were refused" in done.err
    assert "the T2w scan is not on the grid of the T1w scan" in done.err


def test_help_names_examples_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['medgan', 'evaluate', '--help']\n"
        "from medgan.cli import main\n"
        "try:\n main()\n"
        "except SystemExit:\n pass\n"
        "heavy = {'torch', 'monai', 'SimpleITK', 'pydicom', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "medgan evaluate --pred-dir made --ref-dir real" in done.stdout


def test_without_a_reference_each_figure_says_what_it_cannot_say(
    medgan: Medgan, pair: dict[str, Path], head: Head, tmp_path: Path
) -> None:
    for person in (2, 3):
        spoil(pair["ref"], tmp_path / "t2" / f"sub-{person:02d}_T2w.nii.gz", 0.01 * person)
    head(tmp_path / "t2" / "sub-09_T1w.nii.gz", "t1", 9)
    out = tmp_path / "judged"
    done = medgan(
        "evaluate", pair["pred"], "--source", pair["source"], "--target-dir", tmp_path / "t2", "-o", out
    )
    assert done.code == 0, done.err
    assert "local correlation" in done.out
    assert "cannot say whether they are in the right places" in done.out
    assert "That takes a scan that was acquired" in done.out
    assert "sub-09: looks like another contrast" in done.err
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert (found["summary"]["T2w"]["subjects"], found["summary"]["T2w"]["target_scans"]) == (1, 2)
    subject = found["subjects"][0]
    assert subject["wasserstein"]["prediction"] < subject["wasserstein"]["source"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Evaluation without a reference" in page
    assert "SYNTHETIC" in page
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        assert float(next(csv.DictReader(stream))["structure_nmi"]) == subject["structure"]["nmi"]


def test_without_a_reference_features_and_the_way_back_are_judged_too(
    medgan: Medgan, pair: dict[str, Path], tiny_run: Path, tmp_path: Path
) -> None:
    for person in (2, 3):
        spoil(pair["ref"], tmp_path / "t2" / f"sub-{person:02d}_T2w.nii.gz", 0.01 * person)
    out = tmp_path / "judged"
    asked = ["--target-dir", tmp_path / "t2", "--model", tiny_run, "--device", "cpu", "-o", out]
    done = medgan("evaluate", pair["pred"], "--source", pair["source"], *asked)
    assert done.code == 0, done.err
    assert "cycle error" in done.out
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    subject = found["subjects"][0]
    assert set(subject["cycle"]) == {"mae", "r"}
    assert 0 < subject["cycle"]["mae"] < 1
    assert set(subject["kernel"]) == {"prediction", "source", "targets_mean", "targets_most"}
    assert {"kernel", "cycle"} < set(found["protocol"])
    assert found["model"]
    assert "cycle error" in (out / "report.html").read_text(encoding="utf-8")


def test_many_predictions_are_judged_without_a_reference(
    medgan: Medgan, folders: dict[str, Path], tmp_path: Path
) -> None:
    (folders["source"] / "sub-03_T1w.nii.gz").unlink()
    bad = folders["source"] / "sub-02_T1w.nii.gz"
    bad.write_bytes(bad.read_bytes()[:500])
    out = tmp_path / "judged"
    asked = ["--pred-dir", folders["pred"], "--source-dir", folders["source"], "-o", out]
    done = medgan("evaluate", *asked, "--target-dir", folders["ref"])
    assert done.code == 3
    assert "1 of 2 subjects were refused" in done.err
    assert "sub-03: no source of that name" in done.err
    assert "Traceback" not in done.err
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in found["subjects"]] == ["sub-01"]
    assert any("sub-02" in text for text in found["left_out"])


def test_of_many_predictions_the_means_and_each_are_told(
    medgan: Medgan, folders: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "judged"
    asked = ["--pred-dir", folders["pred"], "--source-dir", folders["source"]]
    done = medgan("evaluate", *asked, "--target-dir", folders["ref"], "-o", out)
    assert done.code == 0, done.err
    assert "Mean of 3, without a reference" in done.out
    assert "sub-02" in done.out
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    kept = [one["structure"]["nmi"] for one in found["subjects"]]
    assert found["summary"]["T2w"]["structure"]["nmi"]["mean"] == pytest.approx(np.mean(kept))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "3 subjects" in page
    assert re.search(
        r"prediction [\d.]+ ± [\d.]+, source [\d.]+ ± [\d.]+, target scans [\d.]+, at most", page
    )
    assert "sub-03" in page


def test_target_scans_of_another_contrast_are_read_once_and_refused(
    medgan: Medgan, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import medgan.assessment as module

    calls = []
    original = module.read_usable
    monkeypatch.setattr(module, "read_usable", lambda *given: (calls.append(given), original(*given))[1])
    asked = ["--pred-dir", folders["pred"], "--source-dir", folders["source"]]
    done = medgan("evaluate", *asked, "--target-dir", folders["source"])
    assert done.code == 3
    assert "no scan of the contrast that was made" in done.err
    assert "--target-dir" in done.err
    assert len(calls) == 1


def test_what_leads_back_must_be_known(medgan: Medgan, pair: dict[str, Path], tiny_run: Path) -> None:
    nameless = {key: pair[key].with_name(f"{key}.nii.gz") for key in ("pred", "source")}
    for key, path in nameless.items():
        path.write_bytes(pair[key].read_bytes())
    done = medgan(
        "evaluate", nameless["pred"], "--source", nameless["source"], "--model", tiny_run, "--device", "cpu"
    )
    assert done.code == 3
    assert "not known which contrast" in done.err


def test_there_is_nothing_to_register_without_a_reference(medgan: Medgan, pair: dict[str, Path]) -> None:
    done = medgan("evaluate", pair["pred"], "--source", pair["source"], "--register")
    assert done.code == 2
    assert "none is given" in done.err
