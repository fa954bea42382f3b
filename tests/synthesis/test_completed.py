"""`--resume` passes over what is complete, unchanged and of the same origin, and over nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medgan.models import load_model
from medgan.scans.dicom_writing import write_series
from medgan.scans.reading import Reading, choose_scan, read_scan
from medgan.synthesis import Destination, Input, Result, Synthesizer, synthesize_each


@pytest.fixture
def run(head: Any, tiny_run: Path, tmp_path: Path) -> Callable[..., list[Result]]:
    """Two scans and a broken one, synthesised with `resume`."""
    inputs = [
        Input(path.name, path)
        for path in (
            head(tmp_path / "in" / "a_T1w.nii.gz", "t1", 1),
            tmp_path / "in" / "broken.nii.gz",
            head(tmp_path / "in" / "b_T1w.nii.gz", "t1", 2),
        )
    ]
    inputs[1].scan.write_bytes(b"\x1f\x8b")  # type: ignore[union-attr]

    def call(**reading: Any) -> list[Result]:
        synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")
        destination = Destination(out=tmp_path / "out")
        return list(
            synthesize_each(inputs, synthesizer, destination, reading=Reading(**reading), resume=True)
        )

    return call


def kept(results: list[Result]) -> list[bool]:
    return [result.kept for result in results]


@pytest.mark.robustness("crash-resume")
def test_complete_results_are_kept_and_a_bad_scan_is_tried_again(run: Any, tmp_path: Path) -> None:
    assert kept(run()) == [False, False, False]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    second = run()
    assert kept(second) == [True, False, True]
    assert second[1].error is not None
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.robustness("crash-resume")
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "no sidecar", "sidecar cut", "input", "model"])
def test_a_result_that_is_damaged_or_of_another_origin_is_made_again(
    harm: str, run: Any, head: Any, tmp_path: Path
) -> None:
    first = run()[0]
    image, sidecar = first.files
    whole = image.read_bytes()
    if harm == "flip":
        image.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    elif harm == "cut":
        image.write_bytes(whole[:-7])
    elif harm == "remove":
        image.unlink()
    elif harm == "no sidecar":
        sidecar.unlink()
        image.unlink()  # without a sidecar it would be another's
    elif harm == "sidecar cut":
        sidecar.write_text(sidecar.read_text()[:-300])
        image.unlink()
        sidecar.unlink()
    elif harm == "input":
        head(tmp_path / "in" / "a_T1w.nii.gz", "t1", 5)
    else:
        said = json.loads(sidecar.read_text())
        said["Medgan"]["ModelSHA256"] = "0" * 64
        sidecar.write_text(json.dumps(said))
    assert kept(run()) == [False, False, True]
    assert (image.read_bytes() == whole) == (harm != "input")


def test_another_way_of_reading_is_another_input(run: Any) -> None:
    run()
    assert kept(run(nan_to_zero=True)) == [False, False, False]


def test_a_dicom_result_counts_as_complete_only_with_all_its_files(
    head: Any, tiny_run: Path, tmp_path: Path
) -> None:
    scan = read_scan(head(tmp_path / "t1.nii.gz", "t1", 1))
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(tmp_path / "series", scan, description="T1w", series_number=3, facts=facts)
    synthesizer = Synthesizer(load_model(tiny_run), target="t2", device="cpu")

    def once() -> Result:
        destination = Destination(out=tmp_path / "out", wanted="dicom")
        (result,) = synthesize_each(
            [Input("series", choose_scan(tmp_path / "series"))], synthesizer, destination, resume=True
        )
        assert result.error is None
        return result

    assert not once().kept
    assert once().kept
    next(once().files[0].iterdir()).unlink()
    assert not once().kept
    assert once().kept
