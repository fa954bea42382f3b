"""What notebooks show of a scan and its result: two linked viewers, marked, on their own grids, without names."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import medgan
from medgan.errors import UsageError
from medgan.integrations.notebook import side_by_side

_TURN = np.array([[-24, 0, 7], [0, 25, 0], [-7, 0, -24]]) / 25
OBLIQUE = nibabel.affines.from_matvec(5.0 * _TURN, (90, -110, 60))


@pytest.fixture(scope="module")
def scan(head: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An oblique T1w, in a folder and a file that are called after a person."""
    return head(tmp_path_factory.mktemp("DOE_JANE") / "DOE_JANE_T1w.nii.gz", "t1", 1, affine=OBLIQUE)


@pytest.fixture(scope="module")
def result(scan: Path, tiny_run: Path) -> Any:
    return medgan.synthesize(scan, target="t2", model=tiny_run, device="cpu")


@pytest.fixture
def widget(scan: Path, result: Any) -> Iterator[Any]:
    pytest.importorskip("ipyniivue", reason="ipyniivue is not installed (medgan[jupyter])")
    import ipywidgets

    ipywidgets.Widget.close_all()  # whatever else was shown in this process: a notebook keeps them all
    error = nibabel.Nifti1Image(np.full(result.shape, 0.2, np.float32), result.affine)
    error.dataobj[0, 0, 0] = 0
    yield side_by_side(scan, result, uncertainty=error)
    ipywidgets.Widget.close_all()


def shown(volume: Any) -> Any:
    """The image that a viewer was given."""
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(volume.data))


def test_each_viewer_shows_its_scan_in_its_place(widget: Any, scan: Path, result: Any) -> None:
    for column, image in zip(widget.children, (nibabel.load(scan), result), strict=True):
        volume = column.children[1].volumes[0]
        there = shown(volume)
        np.testing.assert_allclose(there.affine, image.affine, atol=1e-4)
        values = np.clip(image.get_fdata(), volume.cal_min, volume.cal_max)
        step = (volume.cal_max - volume.cal_min) / 100
        assert np.abs(np.clip(there.get_fdata(), volume.cal_min, volume.cal_max) - values).max() < step


def test_either_viewer_moves_the_other(widget: Any) -> None:
    left, right = (column.children[1] for column in widget.children)
    assert left.other_nv == [right] and right.other_nv == [left]
    assert left.sync_opts["crosshair"] and left.sync_opts["2d"]


def test_the_result_alone_is_marked(widget: Any) -> None:
    source, made = (column.children[0].value for column in widget.children)
    assert "T1w" in source and "SYNTHETIC" not in source
    assert "T2w from T1w" in made and "not for diagnosis" in made


def test_the_expected_error_lies_over_the_result_and_can_be_faded(widget: Any) -> None:
    source, made = (column.children[1] for column in widget.children)
    assert len(source.volumes) == 1
    error = made.volumes[1]
    assert shown(error).get_fdata().max() == pytest.approx(0.2, abs=2e-3)
    assert (error.cal_min, error.cal_max) == (0.0, 0.4)
    assert 0 < widget.children[1].children[2].value == error.opacity < 0.5


def test_no_name_goes_into_the_notebook(widget: Any) -> None:
    import ipywidgets

    kept = str(ipywidgets.Widget.get_manager_state())
    assert "DOE_JANE" not in kept
    assert b"DOE_JANE" not in gzip.decompress(widget.children[0].children[1].volumes[0].data)


def test_files_that_medgan_wrote_are_known_as_its_own(scan: Path, result: Any, tmp_path: Path) -> None:
    pytest.importorskip("ipyniivue", reason="ipyniivue is not installed (medgan[jupyter])")
    nibabel.save(result, tmp_path / "x.nii.gz")
    shown_files = side_by_side(str(scan), tmp_path / "x.nii.gz")
    assert "SYNTHETIC" in shown_files.children[1].children[0].value
    assert len(shown_files.children[1].children) == 2


def test_without_the_extra_it_says_what_to_install(
    scan: Path, result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    with pytest.raises(UsageError) as refused:
        side_by_side(scan, result)
    assert "medgan[jupyter]" in refused.value.remedy


@pytest.mark.slow
def test_a_notebook_that_is_executed_keeps_its_viewers(scan: Path, tiny_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("ipyniivue", reason="ipyniivue is not installed (medgan[jupyter])")
    for name in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(name, reason=f"{name} is not installed (medgan[notebook])")
    import nbclient
    import nbformat

    code = (
        "import medgan\nfrom medgan.integrations.notebook import side_by_side\n"
        f"side_by_side({str(scan)!r}, medgan.synthesize({str(scan)!r}, target='t2', model={str(tiny_run)!r}))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = (one for one in notebook.cells[0].outputs if one.output_type == "execute_result")
    assert "application/vnd.jupyter.widget-view+json" in output.data
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    names = [one["state"].get("_anywidget_id", "") for one in state.values()]
    assert sum("NiiVue" in name for name in names) == 2
