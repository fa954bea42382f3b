"""The command line answers at once, explains itself by example, and turns every error into its exit code."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from medgan import __version__
from medgan.cli.main import _COMMANDS, cli
from medgan.errors import OutputNotWrittenError, ResourceError


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['medgan', *sys.argv[1:]]\n"
        "from medgan.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'monai', 'nibabel', 'rich', 'numpy', 'pydicom', 'PIL', 'matplotlib', 'pydantic'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("work", "absent"),
    [
        ("from medgan.cli import main; sys.argv[1:] = ['inspect', scan]; main()", {"torch", "monai"}),
        (
            "from medgan.models import load_model; from medgan.preparation import prepare; "
            "from medgan.scans import read_scan; from medgan.synthesis import Synthesizer; "
            "model = load_model(); "
            "prepare(read_scan(pathlib.Path(scan)), model.manifest.recipe.preparation, spatial_dims=2)",
            {"monai", "matplotlib", "ignite"},
        ),
    ],
    ids=["inspect needs no torch", "reading and preparing a scan needs no MONAI, which loads meanwhile"],
)
def test_nothing_heavy_creeps_in(work: str, absent: set[str], head: Any, tmp_path: Path) -> None:
    code = (
        f"import pathlib, sys; scan = {str(head(tmp_path / 'sub-01_T1w.nii.gz', 't1', 1))!r}\n"
        f"try: {work}\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"assert not {absent!r} & set(sys.modules), {absent!r} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy_either() -> None:
    code = "import sys, medgan; assert not {'torch', 'monai', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_help_lists_every_command_and_every_exit_code(medgan: Any) -> None:
    done = medgan("--help")
    assert done.code == 0
    for name in _COMMANDS:
        assert name in done.out
    for code in ("0", "1", "2", "3", "4", "5", "6", "130"):
        assert f" {code} " in done.out
    assert "not a medical device" in done.out


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_help_of_every_command_has_an_example_and_says_what_it_does(name: str, medgan: Any) -> None:
    done = medgan(name, "--help")
    assert done.code == 0
    assert f"medgan {name} " in done.out.partition("Example")[2]
    assert "--quiet" in done.out
    assert "--verbose" in done.out


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    command: click.Command = importlib.import_module(f"medgan.cli.{name}").command
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_version_is_that_of_the_package(medgan: Any) -> None:
    assert medgan("--version").out.strip() == f"medgan {__version__}"


def test_python_m_medgan_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medgan", "--version"], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"medgan {__version__}"


def test_a_mistyped_command_is_answered_with_the_nearest(medgan: Any) -> None:
    done = medgan("synthesise", "x.nii.gz")
    assert done.code == 2
    assert "Did you mean 'synthesize'?" in done.err
    assert "train" in medgan("xyz").err


@pytest.mark.parametrize("arguments", [["train"], ["synthesize"], ["train", "--nonsense"]])
def test_a_missing_or_unknown_option_is_wrong_usage(arguments: list[str], medgan: Any) -> None:
    done = medgan(*arguments)
    assert done.code == 2
    assert "Usage" in done.err
    assert done.out == ""


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            OutputNotWrittenError("could not be written", file="x.nii.gz", remedy="Make room."),
            5,
            "Make room.",
        ),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (click.Abort(), 130, "Interrupted"),
        (ResourceError("memory ran out", remedy="Use less."), 6, "memory ran out"),
    ],
)
def test_an_error_becomes_its_exit_code_and_a_message_without_a_traceback(
    error: BaseException, code: int, said: str, medgan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    done = medgan("whatever")
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_three_parts_of_an_error_come_in_their_order(
    medgan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OutputNotWrittenError("the cause", file="the-file", remedy="The way out."))
    assert medgan("x").err.splitlines() == ["the-file:", "Error: the cause", "The way out."]


def test_a_fault_of_medgan_itself_is_not_dressed_up(medgan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        medgan("x")


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no such limit of their own")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("train --t1-dir {0}/a --t2-dir {0}/b -o {1}", 2),
        ("simulate -o {1}", 2),
        ("simulate --labels {1} -o x", 3),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(
    command: str, code: int, medgan: Any, tmp_path: Path
) -> None:
    done = medgan(*command.format(tmp_path, tmp_path / ("a" * 300)).split())
    assert done.code == code, done.err
    assert "too long" in done.err
    assert "Traceback" not in done.err
