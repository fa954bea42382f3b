"""A reference series is taken where the scan was converted from it, and not where it is another patient's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan.errors import InputRefusedError, UsageError
from medgan.scans import Scan, read_scan
from medgan.scans.dicom_writing import write_series
from medgan.scans.reading import Reading, reference_series
from medgan.synthesis import open_destination
from medgan.synthesis.references import compare_with_reference

ROW = pytest.mark.robustness("dicom-out-reference")
GRID = {"shape": (64, 80, 12), "spacing": 2.5}


@pytest.fixture(scope="module")
def series(head: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A T1w series of person 1, and another of the same head."""
    folder: Path = tmp_path_factory.mktemp("references")
    scan = read_scan(head(folder / "scan.nii.gz", "t1", 1, **GRID))
    write_series(folder / "series", scan, description="T1w", series_number=3, facts={})
    return reference_series(folder / "series", Reading())


@pytest.fixture
def scan(head: Any, tmp_path: Path) -> Callable[..., Scan]:
    """A head on the grid of the series."""

    def make(person: int, contrast: str = "t1") -> Scan:
        return read_scan(head(tmp_path / f"{contrast}-{person}.nii.gz", contrast, person, **GRID))

    return make


def changed(scan: Scan, change: Callable[[Any], Any]) -> Scan:
    """The scan with other voxels."""
    return replace(scan, voxels=np.asarray(change(scan.voxels.astype(np.float64)), dtype=np.float32))


def brain(voxels: Any) -> Any:
    """Roughly what is left of a stripped head."""
    centre = [np.linspace(-1, 1, size) for size in voxels.shape]
    x, y, z = np.meshgrid(*centre, indexing="ij")
    return voxels * (x**2 + y**2 + z**2 < 0.5)


def shaded(voxels: Any) -> Any:
    """Brighter to the front by far."""
    return voxels * np.exp(np.linspace(-0.7, 0.7, voxels.shape[1]))[None, :, None]


@ROW
@pytest.mark.parametrize(
    "convert",
    [
        lambda voxels: voxels,
        lambda voxels: np.round(voxels * 0.37),
        lambda voxels: 4000 * voxels / voxels.max(),
        lambda voxels: voxels - 100,
    ],
    ids=["as it is", "rounded", "scaled", "shifted"],
)
def test_what_a_converter_does_is_taken_without_a_word(convert: Any, scan: Any, series: Any) -> None:
    compared = compare_with_reference(changed(scan(1), convert), series, force=False)
    assert compared.warnings == ()


@ROW
@pytest.mark.parametrize(
    "process",
    [
        brain,
        shaded,
        lambda voxels: brain(shaded(voxels)),
        lambda voxels: np.where(np.arange(80)[None, :, None] > 55, 0, voxels),
        lambda voxels: voxels + np.random.default_rng(0).normal(0, 0.1 * voxels.max(), voxels.shape),
        lambda voxels: np.minimum(voxels, np.percentile(voxels, 80)),
        lambda voxels: np.sqrt(np.maximum(voxels, 0)),
    ],
    ids=["stripped", "shaded", "both", "defaced", "noisy", "clipped", "square root"],
)
def test_what_people_do_to_scans_before_is_told(process: Any, scan: Any, series: Any) -> None:
    (said,) = compare_with_reference(changed(scan(1), process), series, force=False).warnings
    assert "differ from those of the reference series" in said


@ROW
@pytest.mark.parametrize("person", [2, 3, 4, 5])
@pytest.mark.parametrize("process", [lambda voxels: voxels, brain], ids=["whole", "stripped"])
def test_another_head_on_the_same_grid_is_refused(process: Any, person: int, scan: Any, series: Any) -> None:
    with pytest.raises(InputRefusedError, match="another patient") as refused:
        compare_with_reference(changed(scan(person), process), series, force=False)
    assert "--force" in refused.value.remedy


@ROW
@pytest.mark.parametrize(
    "change",
    [lambda voxels: voxels[::-1], lambda voxels: -voxels, lambda voxels: voxels * 0 + 5],
    ids=["mirrored", "inverted", "blank"],
)
def test_the_same_head_in_another_form_is_refused(change: Any, scan: Any, series: Any) -> None:
    with pytest.raises(InputRefusedError):
        compare_with_reference(changed(scan(1), change), series, force=False)


@ROW
def test_who_insists_goes_on_with_a_warning(scan: Any, series: Any) -> None:
    (said,) = compare_with_reference(scan(2), series, force=True).warnings
    assert "not those of the reference series" in said


def test_the_series_itself_and_none_need_no_comparison(scan: Any, series: Any) -> None:
    other = scan(2)
    assert compare_with_reference(other, None, force=False) is other
    read = replace(other, source=replace(other.source, series=series.uid))
    assert compare_with_reference(read, series, force=False) is read


@ROW
def test_real_heads_of_other_people_are_told_from_processed_ones(real_data: Path, tmp_path: Path) -> None:
    """Clinical T1w scans of one protocol, on one matrix, the strangers put onto the head's grid."""
    places = {"1": "patient01/study2_T1W", "12": "patient12/study1_T1W", "19": "patient19/study2_T1W"}
    scans = {
        key: read_scan(real_data / "ms_longitudinal" / f"{place}.nii.gz") for key, place in places.items()
    }
    for key, own in scans.items():
        write_series(tmp_path / key, own, description="T1w", series_number=3, facts={})
        reference = reference_series(tmp_path / key, Reading())
        assert compare_with_reference(own, reference, force=False).warnings == ()
        for process in (brain, shaded):
            assert compare_with_reference(changed(own, process), reference, force=False).warnings
        for stranger in scans:
            if stranger != key:
                posing = replace(own, voxels=scans[stranger].voxels)
                with pytest.raises(InputRefusedError):
                    compare_with_reference(posing, reference, force=False)


@ROW
def test_a_synthetic_series_is_no_reference(series: Any, tmp_path: Path) -> None:
    import pydicom

    for file in series.files:
        slice_ = pydicom.dcmread(file)
        slice_.SyntheticData = "YES"
        (tmp_path / "made").mkdir(exist_ok=True)
        slice_.save_as(tmp_path / "made" / file.name)
    options: Any = {"wanted": "dicom", "reference": tmp_path / "made"}
    with pytest.raises(InputRefusedError, match="synthetic"), open_destination(tmp_path / "out", **options):
        pass
    with open_destination(tmp_path / "out", **options, force=True) as destination:
        assert destination.reference is not None


def test_a_file_is_no_folder_for_results(tmp_path: Path) -> None:
    (tmp_path / "x6").write_text("mine")
    with pytest.raises(UsageError, match=r"is a file, .* \.nii\.gz"), open_destination(tmp_path / "x6"):
        pass
