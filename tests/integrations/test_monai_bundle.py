"""A bundle runs where MONAI is and medgan is not, and gives the volume that medgan gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medgan.errors import UsageError
from medgan.integrations.bundle_parts import ReadScand, scans_in
from medgan.integrations.exporting import export_model
from medgan.models import load_model

pytest.importorskip("fire", reason="python -m monai.bundle needs the package fire")
SCHEMA = Path(__file__).parent / "meta_schema_20240725.json"
"""MONAI's, as published: Project-MONAI/project-monai.github.io, public/schema (Apache-2.0)."""
CONFIGURED = {"meta_file": "configs/metadata.json", "config_file": "configs/inference.json"}
of_monai = pytest.mark.filterwarnings(
    "ignore:parsing config_file:UserWarning",  # that a configuration is code
    "ignore:.*torch.*:DeprecationWarning",
    "ignore:.*:FutureWarning",
)
"""What MONAI's own commands warn of."""


@pytest.fixture
def bundle(tiny_run: Path, tmp_path: Path) -> Path:
    """The bundle of the tiny run (2.5D) for T2w."""
    return export_model(load_model(tiny_run), target="t2", format="bundle", out=tmp_path / "bundle")


@pytest.fixture
def without_medgan(tmp_path: Path) -> dict[str, str]:
    """An environment in which `import medgan` fails."""
    hidden = tmp_path / "hidden" / "medgan"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('there is no medgan here')")
    return os.environ | {"PYTHONPATH": str(hidden.parent)}


@pytest.fixture
def in_bundle(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As who calls MONAI's commands in the bundle's folder."""
    monkeypatch.chdir(bundle)
    monkeypatch.syspath_prepend(bundle)


@pytest.fixture
def oblique(tmp_path: Path, head: Callable[..., Path]) -> Path:
    """A folder of one T1w head, its axes turned, flipped and oblique."""
    plain = nibabel.load(head(tmp_path / "plain" / "sub-01_T1w.nii.gz", "t1", 7))
    turn = np.array([[0, 0.2, -0.98, 0], [-0.98, 0.2, 0, 0], [0.2, 0.96, 0.2, 0], [0, 0, 0, 1]])
    turn[:3, :3] = np.linalg.qr(turn[:3, :3])[0]
    affine = turn @ np.diag([5.0, 5.0, 5.0, 1.0])
    affine[:3, 3] = (12, -34, 56)
    image = nibabel.Nifti1Image(np.flip(np.asarray(plain.dataobj), 1).transpose(1, 0, 2), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    (tmp_path / "scans").mkdir()
    nibabel.save(image, tmp_path / "scans" / "sub-01_T1w.nii.gz")
    return tmp_path / "scans"


@pytest.mark.slow
def test_its_volume_is_that_of_the_command_line_where_there_is_no_medgan(
    bundle: Path, without_medgan: dict[str, str], oblique: Path, tiny_run: Path, medgan: Any, tmp_path: Path
) -> None:
    places = {"bundle_root": ".", "dataset_dir": str(oblique), "output_dir": str(tmp_path / "out")}
    options = [word for name, value in (CONFIGURED | places).items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", *options],
        cwd=bundle,
        env=without_medgan,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (
        medgan("synthesize", oblique, "--target", "t2", "--model", tiny_run, "-o", tmp_path / "own").code == 0
    )
    name = "sub-01_desc-medganFromT1w_T2w"
    ours, theirs = (nibabel.load(tmp_path / place / f"{name}.nii.gz") for place in ("own", "out"))
    wanted = np.asarray(ours.dataobj)
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(np.asarray(theirs.dataobj), wanted, rtol=0, atol=1e-4 * np.ptp(wanted))
    assert bytes(theirs.header.binaryblock) == bytes(ours.header.binaryblock)
    np.testing.assert_array_equal(theirs.affine, ours.affine)
    told = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert told["SyntheticData"] is True
    assert told["Medgan"]["ModelSHA256"] == load_model(tiny_run).digest


@of_monai
def test_monai_checks_and_exports_its_network(bundle: Path, in_bundle: None) -> None:
    from monai.bundle import ckpt_export, verify_net_in_out

    verify_net_in_out("network_def", **CONFIGURED)
    ckpt_export("network_def", filepath="models/model.ts", ckpt_file="models/model.pt", **CONFIGURED)
    network = torch.jit.load(bundle / "models" / "model.ts")
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    images = torch.rand((2, 3, 48, 32)) * 2 - 1
    with torch.inference_mode():
        made = network(images)
    assert set(network.state_dict()) == set(weights)
    assert made.shape == images.shape


@of_monai
@pytest.mark.slow
def test_monai_exports_its_network_to_onnx(bundle: Path, in_bundle: None) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from monai.bundle import onnx_export

    file = "models/model.onnx"
    onnx_export(
        "network_def", filepath=file, ckpt_file="models/model.pt", input_shape=[1, 3, 48, 32], **CONFIGURED
    )
    session = runtime.InferenceSession(bundle / file)
    made = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 48, 32), np.float32)})
    assert made[0].shape == (1, 3, 48, 32)


def test_its_metadata_passes_the_schema_that_monai_published(
    bundle: Path, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    validate = pytest.importorskip("jsonschema").validate
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    volumes = small_model(
        recipe="volumes",
        changes=("generator.channels=[4, 8]", "generator.residual_units=1", "sampling.crop=24"),
    )
    of_volumes = export_model(load_model(volumes), target="t1", format="bundle", out=tmp_path / "3d")
    for place in (bundle, of_volumes):
        metadata = json.loads((place / "configs" / "metadata.json").read_text(encoding="utf-8"))
        validate(metadata, schema)
        shape = metadata["network_data_format"]["inputs"]["image"]["spatial_shape"]
        assert len(shape) == (3 if place == of_volumes else 2)
        assert metadata["schema"].endswith(SCHEMA.name)


def test_it_has_the_files_and_keys_of_the_specification(bundle: Path) -> None:
    for name in (
        "LICENSE",
        "configs/metadata.json",
        "configs/inference.json",
        "models/model.pt",
        "docs/README.md",
    ):
        assert (bundle / name).is_file(), name
    inference = json.loads((bundle / "configs" / "inference.json").read_text())
    needed = {"bundle_root", "device", "dataset_dir", "dataset", "evaluator", "network_def", "inferer"}
    assert needed | {"initialize", "run", "finalize"} <= set(inference)
    text = "".join(
        (bundle / "configs" / f"{name}.json").read_text() for name in ("inference", "train", "metadata")
    )
    assert '"<' not in text  # nothing of the template was left open
    card = (bundle / "docs" / "README.md").read_text()
    assert "not for diagnosis" in card and "{{" not in card


def test_a_folder_without_scans_is_refused_and_results_are_passed_over(
    tmp_path: Path, head: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="holds no NIfTI"):
        scans_in(tmp_path)
    head(tmp_path / "a_T1w.nii.gz", "t1", 1)
    head(tmp_path / "a_desc-medganFromT1w_T2w.nii.gz", "t1", 1)
    assert [one["image"].name for one in scans_in(tmp_path)] == ["a_T1w.nii.gz"]


def test_a_synthetic_scan_is_refused_as_input(tmp_path: Path, head: Callable[..., Path]) -> None:
    file = head(tmp_path / "a.nii.gz", "t1", 1)
    (tmp_path / "a.json").write_text('{"SyntheticData": true}')
    with pytest.raises(Exception, match="is itself synthetic"):
        ReadScand("image")({"image": file})


@of_monai
@pytest.mark.slow
def test_training_by_it_renews_it_and_keeps_what_lies_beside(
    bundle: Path, in_bundle: None, head_folders: Any
) -> None:
    from monai.bundle import run

    kept = bundle / "data" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    before = (bundle / "models" / "model.pt").read_bytes()
    run(
        config_file="configs/train.json",
        meta_file="configs/metadata.json",
        bundle_root=str(bundle),
        t1_dir=str(head_folders.t1),
        t2_dir=str(head_folders.t2),
        max_epochs=1,
        init="none",
        workflow_type="train",
    )
    assert (bundle / "models" / "model.pt").read_bytes() != before
    assert kept.read_text() == "mine"
    told = json.loads((bundle / "configs" / "metadata.json").read_text())["medgan"]
    assert told["model_sha256"] == load_model(bundle / "run").digest
