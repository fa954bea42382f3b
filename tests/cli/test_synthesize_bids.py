"""`medgan synthesize --bids`: from a raw data set to a derivative that the BIDS validator accepts."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

pytest.importorskip("bids", reason="pybids is not installed (medgan[bids])")

MakeSet = Callable[..., Path]
STEM = "sub-01_desc-medganFromT1w_T2w"


@pytest.fixture
def raw(bids_set: MakeSet, tmp_path: Path) -> Path:
    """Three sessions without a T2w, of which one is of a participant without sessions, and one with."""
    return bids_set(
        tmp_path / "raw",
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_ce-gd_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T2w.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_T1w.nii",
        "T1w.json",
        License="CC0",
    )


@pytest.fixture
def synthesize(medgan: Any, tiny_run: Path) -> Callable[..., Any]:
    """The command with a model, on the CPU."""

    def call(root: Path, *arguments: object, target: str = "t2", model: Path = tiny_run) -> Any:
        asked = ("--bids", "--target", target, "--model", model, "--device", "cpu")
        return medgan("synthesize", root, *asked, *arguments)

    return call


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def problems(data_set: Path, *options: str) -> dict[str, list[tuple[str, str]]]:
    """What the BIDS validator says of a data set and of those in its derivatives: code and place, by severity."""
    if importlib.util.find_spec("bids_validator_deno") is None:
        pytest.skip("the BIDS validator is not installed (bids-validator-deno)")
    run = "from bids_validator_deno import cli; cli()"
    done = subprocess.run(
        [sys.executable, "-c", run, data_set, "--format", "json", *options], capture_output=True, text=True
    )
    said = json.loads(done.stdout)
    found: dict[str, list[tuple[str, str]]] = {"error": [], "warning": []}
    for part in (said, *(said.get("derivativesSummary") or {}).values()):
        for issue in part["issues"]["issues"]:
            found.setdefault(issue["severity"], []).append((issue["code"], issue.get("location", "")))
    return found


def test_what_is_missing_is_made_as_a_derivative_that_the_validator_accepts(
    synthesize: Any, raw: Path
) -> None:
    before = below(raw)
    done = synthesize(raw)
    assert done.code == 0, done.err
    out = raw / "derivatives" / "medgan"
    assert below(out) == [
        ".bidsignore",
        "README",
        "dataset_description.json",
        f"sub-01/anat/{STEM}.json",
        f"sub-01/anat/{STEM}.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_desc-medganFromT1w_T2w.json",
        "sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_desc-medganFromT1w_T2w.nii.gz",
    ]
    assert [path for path in below(raw) if not path.startswith("derivatives/")] == before
    assert "2 T1w in sessions without a T2w; 1 session with both." in done.out
    assert "Left out: 1 with a contrast agent (ce-): sub-01/anat/sub-01_ce-gd_T1w.nii.gz" in done.out
    image, source = nibabel.load(out / f"sub-01/anat/{STEM}.nii.gz"), raw / "sub-01/anat/sub-01_T1w.nii.gz"
    assert np.array_equal(image.affine, nibabel.load(source).affine)
    assert problems(out) == {"error": [], "warning": [("TOO_FEW_AUTHORS", "/dataset_description.json")]}
    assert problems(raw, "-r")["error"] == []


def test_the_sidecar_names_source_and_space_by_uris_that_lead_there(synthesize: Any, raw: Path) -> None:
    synthesize(raw, "--participant-label", "02", "-o", raw.parent / "out")
    name = "sub-02_ses-b_acq-x_run-2_desc-medganFromT1w_T2w.json"
    said = json.loads((raw.parent / "out/sub-02/ses-b/anat" / name).read_text())
    uri = "bids:raw:sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_T1w.nii"
    assert said["Sources"] == [uri] and said["SpatialReference"] == uri
    assert said["SkullStripped"] is False and said["SyntheticData"] is True
    links = json.loads((raw.parent / "out/dataset_description.json").read_text())["DatasetLinks"]
    assert (raw.parent / "out" / links["raw"] / uri.removeprefix("bids:raw:")).is_file()


def test_maps_pages_and_previews_do_not_disturb_the_validator(
    synthesize: Any, raw: Path, calibrated: Path
) -> None:
    options = ("--uncertainty", "--report", "--preview", "--participant-label", "sub-01")
    assert synthesize(raw, *options, model=calibrated).code == 0
    out = raw / "derivatives" / "medgan"
    assert [path.removeprefix("sub-01/anat/sub-01_desc-medganFromT1w") for path in below(out)[3:]] == [
        "Bound90_errormap.nii.gz",
        "Uncertainty_errormap.nii.gz",
        "_T2w.html",
        "_T2w.json",
        "_T2w.nii.gz",
        "_T2w_preview.png",
    ]
    assert problems(out)["error"] == []
    (out / ".bidsignore").unlink()
    assert len(problems(out)["error"]) > 0  # so the claim above can fail


def test_pybids_finds_the_results(synthesize: Any, raw: Path) -> None:
    from bids import BIDSLayout

    assert synthesize(raw).code == 0
    layout = BIDSLayout(raw, derivatives=True)
    found = layout.get(scope="derivatives", suffix="T2w", extension=".nii.gz", return_type="filename")
    assert len(found) == 2
    assert layout.derivatives.get_pipeline("medgan").get(desc="medganFromT1w", subject="01")


@pytest.mark.parametrize("options", [(), ("--preview", "-v"), ("-o", "elsewhere")])
def test_a_dry_run_lists_what_would_be_made_and_writes_nothing(
    options: tuple[str, ...], synthesize: Any, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(raw.parent)
    before = below(raw.parent)
    done = synthesize(Path("raw"), "--dry-run", *options)
    assert done.code == 0, done.err
    out = "elsewhere" if "-o" in options else "raw/derivatives/medgan"
    assert f"sub-01/anat/sub-01_T1w.nii.gz -> {out}/sub-01/anat/{STEM}.nii.gz" in done.out
    assert f"Dry run: 2 would be made below {out}" in done.out
    assert ("_preview.png" in done.out) == ("-v" in options)
    assert below(raw.parent) == before


def test_a_dry_run_tells_what_would_be_refused_and_what_is_there_already(synthesize: Any, raw: Path) -> None:
    synthesize(raw, "--participant-label", "01")
    (raw / "sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_T1w.nii").unlink()
    (raw / "sub-02/ses-b/anat/sub-02_ses-b_acq-x_run-2_T1w.nii").symlink_to("nowhere")
    done = synthesize(raw, "--dry-run")
    assert done.code == 0
    assert f"{STEM}.nii.gz (there is one already)" in done.out
    assert "sub-02_ses-b_acq-x_run-2_T1w.nii: would be refused: is not here" in done.out


def test_where_nothing_is_missing_that_is_said_and_nothing_is_written(
    synthesize: Any, bids_set: MakeSet, tmp_path: Path
) -> None:
    root = bids_set(tmp_path / "whole", *(f"sub-1/anat/sub-1_{suffix}.nii.gz" for suffix in ("T1w", "T2w")))
    before = below(root)
    done = synthesize(root, "--model", tmp_path / "no-model-is-needed")
    assert done.code == 0, done.err
    assert "Nothing to do" in done.out
    assert below(root) == before


def test_the_same_command_again_writes_the_same_and_resume_keeps_it(synthesize: Any, raw: Path) -> None:
    synthesize(raw)
    out = raw / "derivatives" / "medgan"
    first = {path: (out / path).read_bytes() for path in below(out)}
    assert synthesize(raw).code == 0
    assert {path: (out / path).read_bytes() for path in below(out)} == first
    done = synthesize(raw, "--resume")
    assert "2 of 2 were there already, complete, and were kept." in " ".join(done.out.split())


def test_resume_makes_anew_what_inherited_json_has_changed(synthesize: Any, raw: Path) -> None:
    synthesize(raw)
    (raw / "T1w.json").write_text('{"MagneticFieldStrength": 3}')
    done = synthesize(raw, "--resume")
    assert done.code == 0, done.err
    assert "were kept" not in done.out


def test_a_scan_that_was_fetched_in_another_version_is_the_same_scan(
    synthesize: Any, raw: Path, head: Any
) -> None:
    """As git-annex has it: a file is a link to where its contents are kept, which changes with them."""
    scan = raw / "sub-01/anat/sub-01_T1w.nii.gz"
    scan.unlink()
    for version in (1, 2):
        scan.unlink(missing_ok=True)
        scan.symlink_to(head(raw.parent / f"annex{version}.nii.gz", "t1", version))
        done = synthesize(raw, "--participant-label", "01")
        assert done.code == 0, done.err


def test_of_a_data_set_that_was_moved_what_changed_is_made_anew_and_the_rest_is_kept(
    synthesize: Any, raw: Path
) -> None:
    synthesize(raw)
    moved = raw.rename(raw.parent / "moved")
    (moved / "sub-01/anat/sub-01_T1w.json").write_text('{"MagneticFieldStrength": 3}')
    done = synthesize(moved, "--resume")
    assert done.code == 0, done.err
    assert "1 of 2 were there already" in " ".join(done.out.split())


def test_one_bad_scan_does_not_stop_the_others(synthesize: Any, raw: Path) -> None:
    (raw / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"damaged")
    done = synthesize(raw)
    assert done.code == 3
    assert "1 of 2 inputs were refused" in " ".join(done.err.split())
    assert not (raw / "derivatives/medgan/sub-01").exists()
    assert (raw / "derivatives/medgan/dataset_description.json").exists()


def test_where_all_are_refused_there_is_no_derivative(synthesize: Any, raw: Path) -> None:
    (raw / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"damaged")
    assert synthesize(raw, "--participant-label", "01").code == 3
    assert not (raw / "derivatives").exists()


def test_what_a_killed_process_left_in_a_session_is_taken_away(synthesize: Any, raw: Path) -> None:
    left = raw / "derivatives/medgan/sub-01/anat/.medgan-0123456789abcdef.nii.gz"
    synthesize(raw)
    left.write_bytes(b"half")
    assert synthesize(raw, "--resume").code == 0
    assert not left.exists()


def test_labels_that_name_patients_are_kept_with_a_warning_that_does_not(
    synthesize: Any, bids_set: MakeSet, tmp_path: Path
) -> None:
    root = bids_set(tmp_path / "named", "sub-Miller/anat/sub-Miller_T1w.nii.gz")
    (root / "sub-Miller/anat/sub-Miller_T1w.json").write_text('{"PatientName": "Miller^Jane"}')
    done = synthesize(root)
    assert done.code == 0
    assert "called after their patients (1 of them)" in " ".join(done.err.split())
    assert "Miller" not in done.err and "Jane" not in done.out
    made = root / "derivatives/medgan/sub-Miller/anat/sub-Miller_desc-medganFromT1w_T2w.nii.gz"
    assert made.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "png"), "--format does not go with --bids"),
        (("--series", "3"), "--series does not go with --bids"),
        (("--echo", "0"), "--echo does not go with --bids"),
        (("--format", "dicom", "--deidentify"), "does not go with --bids"),
        (("-o", "t2.nii.gz"), "a data set is a folder"),
        (("--participant-label", "01", "02"), "--participant-label 01 --participant-label 02"),
        (("--participant-label", "77"), "has no sub-77"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: tuple[str, ...], said: str, synthesize: Any, raw: Path
) -> None:
    done = synthesize(raw, *options)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (raw / "derivatives").exists()


@pytest.mark.parametrize("options", [("--participant-label", "01"), ("--session", "a"), ("--dry-run",)])
def test_options_of_bids_need_bids(options: tuple[str, ...], medgan: Any, raw: Path) -> None:
    done = medgan("synthesize", raw, "--target", "t2", *options)
    assert done.code == 2
    assert f"{options[0]} is for BIDS data sets" in done.err and "Add --bids" in done.err


def test_without_pybids_the_way_out_is_said(
    synthesize: Any, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bids", None)
    done = synthesize(raw)
    assert done.code == 2
    assert 'pip install "medgan[bids]"' in done.err
