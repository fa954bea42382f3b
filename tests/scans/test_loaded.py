"""A series that another program has loaded is found again where its files lie, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from medgan.errors import InputRefusedError, SeriesChoiceError
from medgan.scans.loaded import find_again
from medgan.scans.reading import Reading
from medgan.synthesis import open_scan

Make = Callable[..., Any]


def loaded(files: list[Path]) -> list[Any]:
    return [pydicom.dcmread(file) for file in files]


def test_it_is_the_series_in_its_files_wherever_these_lie(tmp_path: Path, classic: Make) -> None:
    files = classic(tmp_path / "a" / "x")
    classic(tmp_path / "a" / "y")
    scattered = tmp_path / "a" / "z" / files[0].name
    scattered.parent.mkdir()
    files[0] = shutil.move(files[0], scattered)
    found = find_again(loaded(files))
    assert found.series is not None and set(found.series.files) == set(files)


def test_what_a_loader_left_out_is_not_passed_over(tmp_path: Path, classic: Make) -> None:
    files = classic(tmp_path / "in")
    with pytest.raises(InputRefusedError, match="holds 5 images of the series, and 4 were loaded"):
        find_again(loaded(files[:-1]))


def test_of_several_echoes_the_refusal_is_that_of_reading(tmp_path: Path, classic: Make) -> None:
    files = classic(tmp_path / "in")
    for file in files:
        echo = pydicom.dcmread(file)
        echo.EchoTime, echo.SOPInstanceUID = 90, generate_uid()
        echo.save_as(file.with_name(f"echo-{file.name}"))
    found = find_again(loaded(files))
    assert isinstance(found.refusal, SeriesChoiceError) and "echo times of 12, 90 ms" in found.refusal.cause
    late = open_scan(find_again(loaded(files), partly=True), reading=Reading(echo=90)).scan
    assert late.voxels.shape[2] == len(files)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientName", "X"), ("PatientID", "1"), ("StudyInstanceUID", "1.2"), ("SOPInstanceUID", "1.2")],
)
def test_what_was_changed_in_memory_is_refused(
    keyword: str, value: str, tmp_path: Path, classic: Make
) -> None:
    datasets = loaded(classic(tmp_path / "in"))
    setattr(datasets[2], keyword, value)
    with pytest.raises(InputRefusedError, match="was changed since"):
        find_again(datasets)


def test_what_was_not_read_from_files_is_refused(tmp_path: Path, classic: Make) -> None:
    datasets = loaded(classic(tmp_path / "in"))
    datasets[0].filename = None
    with pytest.raises(InputRefusedError, match="not read from files"):
        find_again(datasets)
    with pytest.raises(InputRefusedError, match="has no images"):
        find_again([])


def test_files_that_are_gone_are_refused(tmp_path: Path, classic: Make) -> None:
    datasets = loaded(classic(tmp_path / "in" / "a"))
    classic(tmp_path / "other")
    shutil.rmtree(tmp_path / "in" / "a")
    shutil.copytree(tmp_path / "other", tmp_path / "in" / "a")
    with pytest.raises(InputRefusedError, match="no longer holds the series"):
        find_again(datasets)


def test_several_stacks_of_one_uid_are_refused(tmp_path: Path, classic: Make) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.SeriesInstanceUID = "1.2.3"

    turned = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    files = classic(tmp_path / "in" / "a", edit) + classic(tmp_path / "in" / "b", edit, affine=turned)
    with pytest.raises(SeriesChoiceError, match="2 stacks"):
        find_again(loaded(files))
