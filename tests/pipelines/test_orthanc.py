"""Which series of a study is taken, and what happens when an archive goes away (with a real one: end_to_end)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "pipelines" / "orthanc" / "complete_studies.py"
ABOUT = {"0008,0060": "MR", "0008,0008": "ORIGINAL\\PRIMARY", "0008,103e": "T1w brain"}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("complete_studies", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


class Archive:
    """Answers as an Orthanc with one study of one T1w series; fails at the file that it is told to."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.tags: dict[str, str] = dict(ABOUT)
        self.fails_after = 99
        self.last = 3

    def get(self, path: str) -> Any:
        change = {"ChangeType": "StableStudy", "ID": "study", "Seq": 7}
        answers: dict[str, Any] = {
            "/changes?last": {"Last": self.last},
            "/changes?since=0&limit=100": {"Changes": [change], "Done": True},
            "/changes?since=3&limit=100": {"Changes": [change], "Done": True},
            "/changes?since=7&limit=100": {"Changes": [], "Done": True},
            "/studies/study/series": [{"ID": "series"}],
            "/series/series/shared-tags?short": self.tags,
            "/series/series": {"Instances": ["i"] * 20},
        }
        return answers[path]

    def download(self, path: str, file: Path) -> None:
        file.write_bytes(b"")

    def send(self, file: Path) -> dict[str, Any]:
        if len(self.got) >= self.fails_after:
            raise ConnectionResetError("gone")
        self.got.append(file.read_bytes())
        return {"Status": "Success", "ParentStudy": "study"}


@pytest.fixture
def archive(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """The script talks to it, and medgan writes three files, other ones each time."""
    made = iter(range(100))

    def medgan(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        out = Path(command[command.index("--out") + 1]) / "x_desc-medganFromT1w_T2w"
        out.mkdir(parents=True)
        run = next(made)
        for number in range(3):
            (out / f"{number}.dcm").write_bytes(f"{run} {number}".encode())
        return subprocess.CompletedProcess(command, 0)

    there = Archive()
    monkeypatch.setattr(script, "Server", lambda url: there)
    monkeypatch.setattr(script.subprocess, "run", medgan)
    return there


@pytest.fixture
def complete(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["complete_studies", "--state", str(tmp_path / "state"), *arguments])
        with pytest.raises(SystemExit) as ended:
            script.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return call


def test_the_acquired_scan_with_the_most_slices_is_taken_and_one_without_a_contrast_agent_first(
    script: ModuleType,
) -> None:
    def series(number: str, contrast: str | None = "t1", slices: int = 20, **facts: bool) -> Any:
        return script.Series(number, contrast, slices, **({"acquired": True, "agent": False} | facts))

    few, many = series("few"), series("many", slices=160)
    agent, derived = series("agent", slices=200, agent=True), series("derived", slices=300, acquired=False)
    assert script.choose([few, agent, many, derived, series("flair", None)], "t2", 10) == many
    assert script.choose([agent, derived], "t2", 10) == agent
    assert script.choose([derived], "t2", 10) == "has no acquired T1w"
    assert script.choose([many, series("t2", "t2")], "t2", 10) == "has a T2w"
    assert script.choose([many, series("made", "t2", acquired=False)], "t2", 10) == "has a T2w"
    assert script.choose([many, series("localizer", "t2", 3)], "t2", 10) == many
    assert script.choose([few, series("t2", "t2")], "t1", 10) == "has a T1w"


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({}, "got a synthetic T2w of 3 slices"),
        ({"0008,103e": "AX FLAIR"}, "has no acquired T1w"),
        ({"0008,103e": "x", "0018,0081": "95", "0018,0080": "4000"}, "has a T2w"),
        ({"0008,001c": "YES"}, "has no acquired T1w"),
        ({"0008,0008": "DERIVED\\PRIMARY\\MPR"}, "has no acquired T1w"),
        ({"0008,0060": "CT"}, "has no acquired T1w"),
    ],
)
def test_tags_tell_what_a_series_is(
    tags: dict[str, str], told: str, archive: Archive, complete: Callable[..., tuple[int, str]]
) -> None:
    archive.tags |= tags
    assert complete("--all") == (0, f"study {told}\n")


def test_an_interrupted_sending_is_gone_on_with_by_the_same_files(
    archive: Archive, complete: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    archive.fails_after = 2
    code, said = complete("--all")
    assert code == 6 and "the next run goes on" in said
    assert (tmp_path / "state" / "study-t2").is_dir()
    archive.fails_after = 99
    code, said = complete()
    assert code == 0 and "got a synthetic T2w of 3 slices" in said
    assert archive.got == [b"0 0", b"0 1", b"0 0", b"0 1", b"0 2"]
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [".lock", "state.json"]
    assert complete() == (0, "")  # the list is read from where it ended


def test_a_first_run_leaves_what_is_there_and_a_dry_one_does_nothing(
    archive: Archive, complete: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert complete("--all", "--dry-run") == (0, "study would get a synthetic T2w\n")
    assert not (tmp_path / "state" / "state.json").exists() and not archive.got
    archive.last = 7
    assert complete() == (0, "")
    assert json.loads((tmp_path / "state" / "state.json").read_text(encoding="utf-8")) == {"Since": 7}


@pytest.mark.parametrize(("code", "ends"), [(3, False), (5, True), (4, True), (-15, True)])
def test_a_scan_that_cannot_be_done_is_passed_over_and_what_stops_all_ends_the_run(
    code: int,
    ends: bool,
    script: ModuleType,
    archive: Archive,
    complete: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        script.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, code)
    )
    ended, said = complete("--all")
    assert (ended, "medgan refuses" in said) == ((6, False) if ends else (0, True))
    again = complete("--all")[1]
    assert ("exit code" in again) == ends  # the study is first again


@pytest.mark.parametrize("code", [1, -9])
def test_a_synthesis_that_crashes_is_tried_in_later_runs_and_not_for_ever(
    code: int,
    script: ModuleType,
    archive: Archive,
    complete: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    medgan = script.subprocess.run
    crashed = subprocess.CompletedProcess([], code)
    monkeypatch.setattr(script.subprocess, "run", lambda command, **_: crashed)
    assert complete("--all") == (0, f"study crashed medgan (exit code {code}) in run 1 of 3\n")
    assert "in run 2 of 3\n" in complete()[1]
    monkeypatch.setattr(script.subprocess, "run", medgan)
    assert "got a synthetic T2w of 3 slices" in complete()[1]
    assert complete() == (0, "")


def test_what_crashes_each_time_is_passed_over(
    script: ModuleType,
    archive: Archive,
    complete: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(script.subprocess, "run", lambda command, **_: subprocess.CompletedProcess([], -9))
    assert [complete("--all")[1].endswith("and is passed over\n") for _ in "123"] == [False, False, True]
    assert complete() == (0, "")


def test_what_waits_to_be_sent_is_its_owner_s_alone_whatever_the_state_folder_allows(
    archive: Archive, complete: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    archive.fails_after = 0
    complete("--all")
    assert (tmp_path / "state" / "study-t2").stat().st_mode & 0o077 == 0


def test_what_is_no_archive_ends_the_run_with_a_cause(complete: Callable[..., tuple[int, str]]) -> None:
    code, said = complete("--orthanc", "http://localhost:1")
    assert code == 6 and "http://localhost:1 does not answer" in said
    assert complete("--orthanc", "file:///etc")[0] == 2
