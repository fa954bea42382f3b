"""Maps of how far an image may be off lie beside it, on its grid, are told in its sidecar, and are no scans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medgan.errors import ModelRefusedError
from medgan.models import load_model
from medgan.preparation import find_foreground
from medgan.scans import find_scans, read_scan
from medgan.scans.marks import is_map
from medgan.synthesis import Destination, Synthesizer, find_inputs, synthesize_each
from medgan.synthesis.destination import plan_outputs

OBLIQUE = np.array([[0.0, 1, 4.8, 3], [4.9, 0.5, 0, -9], [-0.4, 4.8, -1, 7], [0, 0, 0, 1]])
NAMES = [
    "sub-01_desc-medganFromT1wBound90_T2w.nii.gz",
    "sub-01_desc-medganFromT1wUncertainty_T2w.nii.gz",
    "sub-01_desc-medganFromT1w_T2w.json",
    "sub-01_desc-medganFromT1w_T2w.nii.gz",
]


@pytest.fixture
def sure(calibrated: Path) -> Synthesizer:
    """Makes T2w, and says how far it may be off."""
    return Synthesizer(load_model(calibrated), target="t2", device="cpu", uncertainty=True)


def test_the_maps_lie_on_the_scans_own_grid_and_are_dark_around_the_head(
    sure: Synthesizer, head: Callable[..., Path], tmp_path: Path
) -> None:
    scan = read_scan(head(tmp_path / "sub-01_T1w.nii.gz", "t1", 1, affine=OBLIQUE))
    made = sure(scan)
    assert made.maps is not None
    expected, bound = made.maps.expected, made.maps.bound
    for one in (expected, bound):
        assert one.voxels.shape == scan.voxels.shape
        assert np.array_equal(one.affine, scan.affine)
        assert one.voxels.dtype == np.float32
        assert 0 <= one.voxels.min() <= one.voxels.max() <= 1
    inside = find_foreground(scan.voxels).mask
    assert (expected.voxels[inside] > 0).mean() > 0.97
    assert (expected.voxels <= bound.voxels).mean() > 0.99
    assert expected.voxels[[0, -1], [0, -1], [0, -1]].max() == 0


def test_asking_for_the_uncertainty_does_not_change_the_image(
    sure: Synthesizer, calibrated: Path, head: Callable[..., Path], tmp_path: Path
) -> None:
    scan = read_scan(head(tmp_path / "sub-01_T1w.nii.gz", "t1", 1))
    plain = Synthesizer(load_model(calibrated), target="t2", device="cpu")(scan)
    assert plain.maps is None
    assert np.array_equal(plain.scan.voxels, sure(scan).scan.voxels)


def test_a_model_that_does_not_know_its_errors_is_refused_with_the_way_out(tiny_run: Path) -> None:
    with pytest.raises(ModelRefusedError, match="how far off its T2w images are") as caught:
        Synthesizer(load_model(tiny_run), target="t2", device="cpu", uncertainty=True)
    assert "medgan calibrate" in caught.value.remedy


@pytest.fixture
def written(sure: Synthesizer, head: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """Synthesise one head into a folder, with or without maps."""
    source = head(tmp_path / "in" / "sub-01_T1w.nii.gz", "t1", 1)

    def write(by: Synthesizer = sure, **more: Any) -> Any:
        (result,) = synthesize_each(
            find_inputs([source], series=None), by, Destination(out=tmp_path / "out"), **more
        )
        return result

    return write


def test_the_maps_are_written_beside_the_image_and_told_in_its_sidecar(
    written: Callable[..., Any], tmp_path: Path
) -> None:
    result = written()
    assert result.error is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES
    assert [path.name for path in result.files][-1].endswith(".json")
    said = json.loads((tmp_path / "out" / NAMES[2]).read_text())["Medgan"]
    assert set(said["OutputSHA256"]) == {name for name in NAMES if name.endswith(".nii.gz")}
    assert said["Uncertainty"]["Expected"] == NAMES[1]
    assert said["Uncertainty"]["Bound"] == NAMES[0]
    assert said["Uncertainty"]["Level"] == 0.9
    assert "12 simulated heads" in said["Uncertainty"]["Calibration"]
    image = nibabel.load(tmp_path / "out" / NAMES[0])
    assert "90% bound" in str(image.header["descrip"])
    assert image.shape == nibabel.load(tmp_path / "out" / NAMES[3]).shape


def test_a_result_is_complete_only_with_its_maps(
    written: Callable[..., Any], calibrated: Path, tmp_path: Path
) -> None:
    plain = Synthesizer(load_model(calibrated), target="t2", device="cpu")
    assert written(plain).error is None
    assert not written(resume=True).kept
    assert written(resume=True).kept
    (tmp_path / "out" / NAMES[1]).write_bytes(b"")
    again = written(resume=True)
    assert again.kept is False
    assert "nothing says that medgan made it" in again.error.cause
    (tmp_path / "out" / NAMES[1]).unlink()
    assert written(resume=True).error is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES


def test_a_map_that_somebody_else_made_is_not_written_over(
    written: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAMES[1]).write_bytes(b"mine")
    assert "exists already" in written().error.cause
    assert (tmp_path / "out" / NAMES[1]).read_bytes() == b"mine"


def test_an_older_map_does_not_stay_beside_a_newer_image(
    written: Callable[..., Any], calibrated: Path
) -> None:
    assert written().error is None
    later = written(Synthesizer(load_model(calibrated), target="t2", device="cpu"))
    assert "says how" in later.error.cause
    assert "remove" in later.error.remedy


def test_maps_are_no_scans_and_no_predictions(written: Callable[..., Any], tmp_path: Path) -> None:
    from medgan.evaluation.matching import match_folders

    written()
    source = tmp_path / "in" / "sub-01_T1w.nii.gz"
    (tmp_path / "out" / source.name).write_bytes(source.read_bytes())
    assert [one.path.name for one in find_scans(tmp_path / "out")] == [source.name]
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "sub-01_T2w.nii.gz").write_bytes(source.read_bytes())
    (one,) = match_folders(tmp_path / "out", tmp_path / "ref").subjects
    assert one.prediction.path.name == NAMES[3]


@pytest.mark.parametrize(
    ("out", "expected", "bound"),
    [
        ("out", "a_desc-medganFromT1wUncertainty_T2w.nii.gz", "a_desc-medganFromT1wBound90_T2w.nii.gz"),
        ("t2.nii.gz", "t2_desc-medganUncertainty.nii.gz", "t2_desc-medganBound90.nii.gz"),
        ("t2.png", "t2_desc-medganUncertainty.nii.gz", "t2_desc-medganBound90.nii.gz"),
    ],
)
def test_maps_are_called_after_their_image(out: str, expected: str, bound: str, tmp_path: Path) -> None:
    plan = plan_outputs(
        "a", "nifti", Destination(out=tmp_path / out), source_contrast="t1", target="t2", maps=True
    )
    assert {key: path.name for key, path in plan.maps.items()} == {"expected": expected, "bound": bound}
    assert is_map(expected) and is_map(bound)
    assert not any(is_map(path.name) for path in (*plan.images.values(), plan.sidecar))


def test_a_scan_unlike_the_training_is_said_to_be_so(
    sure: Synthesizer, head: Callable[..., Path], tmp_path: Path
) -> None:
    near = sure(read_scan(head(tmp_path / "sub-05_T1w.nii.gz", "t1", 5)))
    far = sure(read_scan(head(tmp_path / "sub-06_T1w.nii.gz", "t1", 6, shape=(32, 40, 6))))
    assert not any("trained on" in text for text in near.warnings)
    assert any("the head that it shows is" in text and "trained on" in text for text in far.warnings)
