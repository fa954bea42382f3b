"""Rules choose the series that is meant, and say why where they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from medgan.errors import InputRefusedError, SeriesChoiceError, UsageError
from medgan.scans import find_scans
from medgan.scans.selection import choose_by_rules, series_rules

Make = Callable[..., Any]
DESCRIPTIONS = ("3-plane localizer", "t1_mprage_sag", "T1w TSE +C", "T2 tse ax")


@pytest.fixture
def study(tmp_path: Path, classic: Make) -> Path:
    """Four series, numbered from 1; the third with contrast agent, the second of a 3D acquisition."""
    for number, description in enumerate(DESCRIPTIONS, start=1):

        def edit(k: int, dataset: Any, number: int = number, description: str = description) -> None:
            dataset.SeriesNumber, dataset.SeriesDescription = number, description
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
            dataset.PixelSpacing = [0.9375, 0.9375]
            if number == 2:
                dataset.MRAcquisitionType = "3D"
            if number == 3:
                dataset.ContrastBolusAgent = "gadobutrol"

        classic(tmp_path / "study" / str(number), edit, slices=3 if number == 1 else 5)
    return tmp_path / "study"


def chosen(study: Path, *rules: dict[str, Any], **settings: Any) -> list[int | None]:
    content = {"rules": list(rules), **settings}
    found = choose_by_rules(find_scans(study), series_rules(content), place=study)
    return [one.series.number for one in found if one.series is not None]


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ({"contrast": "t2"}, [4]),
        ({"slices": [1, 3]}, [1]),
        ({"conditions": {"SeriesDescription": "MPRAGE"}}, [2]),
        ({"conditions": {"SeriesDescription": ["^t1", "!mprage"]}}, [3]),
        ({"conditions": {"ContrastBolusAgent": "."}}, [3]),
        ({"contrast": "t1", "slices": [4, 99], "conditions": {"ContrastBolusAgent": "!."}}, [2]),
        ({"conditions": {"SeriesNumber": 4}}, [4]),
        ({"conditions": {"SeriesNumber": [3.5, 4]}}, [4]),
        ({"contrast": "t2", "conditions": {"PixelSpacing": [0.9, 1], "EchoTime": 12}}, [4]),
        ({"contrast": "t2", "conditions": {"ImageType": ["^ORIGINAL", "ND", "!MPR"]}}, [4]),
        ({"orientation": "axial", "contrast": "t2"}, [4]),
    ],
)
def test_a_series_meets_all_conditions_of_a_rule(
    study: Path, rule: dict[str, Any], numbers: list[int]
) -> None:
    assert chosen(study, rule) == numbers


def test_the_first_rule_that_any_series_meets_decides(study: Path) -> None:
    spins = {"conditions": {"SeriesDescription": "flair"}}
    assert chosen(study, spins, {"conditions": {"MRAcquisitionType": "3D"}}, {"contrast": "t1"}) == [2]


def test_several_series_are_refused_or_taken_each(study: Path) -> None:
    rule = {"name": "any T1w", "contrast": "t1", "slices": [4, 99]}
    with pytest.raises(SeriesChoiceError) as refused:
        chosen(study, rule)
    assert "holds 2 series that meet the rule 'any T1w'" in refused.value.cause
    assert "  2: MR, t1_mprage_sag" in refused.value.remedy
    assert "localizer" not in refused.value.remedy
    assert chosen(study, rule, several="each") == [2, 3]


def test_where_no_series_meets_a_rule_it_is_said_which_condition_each_fails(study: Path) -> None:
    strict = {"name": "3D", "contrast": "t2", "conditions": {"MRAcquisitionType": "3D"}}
    with pytest.raises(InputRefusedError) as refused:
        chosen(study, strict, {"slices": [40, 50]})
    lines = refused.value.remedy.splitlines()
    assert lines[2].startswith("  2: MR, t1_mprage_sag") and lines[2].endswith(": contrast, slices")
    assert lines[4].startswith("  4: MR, T2 tse ax") and lines[4].endswith(": MRAcquisitionType, slices")


def test_a_series_that_cannot_be_read_is_chosen_like_any_other(study: Path) -> None:
    (study / "4" / "0003.dcm").unlink()
    (found,) = choose_by_rules(find_scans(study), series_rules({"rules": [{"contrast": "t2"}]}), place=study)
    assert found.refusal is not None and "missing" in found.refusal.cause


def test_conditions_look_into_the_functional_groups_of_enhanced_objects(
    tmp_path: Path, classic: Make, multi_frame: Make
) -> None:
    folder = multi_frame(tmp_path / "enhanced", classic(tmp_path / "classic"))[0].parent
    assert chosen(folder, {"conditions": {"EffectiveEchoTime": 12.0, "SliceThickness": [2, 2.5]}}) == [4]
    with pytest.raises(InputRefusedError, match="no series that meets"):
        chosen(folder, {"conditions": {"EffectiveEchoTime": 90}})


@pytest.mark.parametrize("place", ["agent", "usage"])
def test_a_contrast_agent_is_known_from_the_items_of_an_enhanced_object(
    place: str, tmp_path: Path, classic: Make, multi_frame: Make
) -> None:
    plain = {"ContrastBolusAgentSequence": "!.", "ContrastBolusAgentAdministered": "!YES"}
    (file,) = multi_frame(tmp_path / "enhanced", classic(tmp_path / "classic"))
    assert chosen(file.parent, {"conditions": plain}) == [4]
    dataset = pydicom.dcmread(file)
    item = pydicom.Dataset()
    if place == "agent":
        item.CodeMeaning = "Gadobutrol"
        dataset.ContrastBolusAgentSequence = [item]
    else:
        item.ContrastBolusAgentAdministered = "YES"
        dataset.PerFrameFunctionalGroupsSequence[0].ContrastBolusUsageSequence = [item]
    dataset.save_as(file)
    with pytest.raises(InputRefusedError, match="no series that meets"):
        chosen(file.parent, {"conditions": plain})


def test_a_folder_without_dicom_is_refused(tmp_path: Path, head: Make) -> None:
    head(tmp_path / "in" / "scan.nii.gz", "t1", 1)
    with pytest.raises(InputRefusedError, match="no DICOM series"):
        chosen(tmp_path / "in", {"contrast": "t1"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "valid dictionary"),
        ({"rules": []}, "at least 1"),
        ({"rules": [{"contrast": "flair"}]}, "rules.0.contrast"),
        ({"rules": [{"contrats": "t1"}]}, "rules.0.contrats"),
        ({"rules": [{"contrast": "t1"}], "several": "some"}, "several"),
        ({"rules": [{"conditions": {"SeriesDescripton": "x"}}]}, "no DICOM keyword"),
        ({"rules": [{"conditions": {"PixelData": "x"}}]}, "no DICOM keyword of texts or numbers"),
        ({"rules": [{"conditions": {"SeriesDescription": "(t1"}}]}, "no regular expression"),
        ({"rules": [{"conditions": {"SeriesNumber": [5, 2]}}]}, "the lower one first"),
        ({"rules": [{"conditions": {"SeriesNumber": []}}]}, "neither a text"),
        ({"rules": [{"conditions": {"SeriesNumber": True}}]}, "neither a text"),
        ({"rules": [{"conditions": ["SeriesNumber"]}]}, "by DICOM keyword"),
        ({"rules": [{"conditions": {"ContrastBolusAgentSequence": "gado"}}]}, "whether it is there"),
        ({"rules": [{"slices": [50, 5]}]}, "the fewest and the most"),
    ],
)
def test_rules_that_mean_nothing_are_refused(content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        series_rules(content, file=tmp_path / "app.yaml")
    assert said in refused.value.cause
    assert refused.value.file == tmp_path / "app.yaml"
