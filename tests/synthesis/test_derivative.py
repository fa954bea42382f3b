"""A derivative lies where it harms no other data set, and says what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medgan.errors import InputRefusedError, UsageError
from medgan.synthesis.derivative import MadeBy, check_place, described, read_description

MakeSet = Callable[..., Path]
BRAIN = MadeBy(model="brain", sha256="ab" * 32, target="t2")


@pytest.fixture
def raw(bids_set: MakeSet, tmp_path: Path) -> Path:
    """A data set of one scan."""
    return bids_set(tmp_path / "study" / "raw", "sub-01/anat/sub-01_T1w.nii.gz")


def made(out: Path, raw: Path, by: MadeBy = BRAIN, *, image: str = "sub-01/anat/image") -> dict[str, Any]:
    """What a derivative says in which an image was made."""
    with described(out, raw, by):
        assert (out / "dataset_description.json").exists()  # before there is an image
        (out / image).parent.mkdir(parents=True, exist_ok=True)
        (out / image).touch()
    return read_description(out)


@pytest.mark.parametrize(
    "out", ["raw/derivatives/medgan", "raw/derivatives/a/b", "derivatives/medgan", "../elsewhere", "raw2"]
)
def test_it_may_lie_in_derivatives_or_elsewhere(out: str, raw: Path) -> None:
    check_place(raw.parent / out, raw)


@pytest.mark.parametrize(
    "out", [".", "derivatives", "sub-01", "sub-01/anat", "sourcedata/medgan", "code", "../link/out"]
)
def test_it_may_not_lie_elsewhere_in_a_data_set(out: str, raw: Path) -> None:
    (raw.parent / "link").symlink_to(raw)
    with pytest.raises(UsageError, match="lies in a data set"):
        check_place(raw / out, raw)


def test_it_may_not_lie_in_another_data_set_either(raw: Path, bids_set: MakeSet) -> None:
    other = bids_set(raw.parent / "other", "sub-09/anat/sub-09_T1w.nii.gz")
    with pytest.raises(UsageError, match="lies in a data set"):
        check_place(other / "sub-09", raw)
    with pytest.raises(UsageError, match="medgan did not make"):
        check_place(other, raw)
    check_place(other / "derivatives" / "medgan", raw)


def test_it_may_not_lie_among_other_files(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".hidden").touch()
    check_place(tmp_path / "out", raw)
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds other files"):
        check_place(tmp_path / "out", raw)


def test_a_derivative_of_another_raw_data_set_is_not_added_to(
    raw: Path, bids_set: MakeSet, tmp_path: Path
) -> None:
    made(tmp_path / "out", raw)
    check_place(tmp_path / "out", raw)
    with pytest.raises(UsageError, match="another raw data set"):
        check_place(tmp_path / "out", bids_set(tmp_path / "raw2"))


def test_nor_one_whose_raw_data_set_is_not_where_it_was_until_it_is_said_where(
    raw: Path, bids_set: MakeSet, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made(out, raw)
    raw.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="may be another's") as refused:
        check_place(out, tmp_path / "moved")
    said = read_description(out)
    link = '"raw": "../moved"'
    assert link in str(refused.value.remedy)
    said["DatasetLinks"] = json.loads(f"{{{link}}}")
    (out / "dataset_description.json").write_text(json.dumps(said))
    check_place(out, tmp_path / "moved")
    with pytest.raises(UsageError, match="another raw data set"):
        check_place(out, bids_set(tmp_path / "raw2"))


def test_it_says_what_it_is_and_who_made_it_and_from_what(raw: Path) -> None:
    said = made(raw / "derivatives" / "medgan", raw)
    assert said["DatasetType"] == "derivative"
    assert said["DatasetLinks"] == {"raw": "../.."}
    (step,) = said["GeneratedBy"]
    assert step["Name"] == "medgan" and "ab" * 32 in step["Description"]
    for words in ("Synthetic T2w", "Research software, not a medical device", "not for diagnosis"):
        assert words in step["Description"]
    assert "synthetic" in said["HowToAcknowledge"]
    assert "License" not in said and "SourceDatasets" not in said
    assert "_errormap.nii.gz" in (raw / "derivatives/medgan/.bidsignore").read_text()
    assert "were not acquired" in (raw / "derivatives/medgan/README").read_text()
    assert str(raw) not in json.dumps(said)


def test_licence_and_thanks_of_the_raw_data_set_are_kept(bids_set: MakeSet, tmp_path: Path) -> None:
    raw = bids_set(
        tmp_path / "raw", License="CC0", DatasetDOI="doi:10.1/x", HowToAcknowledge="Thank the volunteers."
    )
    said = made(tmp_path / "out", raw)
    assert said["License"] == "CC0"
    assert said["SourceDatasets"] == [{"URL": "https://doi.org/10.1/x", "DOI": "doi:10.1/x"}]
    assert said["HowToAcknowledge"].endswith("Of the raw data set: Thank the volunteers.")
    assert said["DatasetLinks"] == {"raw": "../raw"}


def test_each_model_that_was_at_work_is_named_once_and_what_a_person_wrote_stays(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    made(out, raw)
    said = read_description(out) | {"Authors": ["A. Person", "B. Person"]}
    (out / "dataset_description.json").write_text(json.dumps(said))
    (out / "README").write_text("Mine.")
    other = MadeBy(model="mine", sha256="cd" * 32, target="t1")
    for by in (BRAIN, other, other):
        said = made(out, raw, by)
    assert len(said["GeneratedBy"]) == 2
    assert "model mine" in said["GeneratedBy"][1]["Description"]
    assert said["Authors"] == ["A. Person", "B. Person"]
    assert (out / "README").read_text() == "Mine."


def test_what_stays_empty_is_taken_away_again(raw: Path) -> None:
    with pytest.raises(KeyboardInterrupt), described(raw / "derivatives" / "medgan", raw, BRAIN):
        raise KeyboardInterrupt
    assert not (raw / "derivatives").exists()


def test_what_was_there_before_stays(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    made(out, raw)
    (out / "sub-01/anat/image").unlink()
    (out / "sub-01/anat").rmdir()
    (out / "sub-01").rmdir()
    with described(out, raw, BRAIN):
        pass
    assert (out / "dataset_description.json").exists()


def test_a_description_that_another_command_took_away_is_written_again(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    with described(out, raw, BRAIN):
        (out / "sub-01").mkdir()
        (out / "dataset_description.json").unlink()
    assert read_description(out)["DatasetType"] == "derivative"


def test_a_command_that_makes_nothing_leaves_what_others_at_work_need(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    with described(out, raw, BRAIN):
        with described(out, raw, BRAIN):
            pass
        check_place(out, raw)
        assert read_description(out)["DatasetType"] == "derivative"
    assert not (raw / "derivatives").exists()


def test_one_that_began_first_and_ends_first_does_too(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    first, second = described(out, raw, BRAIN), described(out, raw, BRAIN)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert read_description(out)["DatasetType"] == "derivative"
    (out / "sub-01").mkdir()
    second.__exit__(None, None, None)
    assert {path.name for path in out.iterdir()} == {
        ".bidsignore",
        "README",
        "dataset_description.json",
        "sub-01",
    }


def test_a_model_that_another_command_left_out_is_told_in_the_end(raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    other = MadeBy(model="mine", sha256="cd" * 32, target="t1")
    with described(out, raw, BRAIN):
        (out / "sub-01").mkdir()
        before = (out / "dataset_description.json").read_bytes()
        with described(out, raw, other):
            (out / "dataset_description.json").write_bytes(before)
    assert len(read_description(out)["GeneratedBy"]) == 2


@pytest.mark.parametrize("name", ["README.md", "README.rst", "README.txt"])
def test_a_readme_of_another_ending_is_not_doubled(name: str, raw: Path) -> None:
    out = raw / "derivatives" / "medgan"
    made(out, raw)
    (out / "README").rename(out / name)
    made(out, raw)
    assert not (out / "README").exists()


def test_a_description_that_is_damaged_is_refused(raw: Path, tmp_path: Path) -> None:
    made(tmp_path / "out", raw)
    (tmp_path / "out" / "dataset_description.json").write_text("{")
    with pytest.raises(InputRefusedError, match="cannot be read as JSON"):
        check_place(tmp_path / "out", raw)
