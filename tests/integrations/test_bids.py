"""What a BIDS data set lacks: which scans are taken, which are not, and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel
import pytest

from medgan.errors import InputRefusedError, UsageError

pytest.importorskip("bids", reason="pybids is not installed (medgan[bids])")

from medgan.integrations import bids
from medgan.integrations.bids import Missing, find_missing, synthesize_data_set

MakeSet = Callable[..., Path]


def taken(missing: Missing) -> list[str]:
    return [one.path.relative_to(missing.root).as_posix() for one in missing.inputs]


def anat(*names: str) -> list[str]:
    """Paths from names: `sub-01_ses-a_T1w` lies in `sub-01/ses-a/anat`."""
    paths = []
    for name in names:
        parts = name.split("_")
        folder = "/".join(parts[: 2 if parts[1].startswith("ses-") else 1])
        paths.append(f"{folder}/anat/{name}" + ("" if "." in name else ".nii.gz"))
    return paths


@pytest.fixture
def lacks(bids_set: MakeSet, tmp_path: Path) -> Callable[..., Missing]:
    """What a data set of these files lacks."""

    def find(*names: str, target: str = "t2", **asked: Iterable[str]) -> Missing:
        return find_missing(bids_set(tmp_path / "raw", *anat(*names)), target=target, **asked)  # type: ignore[arg-type]

    return find


def test_every_t1w_of_a_session_without_a_t2w_is_taken(lacks: Callable[..., Missing]) -> None:
    missing = lacks(
        "sub-01_T1w",
        "sub-02_T1w",
        "sub-02_T2w",
        "sub-10_ses-a_T1w",
        "sub-10_ses-b_T1w",
        "sub-10_ses-b_T2w",
        "sub-3_acq-mprage_rec-norm_run-1_T1w.nii",
        "sub-3_acq-mprage_rec-norm_run-2_T1w",
    )
    assert taken(missing) == [
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-3/anat/sub-3_acq-mprage_rec-norm_run-1_T1w.nii",
        "sub-3/anat/sub-3_acq-mprage_rec-norm_run-2_T1w.nii.gz",
        "sub-10/ses-a/anat/sub-10_ses-a_T1w.nii.gz",
    ]
    assert missing.complete == ("sub-02", "sub-10/ses-b")


def test_t1w_is_found_missing_in_the_same_way(lacks: Callable[..., Missing]) -> None:
    missing = lacks("sub-01_T1w", "sub-02_T2w", "sub-03_T1w", "sub-03_T2w", target="t1")
    assert taken(missing) == ["sub-02/anat/sub-02_T2w.nii.gz"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sub-01_ce-gd_T1w", bids.CONTRAST_AGENT),
        ("sub-01_part-phase_T1w", bids.NO_MAGNITUDE),
        ("sub-01_echo-1_T1w", bids.ONE_ECHO),
        ("sub-01_chunk-1_T1w", bids.ONE_CHUNK),
        ("sub-01_space-MNI_T1w", bids.NO_BIDS_NAME),
        ("sub-01_T1w_copy", bids.NO_BIDS_NAME),
    ],
)
def test_what_is_no_plain_t1w_is_left_out_and_told(
    name: str, why: str, lacks: Callable[..., Missing]
) -> None:
    missing = lacks("sub-01_part-mag_T1w", name, "sub-01_UNIT1", "sub-01_inv-1_MP2RAGE", "sub-01_T1map")
    assert taken(missing) == ["sub-01/anat/sub-01_part-mag_T1w.nii.gz"]
    told = missing.left_out
    assert told == {why: tuple(anat(name))} if "copy" not in name else not told  # has no suffix of ours


@pytest.mark.parametrize(
    "name", ["sub-01_part-phase_T2w", "sub-01_FLAIR", "sub-01_T2starw", "sub-01_acq-x_inplaneT2"]
)
def test_what_is_no_t2w_does_not_stand_for_one(name: str, lacks: Callable[..., Missing]) -> None:
    assert taken(lacks("sub-01_T1w", name)) == ["sub-01/anat/sub-01_T1w.nii.gz"]


@pytest.mark.parametrize("name", ["sub-01_acq-tse_run-1_T2w.nii", "sub-01_echo-2_T2w", "sub-01_ce-gd_T2w"])
def test_any_t2w_that_was_acquired_makes_a_session_complete(name: str, lacks: Callable[..., Missing]) -> None:
    missing = lacks("sub-01_T1w", name)
    assert not missing.inputs
    assert missing.complete == ("sub-01",)


def test_what_derivatives_and_source_data_hold_does_not_count(bids_set: MakeSet, tmp_path: Path) -> None:
    root = bids_set(
        tmp_path / "raw",
        "sub-01/anat/sub-01_T1w.nii.gz",
        "derivatives/other/sub-01/anat/sub-01_T2w.nii.gz",
        "derivatives/other/sub-02/anat/sub-02_T1w.nii.gz",
        "sourcedata/sub-01/anat/sub-01_T2w.nii.gz",
    )
    assert taken(find_missing(root, target="t2")) == ["sub-01/anat/sub-01_T1w.nii.gz"]


def test_participants_and_sessions_are_named_with_or_without_their_prefix(
    bids_set: MakeSet, tmp_path: Path
) -> None:
    names = [f"sub-{person}_ses-{session}_T1w" for person in ("01", "02", "a+b") for session in (1, 2)]
    root = bids_set(tmp_path / "raw", *anat(*names))

    def chosen(participants: list[str], sessions: list[str]) -> list[str]:
        found = find_missing(root, target="t2", participants=participants, sessions=sessions)
        return [one.path.name.removesuffix("_T1w.nii.gz") for one in found.inputs]

    assert chosen(["sub-02"], []) == ["sub-02_ses-1", "sub-02_ses-2"]
    assert chosen(["02", "sub-02", "sub-a+b"], ["ses-2"]) == ["sub-02_ses-2", "sub-a+b_ses-2"]
    assert chosen([], ["1"]) == ["sub-01_ses-1", "sub-02_ses-1", "sub-a+b_ses-1"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"participants": ["9"]}, "has no sub-9"),
        ({"sessions": ["sub-01"]}, "is no label of BIDS"),
        ({"sessions": ["2"]}, "has no ses-2"),
        ({"participants": ["01_x"]}, "is no label of BIDS"),
        ({"participants": [""]}, "is no label of BIDS"),
        ({"participants": ["../.."]}, "is no label of BIDS"),
    ],
)
def test_labels_that_are_not_there_are_refused_with_those_that_are(
    asked: dict[str, list[str]], said: str, lacks: Callable[..., Missing]
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        lacks("sub-01_T1w", "sub-02_T1w", **asked)
    assert (
        "no label" in said or "sub-01, sub-02" in caught.value.remedy or "no sessions" in caught.value.remedy
    )


def test_a_session_of_another_participant_is_no_mistake(lacks: Callable[..., Missing]) -> None:
    missing = lacks("sub-01_ses-1_T1w", "sub-02_ses-2_T1w", participants=["01"], sessions=["2"])
    assert not missing.inputs


def test_who_has_neither_contrast_is_told(bids_set: MakeSet, tmp_path: Path) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w"), "sub-02/func/sub-02_task-rest_bold.nii.gz")
    assert find_missing(root, target="t2").lacking == ("sub-02",)


def test_json_further_up_holds_where_the_one_beside_says_nothing(bids_set: MakeSet, tmp_path: Path) -> None:
    from medgan.scans import read_scan

    above = ["T1w.json", "acq-x_T1w.json", "acq-y_T1w.json", "T2w.json", "sub-01/sub-01_T1w.json"]
    root = bids_set(tmp_path / "raw", *anat("sub-01_acq-x_T1w", "sub-01_acq-x_T1w.json"), *above)
    for path, field in [
        ("T1w.json", {"EchoTime": 0.5, "MagneticFieldStrength": 7, "SkullStripped": True}),
        ("acq-x_T1w.json", {"EchoTime": 0.4, "InversionTime": 0.9}),
        ("acq-y_T1w.json", {"RepetitionTime": 9}),
        ("sub-01/sub-01_T1w.json", {"EchoTime": 0.3}),
        ("sub-01/anat/sub-01_acq-x_T1w.json", {"EchoTime": 0.003}),
    ]:
        (root / path).write_text(json.dumps(field), encoding="utf-8")
    scan = find_missing(root, target="t2").inputs[0].scan
    assert not isinstance(scan, Path)
    expected = ["sub-01/sub-01_T1w.json", "acq-x_T1w.json", "T1w.json"]
    assert [path.relative_to(root).as_posix() for path in scan.inherited] == expected
    facts = read_scan(scan).source.facts
    assert facts["echo_time"] == 3 and facts["inversion_time"] == 900
    assert facts["field_strength"] == 7 and facts["skull_stripped"] is True
    assert "repetition_time" not in facts


def test_inherited_json_that_is_damaged_is_told_and_stops_nothing(bids_set: MakeSet, tmp_path: Path) -> None:
    from medgan.scans import read_scan

    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w"))
    (root / "T1w.json").write_text("{nonsense", encoding="utf-8")
    scan = read_scan(find_missing(root, target="t2").inputs[0].scan)
    assert any("T1w.json was left aside" in text for text in scan.warnings)


def test_who_is_called_after_the_patient_is_counted_and_not_named(bids_set: MakeSet, tmp_path: Path) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-Miller_T1w", "sub-02_T1w", "sub-03_T1w"), "T1w.json")
    (root / "sub-Miller/anat/sub-Miller_T1w.json").write_text('{"PatientName": "Miller^Jane"}')
    (root / "sub-02/anat/sub-02_T1w.json").write_text('{"PatientName": "Miller^Jane"}')
    (root / "T1w.json").write_text('{"PatientID": "sub-03"}')
    assert find_missing(root, target="t2").named == 2


@pytest.mark.parametrize(
    ("described", "said", "way_out"),
    [
        (None, "has no dataset_description.json", "BIDSVersion"),
        ("{", "cannot be read as JSON", "Mend it"),
        ("[]", "not a JSON object", "Mend it"),
        ('{"DatasetType": "derivative"}', "type derivative", "Give the raw data set"),
        ('{"DatasetType": "study"}', "type study", "raw data set is"),
        ("{}", "no participant", "raw data set is"),
    ],
)
def test_what_is_no_raw_data_set_is_refused_with_the_way_out(
    described: str | None, said: str, way_out: str, bids_set: MakeSet, tmp_path: Path
) -> None:
    root = bids_set(tmp_path / "set")
    bids_set(root / "rawdata", *anat("sub-01_T1w"))
    if way_out != "raw data set is":
        shutil.rmtree(root / "rawdata")
    (root / "dataset_description.json").unlink()
    if described is not None:
        (root / "dataset_description.json").write_text(described, encoding="utf-8")
    with pytest.raises(InputRefusedError, match=said) as caught:
        find_missing(root, target="t2")
    assert way_out in caught.value.remedy


def test_a_folder_is_needed(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", Path(__file__)):
        with pytest.raises(InputRefusedError, match="is no folder"):
            find_missing(path, target="t2")


def test_files_that_were_not_fetched_are_refused_and_those_linked_are_taken(
    bids_set: MakeSet, tmp_path: Path
) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w", "sub-02_T1w"))
    kept = tmp_path / "annex"
    (root / "sub-01/anat/sub-01_T1w.nii.gz").replace(kept)
    (root / "sub-01/anat/sub-01_T1w.nii.gz").symlink_to(kept)
    (root / "sub-02/anat/sub-02_T1w.nii.gz").unlink()
    (root / "sub-02/anat/sub-02_T1w.nii.gz").symlink_to(tmp_path / "nowhere")
    linked, broken = find_missing(root, target="t2").inputs
    assert linked.refusal is None
    assert broken.refusal is not None and "datalad get" in broken.refusal.remedy
    (root / "sub-01/anat/sub-01_T2w.nii.gz").symlink_to(tmp_path / "nowhere")  # it was acquired all the same
    assert find_missing(root, target="t2").complete == ("sub-01",)


def test_scans_whose_results_would_share_a_name_are_refused(lacks: Callable[..., Missing]) -> None:
    first, second = lacks("sub-01_T1w.nii", "sub-01_T1w.nii.gz").inputs
    assert first.refusal is None
    assert second.refusal is not None and "share a name" in second.refusal.cause


def test_looking_through_writes_nothing_and_opens_no_image(bids_set: MakeSet, tmp_path: Path) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w", "sub-02_T1w"), "layout_config.json")
    (root / "layout_config.json").write_text("what pybids would read", encoding="utf-8")
    (root / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"no image")
    before = sorted(root.rglob("*"))
    assert len(find_missing(root, target="t2").inputs) == 2
    assert sorted(root.rglob("*")) == before


def test_without_pybids_the_way_out_is_said(
    bids_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bids", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        find_missing(bids_set(tmp_path / "raw", *anat("sub-01_T1w")), target="t2")
    assert 'pip install "medgan[bids]"' in caught.value.remedy


def test_python_makes_the_derivative_too(bids_set: MakeSet, tiny_run: Path, tmp_path: Path) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w", "sub-02_T1w", "sub-02_T2w"))
    results = list(synthesize_data_set(root, target="t2", model=tiny_run, out=tmp_path / "out", device="cpu"))
    assert [result.error for result in results] == [None]
    made = tmp_path / "out/sub-01/anat/sub-01_desc-medganFromT1w_T2w.nii.gz"
    assert results[0].files[0] == made
    assert nibabel.load(made).shape == nibabel.load(root / "sub-01/anat/sub-01_T1w.nii.gz").shape
    assert json.loads((tmp_path / "out/dataset_description.json").read_text())["DatasetType"] == "derivative"
    assert not (root / "derivatives").exists()


def test_workers_share_a_data_set(
    cluster: Any, synthesize: Callable[..., Any], bids_set: MakeSet, tmp_path: Path
) -> None:
    root = bids_set(tmp_path / "raw", *anat("sub-01_T1w", "sub-02_ses-a_T1w"), "T1w.json")
    done = synthesize(root, "--bids", "--dask", cluster.file)
    assert done.code == 0, done.err
    out = root / "derivatives" / "medgan"
    names = ("sub-01/anat/sub-01", "sub-02/ses-a/anat/sub-02_ses-a")
    files = ["dataset_description.json"]
    files += [f"{name}_desc-medganFromT1w_T2w.{end}" for name in names for end in ("json", "nii.gz")]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("[!.]*.*")) == sorted(files)
    said = json.loads((out / files[1]).read_text())
    assert said["Sources"] == ["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
    assert "2 of 2 were there already" in " ".join(synthesize(root, "--bids", "--resume").out.split())
