"""What a bundle takes and writes: no scan twice, none that is hidden, nothing of others' written over, no names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medgan.errors import UsageError
from medgan.integrations import bundle_parts
from medgan.integrations.bundle_parts import PrepareScand, ReadScand, WriteScand, scans_in
from medgan.preparation.settings import PreparationSettings

SETTINGS = PreparationSettings(divisor=8).model_dump(mode="json")


@pytest.fixture
def scan(head: Callable[..., Path], tmp_path: Path) -> Path:
    return head(tmp_path / "in" / "sub-01_T1w.nii.gz", "t1", 1)


def through(scan: Path, out: Path) -> dict[Any, Any]:
    """The scan as it was, under the name of a result: what lies between reading and writing is tested elsewhere."""
    read = ReadScand("image")({"image": scan})
    item = PrepareScand("image", settings=SETTINGS, spatial_dims=2, target="t2")(read)
    made = {"pred": [replace(read["image"], contrast="t2")], "prepared": [item["prepared"]]}
    model = {"name": "m", "sha256": "ab" * 32}
    return WriteScand("pred", output_dir=out, source="t1", model=model, notice="")(made)


@pytest.mark.parametrize("other", ["sub-01.nii.gz", "sub-01_T1w.nii", "SUB-01_T1w.nii.gz"])
def test_scans_whose_results_would_share_a_name_are_refused(other: str, scan: Path) -> None:
    shutil.copy(scan, scan.with_name(other))
    with pytest.raises(UsageError, match="of the same name"):
        scans_in(scan.parent)


def test_hidden_files_are_passed_over(scan: Path) -> None:
    for name in ("._sub-01_T1w.nii.gz", ".medgan-0123456789abcdef.nii.gz"):
        scan.with_name(name).write_bytes(b"no image")
    assert [item["image"] for item in scans_in(scan.parent)] == [scan]


def test_a_scan_of_the_contrast_that_is_to_be_made_is_told(
    scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(bundle_parts._log, "warning", logged.append)
    read = ReadScand("image")({"image": scan.rename(scan.with_name("sub-01_T2w.nii.gz"))})
    item = PrepareScand("image", settings=SETTINGS, spatial_dims=2, target="t2")(read)
    assert any("looks like T2w already" in warning for warning in item["prepared"].warnings)
    assert any("looks like T2w already" in warning for warning in logged)


def test_voxels_unlike_those_that_the_model_knows_are_told(scan: Path) -> None:
    item = PrepareScand("image", settings=SETTINGS, spatial_dims=2, target="t2")(
        ReadScand("image")({"image": scan})
    )
    assert any("5 mm" in warning for warning in item["prepared"].warnings)


@pytest.mark.parametrize("ending", [".nii.gz", ".json"])
def test_what_is_no_result_is_not_written_over(ending: str, scan: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / f"sub-01_desc-medganFromT1w_T2w{ending}"
    mine.parent.mkdir()
    mine.write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="there already"):
        through(scan, mine.parent)
    assert mine.read_text() == '{"mine": 1}' and len(list(mine.parent.iterdir())) == 1


def test_a_file_called_after_its_patient_gives_a_result_that_is_not(scan: Path, tmp_path: Path) -> None:
    scan = scan.rename(scan.with_name("Doe_Jane_t1.nii.gz"))
    scan.with_name("Doe_Jane_t1.json").write_text('{"PatientName": "Doe^Jane"}')
    through(scan, tmp_path / "out")
    image, told = sorted((tmp_path / "out").iterdir(), reverse=True)
    assert image.name.startswith("image-") and json.loads(told.read_text())["Sources"][0].startswith(
        "sha256:"
    )
    assert all("Doe" not in path.name for path in (image, told)) and "Doe" not in told.read_text()
