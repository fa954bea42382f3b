"""medgan's operators in applications of others, beside the SDK's own, whose faults do not reach what they give."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from medgan.errors import InputRefusedError, ModelRefusedError, SeriesChoiceError, UsageError

pytestmark = [
    pytest.mark.usefixtures("deploy_sdk"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK's own
]
Make = Callable[..., Any]
T1W = {"selections": [{"name": "T1w", "conditions": {"SeriesDescription": "^T1w"}}]}


def edited(folder: Path, edit: Callable[[int, Any], None]) -> None:
    for k, file in enumerate(sorted(folder.glob("*.dcm"))):
        dataset = pydicom.dcmread(file)
        edit(k, dataset)
        dataset.save_as(file)


def application(compose: Callable[[Any], None]) -> Any:
    from monai.deploy.core import Application

    class Composed(Application):  # type: ignore[misc]
        def compose(self) -> None:
            compose(self)

    return Composed([])


def sink(app: Any) -> Any:
    """An operator that keeps what it is given."""
    from monai.deploy.core import Operator

    class Sink(Operator):  # type: ignore[misc]
        def setup(self, spec: Any) -> None:
            spec.input("in")

        def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
            self.kept = op_input.receive("in")

    return Sink(app, name="sink")


def selected_by_sdk(app: Any, folder: Path, rules: dict[str, Any] = T1W) -> Any:
    """The SDK's loader and selector; gives the selector."""
    from monai.deploy.conditions import CountCondition
    from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesSelectorOperator

    load = DICOMDataLoaderOperator(app, CountCondition(app, 1), input_folder=folder, name="load")
    select = DICOMSeriesSelectorOperator(app, rules=json.dumps(rules), name="select")
    app.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
    return select


def read_after_sdk(folder: Path, rules: dict[str, Any] = T1W, **options: Any) -> Any:
    """What `SeriesToScanOperator` makes of what the SDK loads and selects."""
    from medgan.integrations.monai_deploy import SeriesToScanOperator

    sinks = []

    def compose(app: Any) -> None:
        read = SeriesToScanOperator(app, name="read", **options)
        select = selected_by_sdk(app, folder, rules)
        app.add_flow(select, read, {("study_selected_series_list", "series")})
        sinks.append(sink(app))
        app.add_flow(read, sinks[0], {("scans", "in")})

    application(compose).run()
    return sinks[0].kept


def image_of_sdk(folder: Path) -> Any:
    """What the SDK's own operators make of the T1w series."""
    from monai.deploy.core import Fragment
    from monai.deploy.operators import (
        DICOMDataLoaderOperator,
        DICOMSeriesSelectorOperator,
        DICOMSeriesToVolumeOperator,
    )

    fragment = Fragment()
    studies = DICOMDataLoaderOperator(fragment, name="load").load_data_to_studies(folder)
    selected = DICOMSeriesSelectorOperator(fragment, name="select").filter(T1W, studies)
    return DICOMSeriesToVolumeOperator(fragment, name="volume").convert_to_image(selected)


def test_pixels_that_are_not_square_keep_their_sides(dicom_study: Make, tmp_path: Path) -> None:
    study = dicom_study(tmp_path / "study", spacing=(4.0, 6.0, 5.0))
    (opened,) = read_after_sdk(study)
    assert opened.scan.spacing == pytest.approx((4, 6, 5))
    theirs = image_of_sdk(study).metadata()["nifti_affine_transform"]
    assert np.linalg.norm(theirs[:3, :3], axis=0) == pytest.approx((6, 4, 5)), "the SDK's fault is mended"


def test_a_missing_slice_is_refused_and_not_averaged_over(dicom_study: Make, tmp_path: Path) -> None:
    study = dicom_study(tmp_path / "study")
    (study / "IMG1" / "0008.dcm").unlink()
    theirs = image_of_sdk(study)
    assert theirs.asnumpy().shape[0] == 15
    step = np.linalg.norm(theirs.metadata()["nifti_affine_transform"][:3, 2])
    assert step == pytest.approx(5 * 15 / 14), "the SDK's fault is mended"
    with pytest.raises(InputRefusedError, match="slices missing"):
        read_after_sdk(study)


def test_each_slice_is_rescaled_by_its_own_slope_whatever_the_first_one_holds(
    dicom_study: Make, tmp_path: Path
) -> None:
    study = dicom_study(tmp_path / "study")

    def rescale(k: int, dataset: Any) -> None:
        outermost = k in (0, 15)  # one of them is the first
        dataset.RescaleSlope, dataset.RescaleIntercept = ("1", "1") if outermost else ("0.25", "-20.5")

    edited(study / "IMG1", rescale)
    files = [pydicom.dcmread(file) for file in sorted((study / "IMG1").glob("*.dcm"))]
    wanted = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in files]
    (opened,) = read_after_sdk(study)
    pictures = opened.scan.source.slicing.pictures(opened.scan.voxels)
    assert sorted(float(p.sum()) for p in pictures) == pytest.approx(sorted(float(p.sum()) for p in wanted))
    assert opened.scan.voxels.min() == -20.5
    assert image_of_sdk(study).asnumpy().dtype == np.uint16, "the SDK's fault is mended"


def test_a_second_echo_is_not_lost(dicom_study: Make, tmp_path: Path) -> None:
    from pydicom.uid import generate_uid

    study = dicom_study(tmp_path / "study")
    for file in sorted((study / "IMG1").glob("*.dcm")):
        late = pydicom.dcmread(file)
        late.EchoTime, late.SOPInstanceUID = 90, generate_uid()
        late.save_as(file.with_name(f"late-{file.name}"))
        early = pydicom.dcmread(file)
        early.EchoTime = 12
        early.save_as(file)
    with pytest.raises(SeriesChoiceError, match="echo times of 12, 90 ms"):
        read_after_sdk(study)
    (opened,) = read_after_sdk(study, echo=90)
    assert opened.scan.voxels.shape[2] == 16 and opened.scan.source.facts["echo_time"] == 90
    assert image_of_sdk(study).asnumpy().shape[0] == 16, "the SDK's fault is mended"


def test_where_the_sdk_selects_nothing_it_is_said(dicom_study: Make, tmp_path: Path) -> None:
    study = dicom_study(tmp_path / "study")
    nothing = {"selections": [{"name": "x", "conditions": {"SeriesDescription": "FLAIR"}}]}
    with pytest.raises(InputRefusedError, match="no series was selected"):
        read_after_sdk(study, rules=nothing)


def test_the_operators_fit_behind_the_sdks_and_give_what_the_command_line_gives(
    dicom_study: Make, tiny_run: Path, tmp_path: Path, medgan: Make, caplog: pytest.LogCaptureFixture
) -> None:
    from medgan.integrations.monai_deploy import (
        MedganSynthesisOperator,
        MRSeriesWriterOperator,
        NiftiWriterOperator,
        SeriesToScanOperator,
        SyntheticImageOperator,
    )

    study = dicom_study(tmp_path / "study", spacing=(4.0, 6.0, 5.0))
    sinks = []

    def compose(app: Any) -> None:
        read = SeriesToScanOperator(app, name="read")
        make = MedganSynthesisOperator(app, model=tiny_run, target="t2", device="cpu", name="make")
        series = MRSeriesWriterOperator(app, output_folder=tmp_path / "dicom", name="series")
        nifti = NiftiWriterOperator(app, output_folder=tmp_path / "nifti", name="nifti")
        image = SyntheticImageOperator(app, name="image")
        app.add_flow(selected_by_sdk(app, study), read, {("study_selected_series_list", "series")})
        app.add_flow(read, make, {("scans", "scans")})
        for write in (series, nifti, image):
            app.add_flow(make, write, {("synthetics", "synthetics")})
        sinks.append(sink(app))
        app.add_flow(image, sinks[0], {("image", "in")})

    with caplog.at_level(logging.INFO, "medgan"):
        application(compose).run()
    options = ("--target", "t2", "--model", tiny_run, "--device", "cpu", "-o", tmp_path / "command")
    assert medgan("synthesize", study / "IMG1", *options).code == 0
    name = "IMG1_series001_desc-medganFromT1w_T2w"
    for ending in (".nii.gz", ".json"):
        theirs, ours = (tmp_path / place / f"{name}{ending}" for place in ("command", "nifti"))
        assert theirs.read_bytes() == ours.read_bytes()
    written = sorted((tmp_path / "dicom" / name).iterdir())
    assert len(written) == 16 and str(tmp_path / "dicom" / name) in caplog.text
    assert_is_image_of(sinks[0].kept, nibabel.load(tmp_path / "nifti" / f"{name}.nii.gz"), written)


def assert_is_image_of(image: Any, nifti: Any, written: list[Path]) -> None:
    """An SDK image shows the same in the same place as NIfTI, as the SDK's inference reads it, slice by slice."""
    from monai.deploy.operators.monai_seg_inference_operator import InMemImageReader

    voxels, metadata = InMemImageReader(image).get_data(image)
    assert metadata["spacing"].tolist() == pytest.approx([4, 6, 5])
    assert np.linalg.norm(metadata["affine"][:3, :3], axis=0) == pytest.approx([4, 6, 5])
    there = nibabel.affines.apply_affine(
        np.linalg.inv(nifti.affine) @ metadata["affine"], np.indices(voxels.shape).reshape(3, -1).T
    )
    indices = np.rint(there).astype(int)
    assert np.abs(there - indices).max() < 1e-3
    assert np.array_equal(voxels.ravel(), nifti.get_fdata(dtype=np.float32)[tuple(indices.T)])
    for k, file in enumerate(
        written
    ):  # slices in the order of the DICOM series, rows as its pictures have them
        pixels = pydicom.dcmread(file).pixel_array.astype(float)
        assert np.corrcoef(pixels.ravel(), image.asnumpy()[k].ravel())[0, 1] > 0.999 or pixels.std() == 0


def test_networks_run_in_a_thread_of_pythons_own(
    dicom_study: Make, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holoscan's threads lose Python's state after each call, and OpenVINO's requests with it: the process crashes."""
    from medgan.integrations import monai_deploy

    def make_from(opened: Any, by: Any) -> Any:
        assert not isinstance(threading.current_thread(), threading._DummyThread)
        raise InputRefusedError("got here")

    monkeypatch.setattr(monai_deploy, "make_from", make_from)
    with pytest.raises(InputRefusedError, match="got here"):
        composed(dicom_study(tmp_path / "study"), tiny_run, tmp_path / "out").run()


def composed(study: Path, model: Any, out: Path, **rules: Any) -> Any:
    """An application of medgan's operators alone."""
    from medgan.integrations import monai_deploy as operators
    from medgan.scans.selection import series_rules

    def compose(app: Any) -> None:
        chosen = series_rules(rules or {"rules": [{"contrast": "t1"}]})
        select = operators.SeriesSelectionOperator(app, input_folder=study, rules=chosen, name="select")
        read = operators.SeriesToScanOperator(app, name="read")
        make = operators.MedganSynthesisOperator(app, model=model, device="cpu", name="make")
        write = operators.NiftiWriterOperator(app, output_folder=out, name="write")
        image = operators.SyntheticImageOperator(app, name="image")
        app.add_flow(select, read, {("series", "series")})
        app.add_flow(read, make, {("scans", "scans")})
        app.add_flow(make, write, {("synthetics", "synthetics")})
        if not rules:
            app.add_flow(make, image, {("synthetics", "synthetics")})
            app.add_flow(image, sink(app), {("image", "in")})

    return application(compose)


def test_each_of_several_series_is_made_under_a_name_of_its_own(
    dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    both = {"several": "each", "rules": [{"slices": [16, 16]}]}
    composed(dicom_study(tmp_path / "study"), tiny_run, tmp_path / "out", **both).run()
    assert sorted(file.name for file in (tmp_path / "out").glob("*.nii.gz")) == [
        f"IMG{number}_series{number:03d}_desc-medganFromT1w_T2w.nii.gz" for number in (1, 2)
    ]


def test_where_one_of_several_series_is_refused_nothing_is_written(
    dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    study = dicom_study(tmp_path / "study")
    (study / "IMG2" / "0008.dcm").unlink()
    both = {"several": "each", "rules": [{"slices": [15, 16]}]}
    with pytest.raises(InputRefusedError, match="slices missing"):
        composed(study, tiny_run, tmp_path / "out", **both).run()
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="no such model"):
        composed(tmp_path / "nowhere", tmp_path / "no-model", tmp_path / "out").run()


def test_no_patient_is_named_in_what_holoscan_logs(
    dicom_study: Make, tiny_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from holoscan.logger import LogLevel, set_log_level

    set_log_level(LogLevel.INFO)
    study = dicom_study(tmp_path / "Q" / "VANDERBILT^ZOE")
    edited(study / "IMG1", lambda k, dataset: setattr(dataset, "PatientName", "Vanderbilt^Zoe"))
    (study / "IMG1" / "0008.dcm").unlink()
    with pytest.raises(InputRefusedError):
        composed(study, tiny_run, tmp_path / "out").run()
    said = capfd.readouterr()
    assert "slices missing" in said.err, "Holoscan logs errors"
    assert "vanderbilt" not in (said.out + said.err).casefold()


def test_an_image_for_the_sdk_is_one_and_of_dicom(dicom_study: Make, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from monai.deploy.core import Fragment

    from medgan.integrations.monai_deploy import SyntheticImageOperator
    from medgan.integrations.monai_deploy_image import image_of

    operator = SyntheticImageOperator(Fragment(), name="image")
    with pytest.raises(UsageError, match="2 scans were made"):
        operator.compute(SimpleNamespace(receive=lambda name: [None, None]), None, None)
    source = SimpleNamespace(slicing=None)
    made = SimpleNamespace(
        opened=SimpleNamespace(found=SimpleNamespace(series=None)),
        synthetic=SimpleNamespace(scan=SimpleNamespace(source=source)),
    )
    with pytest.raises(UsageError, match="made from DICOM"):
        image_of(made)  # type: ignore[arg-type]
