"""The MONAI Deploy application: a folder of DICOM in, what the command line writes out, or a clear refusal."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pydicom
import pytest
import yaml

from medgan import __version__
from medgan.errors import ModelRefusedError, UsageError
from medgan.scans.selection import series_rules

APP = Path(__file__).parents[2] / "pipelines" / "monai_deploy_app"
NAME = "IMG1_series001_desc-medganFromT1w_T2w"
Make = Callable[..., Any]
OF_THE_MOMENT = {  # of each run: identifiers of what was written, and when
    "SOPInstanceUID", "SeriesInstanceUID", "InstanceCreationDate", "InstanceCreationTime", "SeriesDate",
    "SeriesTime", "ContentDate", "ContentTime",
}  # fmt: skip


def test_the_settings_that_come_with_it_are_valid_and_of_this_version() -> None:
    said = yaml.safe_load((APP / "app.yaml").read_text(encoding="utf-8"))
    (rule,) = series_rules(said["medgan"]["series"]).rules
    assert rule.contrast == "t1" and said["medgan"]["target"] == "t2"
    assert said["application"]["version"] == __version__
    requirements = (APP / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"medgan[deploy]=={__version__}" in requirements


@pytest.mark.parametrize(
    ("description", "plain"),
    [
        ("t1_mprage_sag_p2_iso", True),
        ("T1 posterior fossa", True),
        ("Ax T1 FSE PROCESSED", True),
        ("t1_mprage_gd", False),
        ("T1 post", False),
        ("t1 mprage +C", False),
        ("T1_SE_KM", False),
        ("sT1W_3D_CE", False),
        ("T1 GADOLINIUM", False),
        ("Localizer", False),
    ],
)
def test_what_the_settings_call_plain(description: str, plain: bool) -> None:
    said = yaml.safe_load((APP / "app.yaml").read_text(encoding="utf-8"))
    (rule,) = series_rules(said["medgan"]["series"]).rules
    patterns = [str(pattern).removeprefix("!") for pattern in rule.conditions["SeriesDescription"]]
    assert plain is not any(re.search(pattern, description, re.IGNORECASE) for pattern in patterns)


@pytest.mark.skipif(find_spec("holoscan") is not None, reason="the MONAI Deploy App SDK is installed")
def test_without_the_sdk_it_says_what_to_install(tmp_path: Path) -> None:
    done = started("-i", "in", folder=tmp_path)
    assert done.returncode == 2 and 'pip install "medgan[deploy]"' in done.stderr
    with pytest.raises(UsageError, match="need its App SDK") as refused:
        import_module("medgan.integrations.monai_deploy")
    assert "medgan[deploy]" in refused.value.remedy


def started(*arguments: object, folder: Path, **environment: object) -> subprocess.CompletedProcess[str]:
    """The application in a process of its own, as `python pipelines/monai_deploy_app`."""
    command = [sys.executable, str(APP), *map(str, arguments)]
    said = {name: str(value) for name, value in environment.items()}
    said = {**os.environ, "PYTHONPATH": str(APP.parents[1]), **said}
    return subprocess.run(command, cwd=folder, env=said, capture_output=True, text=True, timeout=300)


def all_but_the_moment(file: Path) -> tuple[Any, Any]:
    """The elements of a DICOM file and of its meta information, without those of each run."""
    dataset = pydicom.dcmread(file)
    del dataset.file_meta.MediaStorageSOPInstanceUID
    del dataset.file_meta.FileMetaInformationGroupLength  # UIDs differ in length, too
    for keyword in OF_THE_MOMENT:
        del dataset[keyword]
    return dataset.to_json_dict(), dataset.file_meta.to_json_dict()


def test_its_results_are_those_of_the_command_line(
    deploy_sdk: None, dicom_study: Make, tiny_run: Path, tmp_path: Path, medgan: Make
) -> None:
    dicom_study(tmp_path / "in")
    done = started("-i", "in", "-o", "out", "-m", tiny_run, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"out/nifti/{NAME}.nii.gz" in done.stderr and "not for diagnosis" in done.stderr
    assert "[info]" not in done.stderr and "stack size" not in done.stderr
    for kind in ("nifti", "dicom"):
        options = ("--target", "t2", "--model", tiny_run, "-o", tmp_path / "command" / kind, "--format", kind)
        assert medgan("synthesize", tmp_path / "in" / "IMG1", *options).code == 0
    ours, theirs = tmp_path / "out", tmp_path / "command"
    assert sorted(path.relative_to(ours) for path in ours.rglob("*")) == sorted(
        path.relative_to(theirs) for path in theirs.rglob("*")
    )
    for ending in (".nii.gz", ".json"):
        assert (ours / "nifti" / f"{NAME}{ending}").read_bytes() == (
            theirs / "nifti" / f"{NAME}{ending}"
        ).read_bytes()
    slices = sorted((ours / "dicom" / NAME).iterdir())
    assert len(slices) == 16
    for file in slices:
        assert all_but_the_moment(file) == all_but_the_moment(theirs / "dicom" / NAME / file.name)
    told = [json.loads((place / "dicom" / f"{NAME}.json").read_text("utf-8")) for place in (ours, theirs)]
    for one in told:
        del one["Medgan"]["OutputSHA256"]
    assert told[0] == told[1]


def test_a_package_tells_its_paths_by_the_environment(
    deploy_sdk: None, dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    study = dicom_study(tmp_path / "in")
    shutil.copytree(tiny_run / "model", tmp_path / "models" / "mine")
    settings = yaml.safe_load((APP / "app.yaml").read_text(encoding="utf-8"))
    settings["medgan"] |= {"target": "t1", "outputs": ["nifti"], "device": "cpu"}
    settings["medgan"]["series"] = {"rules": [{"contrast": "t2"}]}
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = started(
        folder=tmp_path,
        HOLOSCAN_INPUT_PATH=study,
        HOLOSCAN_OUTPUT_PATH=tmp_path / "out",
        HOLOSCAN_MODEL_PATH=tmp_path / "models",
        HOLOSCAN_CONFIG_PATH=tmp_path / "app.yaml",
    )
    assert done.returncode == 0, done.stderr
    name = "IMG2_series002_desc-medganFromT2w_T1w"
    assert sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")
    ) == [
        "nifti",
        f"nifti/{name}.json",
        f"nifti/{name}.nii.gz",
    ]
    said = json.loads((tmp_path / "out" / "nifti" / f"{name}.json").read_text(encoding="utf-8"))
    assert said["Medgan"]["ModelSHA256"] != "" and said["Medgan"]["Model"] == "slices"


@pytest.fixture(scope="session")
def app(deploy_sdk: None) -> Any:
    """app.py, imported here."""
    spec = spec_from_file_location("monai_deploy_app", APP / "app.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def refused(app: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Make:
    """Run it in this process, to a refusal: gives its exit code and what it says; nothing may be written."""

    def run(*arguments: object) -> tuple[int, str]:
        code = app.main([*map(str, arguments), "-o", str(tmp_path / "out")])
        assert not (tmp_path / "out").exists()
        return code, capfd.readouterr().err

    return run


def test_a_study_with_two_series_that_meet_the_rule_is_refused(
    refused: Make, dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    dicom_study(tmp_path / "in" / "a")
    dicom_study(tmp_path / "in" / "b")
    code, said = refused("-i", tmp_path / "in", "-m", tiny_run)
    assert code == 3
    assert "holds 2 series that meet the rule 'plain T1w head'" in said and "several: each" in said


def test_a_study_without_a_series_that_meets_the_rule_is_refused(
    refused: Make, dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    code, said = refused("-i", dicom_study(tmp_path / "in") / "IMG2", "-m", tiny_run)
    assert code == 3
    assert "no series that meets the rule" in said and said.rstrip().endswith(": contrast")


def test_a_missing_slice_is_refused_in_terms_of_this_application(
    refused: Make, dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    study = dicom_study(tmp_path / "in")
    (study / "IMG1" / "0008.dcm").unlink()
    code, said = refused("-i", study, "-m", tiny_run)
    assert code == 3
    assert "slices missing" in said and "Change the rules in the configuration" in said


def test_what_is_not_there_is_refused(
    refused: Make, dicom_study: Make, tiny_run: Path, tmp_path: Path
) -> None:
    study = dicom_study(tmp_path / "in")
    assert refused("-i", tmp_path / "nowhere", "-m", tiny_run)[0] == 3
    assert refused("-i", study, "-m", tmp_path / "nowhere")[0] == 4
    assert refused("-i", study, "-m", tiny_run, "-c", tmp_path / "nowhere")[0] == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("medgan: {target: t3, series: {rules: [{contrast: t1}]}}", "target"),
        ("medgan: {series: {rules: [{contrast: t1}]}, uotputs: [nifti]}", "uotputs"),
        ("medgan: {series: {rules: [{contrast: t1}]}, outputs: []}", "outputs"),
        ("medgan: {series: {rules: []}}", "rules"),
        ("medgan: {}", "rules"),
        ("application: {}", "medgan"),
        ("- medgan", "list"),
        ("medgan: !!python/object/apply:os.system [ls]", "python"),
    ],
)
def test_settings_that_mean_nothing_are_refused(app: Any, said: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(said, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        app.read_settings(tmp_path / "app.yaml")
    assert why in refused.value.cause
    assert refused.value.file == tmp_path / "app.yaml"


def test_a_folder_of_models_holds_one_or_none(app: Any, tiny_run: Path, tmp_path: Path) -> None:
    assert app.model_in(None) is None
    assert app.model_in(tmp_path / "nowhere") is None
    models = tmp_path / "models"
    models.mkdir()
    assert app.model_in(models) is None
    shutil.copytree(tiny_run / "model", models / "a")
    assert app.model_in(models) == models / "a"
    assert app.model_in(models / "a") == models / "a"
    assert app.model_in(tiny_run) == tiny_run / "model"
    shutil.copytree(models / "a", models / "b")
    with pytest.raises(ModelRefusedError, match="holds 2 models"):
        app.model_in(models)


def test_a_run_that_holoscan_was_told_to_end_is_no_success(
    app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def ends_early(self: Any) -> None:
        self.compose()

    monkeypatch.setattr(app.Application, "run", ends_early)
    code = app.main(["-i", str(tmp_path), "-o", str(tmp_path / "out"), "-m", "brain"])
    assert code == 130 and "told to end" in capfd.readouterr().err


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Language and code of the blocks of a page that are run."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(
        r"(<!-- not run:.*?-->\n)?^```(bash|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    return [(language, code) for not_run, language, code in found if not not_run]


def test_the_how_to_is_as_it_says(deploy_sdk: None, dicom_study: Make, tmp_path: Path) -> None:
    dicom_study(tmp_path / "STUDY")
    (tmp_path / "pipelines").symlink_to(APP.parent)
    (tmp_path / "bin").mkdir()
    for name, does in (("pip", "true"), ("python", f'exec {sys.executable} "$@"')):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    search = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": search, "PYTHONPATH": str(APP.parents[1])}
    languages = []
    for language, code in blocks_of(APP.parents[1] / "docs" / "how-to" / "monai-deploy.md"):
        command = ["bash", "-e", "-c", code] if language == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        languages.append(language)
    assert languages == ["bash", "bash", "python"]
    assert [path.name for path in sorted((tmp_path / "out" / "nifti").iterdir())] == [
        f"{NAME}.json",
        f"{NAME}.nii.gz",
    ]
    applications, own = (
        {file.name for file in (tmp_path / place).iterdir()} for place in ("out/dicom", "derived")
    )
    assert applications == own == {NAME, f"{NAME}.json"}


def test_the_how_to_s_rules_are_valid() -> None:
    page = (APP.parents[1] / "docs" / "how-to" / "monai-deploy.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(series_rules(yaml.safe_load(said)["medgan"]["series"]).rules) == 2
