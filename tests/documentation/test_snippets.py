"""Every command and every snippet of the documentation is run as it stands, and does what it should: not fail.

All ```bash and ```python blocks of a page are run in order in one new folder, which holds what `made_inputs.make`
says; each bash block begins there, and the Python blocks of a page share their names. A page says itself, right before
a block, what is not run and why (`<!-- not run: REASON -->`) and what a block needs (`<!-- needs: NAME -->`).

What is not as a reader would have it:

- Heads are of 5 mm, trainings of two epochs of two steps with networks of a few hundred weights (`SHORTER`), the
  demonstration likewise; simulated scans are two of 5 mm; cohorts have one worker, whatever number a page gives. All
  these are options that are added to those of the page, after them. Other settings and commands are the page's.
  Charts of losses are blank.
- `pip`, `make`, `torchrun` and, for scripts of data/, `python` are stand-ins (`warm_shell.STAND_INS`).
- The model that comes with medgan is that of such a training, but on the pages of `REAL_MODEL`: what is made with the
  real one is looked at by tests/models/test_default_model.py.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import SimpleITK
from made_inputs import SHAPE, SPACING, also_for_examples, make
from PIL import Image
from snippets import ELSEWHERE, ROOT, RUN, Block, blocks, complaints, name, pages, runs
from warm_shell import WarmShell

from medgan.cli.main import cli

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("bash") is None, reason="snippets are for bash, on a POSIX system"
)
SHORTER = (
    "preparation.spacing=null",
    "preparation.divisor=8",
    "preparation.size=null",
    "sampling.crop=24",
    "sampling.batch_size=2",
    "generator.channels=[4, 8]",
    "generator.residual_units=1",
    "discriminator.channels=4",
    "discriminator.layers=2",
    "training.coarse=[]",
    "training.precision=float32",
    "training.steps_per_epoch=2",
    "training.epochs=2",
    "training.calibration_heads=0",
    "simulation.heads=0",
)


CALIBRATED = (*SHORTER, "training.calibration_heads=2")
REAL_MODEL = ("docs/tutorials/first-synthesis.md",)


def _shorter(arguments: list[str], model: Path) -> list[str]:
    """The same command, of seconds instead of minutes; workers, being other processes, are told of the tiny model."""
    added: list[str] = []
    if arguments[:1] == ["train"] and "--help" not in arguments and "--resume" not in arguments:
        added = ["--epochs", "2", *(word for change in SHORTER for word in ("--set", change))]
    elif arguments[:1] == ["simulate"] and "--help" not in arguments:
        added = ["--spacing", "5", *(["--subjects", "2"] if "--subjects" in arguments else [])]
    elif "--workers" in arguments:
        added = ["--workers", "1", *([] if "--model" in arguments else ["--model", str(model)])]
    return [*arguments, *added]


@pytest.fixture(scope="module")
def shell(model: Path) -> Iterator[WarmShell]:
    """Where commands are run."""
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # for images this small more take longer
    warm = WarmShell(lambda arguments: _shorter(arguments, model))
    yield warm
    warm.close()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages are given. Copy it, do not change it."""
    folder = tmp_path_factory.mktemp("documentation") / "inputs"
    folder.mkdir()
    make(folder)
    return folder


@pytest.fixture(scope="session")
def model(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a training as short as those of pages, whose model stands for the one that comes with medgan."""
    from medgan.training import train

    run = tmp_path_factory.mktemp("documentation") / "run"
    return train(inputs / "T1", inputs / "T2", out=run, changes=CALIBRATED, device="cpu", init="none")


@pytest.fixture
def tiny_default(monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path) -> None:
    """The model that comes with medgan is a tiny one."""
    from medgan.models import catalogue

    shutil.copytree(model / "model", tmp_path / "weights" / catalogue.DEFAULT)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "weights")


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings from Python, and the demonstration, are as short as those of commands."""
    import medgan.demonstration
    import medgan.sample_data.samples
    import medgan.training.call
    import medgan.training.summary

    train = medgan.training.call.train

    @functools.wraps(train)
    def shortened(*folders: Any, changes: tuple[str, ...] = (), **options: Any) -> Path:
        if options.get("resume"):
            return train(*folders, changes=changes, **options)
        return train(*folders, changes=(*changes, *SHORTER), **{**options, "epochs": 2})

    for module in (medgan, medgan.training):
        monkeypatch.setattr(module, "train", shortened)
    monkeypatch.setattr(medgan.training.summary, "save_curves", _no_curves)
    monkeypatch.setattr(medgan.demonstration, "_SETTINGS", SHORTER)
    short = functools.partial(medgan.demonstration.demonstrate, epochs=1)
    monkeypatch.setattr(medgan.demonstration, "demonstrate", short)
    monkeypatch.setattr(medgan.sample_data.samples, "_SHAPE", SHAPE)
    monkeypatch.setattr(medgan.sample_data.samples, "_SPACING", SPACING)


def _no_curves(curves: Any, steps: Any, path: Path) -> None:
    """In place of charts, which take as long as all else of so short a training."""
    Image.new("L", (8, 8)).save(path)


class SnippetError(AssertionError):
    """A block of a page did not do what it should."""


def run(page: str, found: list[Block], folder: Path, shell: WarmShell) -> list[str]:
    """Run the blocks of a page in a folder; gives what was not run, and why.

    Raises:
        AssertionError: a block failed.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    left_out = []
    for block in found:
        where = f"{page}:{block.line}"
        if block.language not in RUN:
            continue
        if block.not_run is not None:
            left_out.append(f"{where} ({block.not_run})")
        elif block.missing:
            left_out.append(f"{where} (needs {', '.join(block.missing)}, which is not here)")
        elif block.language == "bash":
            code, said = shell.run(block.code, folder)
            if code:
                raise SnippetError(f"{where} ended with exit code {code}\n{block.code}\n{said[-3000:]}")
        else:
            _python(where, block.code, folder, names)
    return left_out


def _python(where: str, code: str, folder: Path, names: dict[str, Any]) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that heads of 5 mm are unlike those of the training
            exec(compile(code, where, "exec"), names)  # noqa: S102 - the documentation is ours
    finally:
        os.chdir(before)


@pytest.mark.parametrize("page", [page for page in pages() if runs(page)], ids=name)
def test_a_page_s_snippets_run_from_its_first_to_its_last(
    page: Path, tmp_path: Path, inputs: Path, shell: WarmShell, request: pytest.FixtureRequest
) -> None:
    if name(page) not in REAL_MODEL:
        request.getfixturevalue("tiny_default")
    folder = shutil.copytree(inputs, tmp_path / "here")
    left_out = run(name(page), list(blocks(page.read_text(encoding="utf-8"))), folder, shell)
    if left_out:
        pytest.skip(f"ran all but: {'; '.join(left_out)}")


def _examples(command: click.Command) -> str:
    """The examples in a command's help."""
    text = command.epilog or ""
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line.startswith(("medgan ", "torchrun ")))


def _commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for one in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), one)
        assert command is not None
        yield " ".join((*before, one)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*before, one))


@pytest.mark.usefixtures("tiny_default")
@pytest.mark.parametrize(("called", "command"), [pytest.param(*one, id=one[0]) for one in _commands(cli)])
def test_the_examples_in_a_command_s_help_run(
    called: str, command: click.Command, tmp_path: Path, inputs: Path, shell: WarmShell, model: Path
) -> None:
    examples = _examples(command)
    assert examples, f"medgan {called} --help has no example"
    for number, line in enumerate(examples.split("\n")):
        folder = shutil.copytree(inputs, tmp_path / str(number))
        also_for_examples(folder, model)
        line = re.sub(r" --workers \d+", "", line)  # the page of cohorts runs them
        if called == "train" and "--resume" not in line:
            for run_folder in ("run", "medgan-run"):
                shutil.rmtree(folder / run_folder)
        run(f"medgan {called} --help", [Block(line=number + 1, language="bash", code=line)], folder, shell)


@pytest.mark.parametrize("page", pages(), ids=name)
def test_blocks_say_their_language_and_what_is_not_run_says_why(page: Path) -> None:
    assert list(complaints(page)) == []


def test_a_page_that_is_not_run_at_all_is_there_and_says_why() -> None:
    for page, reason in ELSEWHERE.items():
        assert (ROOT / page).exists() and len(reason.split()) > 4


def _page(folder: Path, text: str) -> list[Block]:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return list(blocks(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("language", "code", "said"),
    [
        ("bash", "medgan inspect scan.nii.gz --colour", "No such option"),
        ("bash", "medgan synthesise scan.nii.gz --target t2", "synthesize"),
        ("bash", "medgan inspect absent.nii.gz | cat", "absent.nii.gz"),
        ("bash", "medgan inspect scan.nii.gz\nfalse\ntrue", "exit code 1"),
        ("bash", 'pip install "medgan[slow]"', "no extra 'slow'"),
        ("bash", "make coffee", "exit code 2"),
        ("python", "import medgan\nmedgan.synthesise('scan.nii.gz')", "synthesise"),
    ],
)
def test_a_snippet_that_is_wrong_fails(
    language: str, code: str, said: str, tmp_path: Path, inputs: Path, shell: WarmShell
) -> None:
    found = _page(tmp_path, f"# A page\n\n```{language}\n{code}\n```\n")
    with pytest.raises((AssertionError, AttributeError), match=said):
        run("page.md", found, inputs, shell)


def test_a_command_sees_the_shell_s_variables_pipes_and_folders(
    tmp_path: Path, inputs: Path, shell: WarmShell
) -> None:
    folder = shutil.copytree(inputs, tmp_path / "here")
    code, said = shell.run(
        "mkdir -p sub; cd sub; FILE=../scan.nii.gz\nmedgan inspect $FILE --json | python -c 'import json, sys; "
        "print(len(json.load(sys.stdin)))' > count.txt; test -s count.txt",
        folder,
    )
    assert code == 0, said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```\nmedgan models\n```", "no language"),
        ("```sh\nmedgan models\n```", "sh language"),
        ("    medgan models\n", "indented"),
        ("```text\nmedgan models\n```", "a command in a block of text"),
        ("<!-- not run: -->\n```bash\nmedgan models\n```", "not why"),
        (
            "<!-- not run: it takes hours on one core -->\n\nWords.\n\n```bash\nmedgan models\n```",
            "right before",
        ),
        ("<!-- needs: dcm2niix -->\n```yaml\na: 1\n```", "never run"),
    ],
)
def test_a_block_that_would_pass_unseen_is_complained_of(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import snippets

    monkeypatch.setattr(snippets, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    assert complaint in "\n".join(complaints(page))


def test_what_a_block_needs_is_looked_for_among_programs_and_modules() -> None:
    block = Block(line=1, language="bash", code="", needs=("bash", "nibabel", "no-such-program"))
    assert block.missing == ["no-such-program"]
    assert replace(block, needs=("os.path",)).missing == []
