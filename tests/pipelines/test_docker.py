"""The Dockerfile parses, brings what it needs and no scan, and ends without rights; an image, where one is, does so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel
import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "pipelines" / "docker" / "Dockerfile"


@pytest.fixture(scope="module")
def commands() -> list[Any]:
    """The instructions, by the parser of Docker's own builder."""
    parser = pytest.importorskip("dockerfile", reason="dockerfile is not installed (medgan[dev])")
    found: list[Any] = list(parser.parse_file(str(FILE)))
    return found


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """pyproject.toml."""
    toml = pytest.importorskip("tomllib", reason="Python before 3.11 does not read TOML")
    found: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def last_stage(commands: list[Any]) -> list[Any]:
    first = max(index for index, one in enumerate(commands) if one.cmd == "FROM")
    return commands[first:]


def sources(commands: list[Any]) -> list[str]:
    """What is copied from the repository."""
    own = [one for one in commands if one.cmd == "COPY" and not any("--from" in flag for flag in one.flags)]
    return [path for one in own for path in one.value[:-1]]


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a path into a build: the last line that matches it, or a folder above it, counts."""
    let_in = True
    above = [one.as_posix() for one in (PurePosixPath(path), *PurePosixPath(path).parents[:-1])]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split():
        pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, one) for one in above):
            let_in = line.startswith("!")
    return let_in


def test_it_ends_as_a_user_without_rights(commands: list[Any]) -> None:
    (user,) = (one.value[0] for one in last_stage(commands) if one.cmd == "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "a number, which needs no look-up"
    after = [one.cmd for one in last_stage(commands)]
    assert "RUN" not in after[after.index("USER") :]


def test_it_starts_medgan_without_a_shell(commands: list[Any]) -> None:
    (start,) = (one for one in last_stage(commands) if one.cmd == "ENTRYPOINT")
    assert (start.json, start.value) == (True, ("medgan",))
    assert all(one.json for one in commands if one.cmd == "CMD")


def test_nothing_is_fetched_or_heard_when_it_runs(commands: list[Any]) -> None:
    assert not {one.cmd for one in commands} & {"ADD", "EXPOSE", "HEALTHCHECK", "ONBUILD", "VOLUME"}
    runs = [one.value[0] for one in last_stage(commands) if one.cmd == "RUN"]
    assert len(runs) == 1 and runs[0].startswith("apt-get update")
    assert not re.search(r"curl|wget|git clone|http", " ".join(runs))


def test_it_says_that_it_is_research_software(commands: list[Any], settings: dict[str, Any]) -> None:
    (label,) = (one for one in last_stage(commands) if one.cmd == "LABEL")
    said = dict(zip(label.value[::2], label.value[1::2], strict=True))
    assert "not a medical device" in said["org.opencontainers.image.description"]
    project = settings["project"]
    assert said["org.opencontainers.image.licenses"].strip('"') == project["license"]


def test_it_takes_the_torch_that_medgan_asks_for(commands: list[Any], settings: dict[str, Any]) -> None:
    project = settings["project"]
    (torch,) = (one for one in project["dependencies"] if one.startswith("torch"))
    assert any(f'"{torch}"' in one.value[0] for one in commands if one.cmd == "RUN")


def test_all_that_it_copies_is_there_and_let_in(commands: list[Any]) -> None:
    assert sources(commands)
    for path in sources(commands):
        assert (ROOT / path).exists(), path
        assert in_context(path), path


def test_all_that_a_wheel_is_made_of_is_copied(commands: list[Any], settings: dict[str, Any]) -> None:
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [settings["project"]["readme"], *settings["project"]["license-files"]]
    needed += [*wheel["packages"], *wheel["force-include"], "pyproject.toml"]
    for path in needed:
        assert any(path == copied or path.startswith(f"{copied}/") for copied in sources(commands)), path
    assert in_context("medgan/models/weights/brain/t1_to_t2.safetensors")


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "scan.nii.gz",
        "T1/a.dcm",
        "medgan-run/model/model.json",
        "data/x",
        "tests/conftest.py",
        ".venv/x",
        "medgan/__pycache__/x.pyc",
        "medgan/models/__pycache__/y.pyc",
        "medgan/x.pyc",
    ],
)
def test_no_scan_and_nothing_of_the_machine_gets_into_a_build(path: str) -> None:
    assert not in_context(path)


LOCKED = "--rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges"
LOCKED += " --user 12345:12345 --tmpfs /tmp"


@pytest.mark.slow
def test_an_image_makes_a_result_without_rights_and_network(
    head: Callable[..., Path], tmp_path: Path
) -> None:
    engine, _, image = os.environ.get("MEDGAN_CONTAINER", "").partition(":")
    if not image or shutil.which(engine) is None:
        pytest.skip(
            "no image to try: set MEDGAN_CONTAINER=ENGINE:IMAGE, such as docker:medgan, once it is built"
        )
    head(tmp_path / "scan.nii.gz", "t1", 1)
    tmp_path.chmod(0o777)  # the user in the container is nobody here
    command = [engine, "run", *LOCKED.split(), "-v", f"{tmp_path}:/data"]
    asked = ["synthesize", "scan.nii.gz", "--target", "t2", "-o", "t2.nii.gz", "--report", "--uncertainty"]
    done = subprocess.run([*command, image, *asked], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert nibabel.load(tmp_path / "t2.nii.gz").shape == nibabel.load(tmp_path / "scan.nii.gz").shape
    assert (tmp_path / "t2.html").stat().st_uid == 12345
