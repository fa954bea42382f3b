"""Stage by stage, the same is written as in one go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan.errors import InputRefusedError, UsageError
from medgan.models import load_model
from medgan.scans import find_scans
from medgan.scans.dicom_writing import write_series
from medgan.scans.scan import Scan, Source
from medgan.synthesis import (
    Destination,
    Synthesizer,
    Writer,
    find_inputs,
    make_from,
    open_destination,
    open_scan,
    synthesize_each,
)


@pytest.fixture(scope="module")
def synthesizer(tiny_run: Path) -> Synthesizer:
    return Synthesizer(load_model(tiny_run), target="t2", device="cpu")


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T1w series of a head, in a folder of its own."""
    folder = tmp_path_factory.mktemp("dicom") / "T1"
    voxels = np.rint(np.random.default_rng(0).random((32, 40, 12)) * 900).astype(np.float32)
    voxels[8:24, 8:32, 2:10] += 500
    scan = Scan(
        voxels=voxels,
        affine=np.diag([5.0, 5.0, 5.0, 1.0]),
        source=Source(path=folder, kind="array", stem="x"),
    )
    write_series(folder, scan, description="T1w", series_number=4, facts={})
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_nifti_is_the_same_to_the_byte_sidecar_and_name_included(
    synthesizer: Synthesizer, series: Path, tmp_path: Path
) -> None:
    with open_destination(tmp_path / "once") as destination:
        (result,) = synthesize_each(find_inputs([series], series=None), synthesizer, destination)
    assert result.error is None
    (found,) = find_scans(series)
    files = Writer(Destination(out=tmp_path / "stages"))(make_from(open_scan(found), synthesizer))
    assert [file.name for file in files] == [file.name for file in result.files]
    assert files_in(tmp_path / "stages") == files_in(tmp_path / "once")


def test_the_same_scan_may_be_written_to_several_places(
    synthesizer: Synthesizer, series: Path, tmp_path: Path
) -> None:
    made = make_from(open_scan(find_scans(series)[0]), synthesizer)
    for kind in ("dicom", "nifti"):
        files = Writer(Destination(out=tmp_path / kind, wanted=kind))(made)  # type: ignore[arg-type]
        assert all(file.exists() for file in files)
        said = json.loads(files[-1].read_text(encoding="utf-8"))["Medgan"]
        assert list(said["OutputSHA256"]) == [file.name for file in files[:-1]]


def test_results_of_one_writer_have_names_of_their_own(
    synthesizer: Synthesizer, series: Path, tmp_path: Path
) -> None:
    made = make_from(open_scan(find_scans(series)[0]), synthesizer)
    write = Writer(Destination(out=tmp_path))
    assert [write(made)[0].name for _ in range(2)] == [
        "T1_series004_desc-medganFromT1w_T2w.nii.gz",
        "T1_series004-2_desc-medganFromT1w_T2w.nii.gz",
    ]


def test_maps_of_the_uncertainty_are_written_where_the_model_knows_it(
    calibrated: Path, head: Callable[..., Path], tmp_path: Path
) -> None:
    by = Synthesizer(load_model(calibrated), target="t2", device="cpu", uncertainty=True)
    found = find_scans(head(tmp_path / "a_T1w.nii.gz", "t1", 5))[0]
    files = Writer(Destination(out=tmp_path / "out"))(make_from(open_scan(found), by))
    assert len(files) == 4 and all(file.is_file() for file in files)


def test_a_scan_that_cannot_be_read_is_refused(series: Path, tmp_path: Path, classic_gap: Any) -> None:
    (found,) = find_scans(classic_gap(series, tmp_path / "gap"))
    with pytest.raises(InputRefusedError, match="missing"):
        open_scan(found)


@pytest.fixture
def classic_gap() -> Callable[[Path, Path], Path]:
    """A copy of a series without one of its slices."""

    def copy(series: Path, folder: Path) -> Path:
        folder.mkdir()
        for k, file in enumerate(sorted(series.iterdir())):
            if k != 5:
                (folder / file.name).write_bytes(file.read_bytes())
        return folder

    return copy


def test_a_reference_is_for_who_compares_with_it(series: Path, tmp_path: Path) -> None:
    with (
        open_destination(tmp_path, wanted="dicom", reference=series) as destination,
        pytest.raises(UsageError, match="reference"),
    ):
        Writer(destination)
