"""Claims about the JSON beside an output: it says what the image is and gives no one away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan import __version__
from medgan.scans.hints import hints_for
from medgan.scans.scan import Source
from medgan.scans.sidecar import build_sidecar, write_sidecar


def entries(path: Path, **changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "source": Source(path=path, kind="nifti", stem="sub-01_T1w"),
        "from_contrast": "t1",
        "to_contrast": "t2",
        "model_name": "default",
        "model_sha256": "ab" * 32,
        "preparation": {"normalisation": "percentile", "percentiles": (0.5, 99.5), "low": np.float32(1.5)},
        "device": "cpu",
    }
    return good | changes


def test_it_says_that_the_image_is_synthetic_and_not_for_diagnosis(tmp_path: Path) -> None:
    sidecar = build_sidecar(**entries(tmp_path / "sub-01_T1w.nii.gz"))
    assert sidecar["SyntheticData"] is True
    for words in ("Synthetic T2w", "from a T1w", "Research only", "not for diagnosis"):
        assert words in sidecar["Description"]
    assert sidecar["SpatialReference"] == "orig"
    assert sidecar["Medgan"] == {
        "Version": __version__,
        "Model": "default",
        "ModelSHA256": "ab" * 32,
        "Direction": "T1w to T2w",
        "Preparation": {"normalisation": "percentile", "percentiles": [0.5, 99.5], "low": 1.5},
        "Device": "cpu",
        "Warnings": [],
    }


def test_a_source_outside_bids_is_named_without_its_folder(tmp_path: Path) -> None:
    text = json.dumps(build_sidecar(**entries(tmp_path / "doe" / "scan.nii.gz")))
    assert '"Sources": ["scan.nii.gz"]' in text
    assert "doe" not in text
    assert str(tmp_path) not in text


@pytest.mark.robustness("privacy-names")
def test_a_dicom_source_is_named_by_its_stem_since_exports_are_called_after_patients(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text("{}")
    source = Source(path=tmp_path / "DOE^JANE", kind="dicom", stem="series004-0a1b2c3d")
    text = json.dumps(build_sidecar(**entries(tmp_path, source=source)))
    assert '"Sources": ["series004-0a1b2c3d"]' in text
    assert "DOE" not in text


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ('{"Name": "x"}', "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"),
        ('{"DatasetType": "raw"}', "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"),
        ('{"DatasetType": "derivative"}', "sub-01_T1w.nii.gz"),
        ("not JSON", "sub-01_T1w.nii.gz"),
        ("[" * 100_000, "sub-01_T1w.nii.gz"),
    ],
)
def test_a_source_in_a_bids_raw_dataset_is_named_by_its_uri(
    tmp_path: Path, description: str, expected: str
) -> None:
    (tmp_path / "dataset_description.json").write_text(description)
    sidecar = build_sidecar(**entries(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz"))
    assert sidecar["Sources"] == [expected]


@pytest.mark.parametrize("known", [True, False, None])
def test_skull_stripping_is_stated_only_where_it_is_known(known: bool | None) -> None:
    sidecar = build_sidecar(**entries(Path("a.nii"), skull_stripped=known))
    assert sidecar.get("SkullStripped", None) is known
    assert ("SkullStripped" in sidecar) == (known is not None)


@pytest.mark.parametrize("key", ["EchoTime", "RepetitionTime", "PatientName"])
def test_nothing_of_the_acquisition_or_the_person_gets_in(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        build_sidecar(**entries(Path("a.nii"), preparation={"inner": [{key: 1}]}))


def test_paths_are_cut_to_names_and_nan_becomes_null() -> None:
    extra = {"Where": Path("/home/doe/model"), "Score": float("nan"), "Values": np.arange(3)}
    medgan = build_sidecar(**entries(Path("a.nii"), extra=extra))["Medgan"]
    assert (medgan["Where"], medgan["Score"], medgan["Values"]) == ("model", None, [0, 1, 2])


def test_the_file_is_json_and_marks_its_image_as_synthetic(tmp_path: Path) -> None:
    written = write_sidecar(tmp_path / "out.json", **entries(tmp_path / "a.nii.gz", warnings=["é"]))
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == written
    assert hints_for(Path("out.nii.gz"), sidecar=tmp_path / "out.json").facts["synthetic"] is True
