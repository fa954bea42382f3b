"""Claims about names and sidecars: what they tell is taken, what is broken in them does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medgan.scans.hints import OTHER_CONTRAST, hints_for


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * 2_000_000 + b"{}",
        b'{"EchoTime": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_sidecar_that_cannot_be_used_is_left_aside_and_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a_T1w.json").write_bytes(content)
    hints = hints_for(Path("a_T1w.nii"), sidecar=tmp_path / "a_T1w.json")
    assert hints.contrast == "t1"
    assert any("a_T1w.json was left aside" in warning for warning in hints.warnings)
    assert str(tmp_path) not in "".join(hints.warnings)


@pytest.mark.parametrize(
    "value", ['"0.09"', "true", "-1", "NaN", "Infinity", "null", "[0.09]", "1" + "0" * 400]
)
def test_a_time_that_is_no_positive_number_is_no_time(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.json").write_text(f'{{"EchoTime": {value}, "RepetitionTime": 4}}')
    assert "echo_time" not in hints_for(Path("a.nii"), sidecar=tmp_path / "a.json").facts


def test_a_name_and_times_that_disagree_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"EchoTime": 0.1, "RepetitionTime": 5}))
    hints = hints_for(Path("a_T1w.nii"), sidecar=tmp_path / "a.json")
    assert hints.contrast == "t1"
    assert any("T1w" in warning and "T2w" in warning for warning in hints.warnings)


def test_a_name_of_another_contrast_is_not_overruled_by_times(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"EchoTime": 0.02, "RepetitionTime": 0.6}))
    sidecar = tmp_path / "a.json"
    assert hints_for(Path("a.nii"), sidecar=sidecar).contrast == "t1"
    assert hints_for(Path("sub-01_T2starw.nii"), sidecar=sidecar).contrast is None
    assert hints_for(Path("sub-01_FLAIR.nii"), sidecar=sidecar).contrast is None


@pytest.mark.robustness("bad-22")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sub-01_FLAIR.nii", {}),
        ("a.nii", {"SeriesDescription": "t2_tirm_tra_dark-fluid"}),
        ("a.nii", {"ProtocolName": "ADC map"}),
        ("a.nii", {"EchoTime": 0.12, "RepetitionTime": 9, "InversionTime": 2.5}),
    ],
)
def test_an_image_of_another_contrast_is_warned_of(
    name: str, content: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert hints_for(Path(name), sidecar=tmp_path / "a.json").warnings == (OTHER_CONTRAST,)


def test_an_inversion_time_makes_it_t1(tmp_path: Path) -> None:
    times = {"EchoTime": 0.003, "RepetitionTime": 2.3, "InversionTime": 0.9, "MagneticFieldStrength": 3}
    (tmp_path / "a.json").write_text(json.dumps(times))
    hints = hints_for(Path("a.nii"), sidecar=tmp_path / "a.json")
    assert hints.contrast == "t1"
    assert hints.facts["field_strength"] == 3


@pytest.mark.parametrize(
    ("name", "description", "synthetic"),
    [
        ("sub-01_desc-medganFromT1w_T2w.nii.gz", "", True),
        ("sub-01_T2w.nii.gz", "medgan 1.0 synthetic T2w from T1w", True),
        ("sub-01_T2w.nii.gz", "FreeSurfer", False),
        ("synthetic_T2w.nii.gz", "", False),
    ],
)
def test_our_own_results_are_recognised(name: str, description: str, synthetic: bool) -> None:
    hints = hints_for(Path(name), description=description)
    assert hints.facts.get("synthetic", False) is synthetic
    assert hints.contrast == "t2"


@pytest.mark.robustness("privacy-synthetic-mark")
@pytest.mark.parametrize(
    ("content", "name", "synthetic"),
    [
        ({"SyntheticData": True}, "a.nii", True),
        ({"SyntheticData": "yes"}, "a.nii", False),
        ({"ProtocolName": "medgan_synthetic_T2w"}, "a.nii", True),
        ({"ProtocolName": "T2w"}, "in_medgan_synthetic_T2w_900004.nii", True),
        ({"ProtocolName": ["medgan synthetic T2w"]}, "a.nii", False),
        ({"SeriesDescription": "synthetic MRI"}, "a.nii", False),
    ],
)
def test_a_converted_dicom_result_is_recognised_by_what_converters_keep(
    tmp_path: Path, content: dict[str, object], name: str, synthetic: bool
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    hints = hints_for(Path(name), sidecar=tmp_path / "a.json")
    assert hints.facts.get("synthetic", False) is synthetic


@pytest.mark.robustness("bad-22")
def test_a_sidecar_of_another_modality_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"Modality": "CT"}')
    assert hints_for(Path("a.nii"), sidecar=tmp_path / "a.json").warnings == (
        "Its sidecar says that it is CT, not MR.",
    )
    (tmp_path / "a.json").write_text('{"Modality": "MR"}')
    assert hints_for(Path("a.nii"), sidecar=tmp_path / "a.json").warnings == ()


def test_entries_of_a_json_further_up_hold_where_the_nearer_ones_say_nothing(tmp_path: Path) -> None:
    said = {"a.json": {"EchoTime": 0.003}, "near.json": {"EchoTime": 0.1, "InversionTime": 1}}
    said["far.json"] = {"InversionTime": 2, "RepetitionTime": 2}
    for name, content in said.items():
        (tmp_path / name).write_text(json.dumps(content))
    above = [tmp_path / "near.json", tmp_path / "far.json"]
    facts = hints_for(Path("a.nii"), sidecar=tmp_path / "a.json", inherited=above).facts
    assert facts == {"echo_time": 3, "repetition_time": 2000, "inversion_time": 1000}
