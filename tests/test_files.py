"""A file is whole or not there, whatever goes wrong while it is written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from medgan.errors import OutputNotWrittenError, UsageError
from medgan.files import (
    append_line,
    kind_of,
    locked,
    marked,
    remove_leftovers,
    sha256,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_lies_at_a_path_is_told_without_ever_failing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "link").symlink_to(tmp_path)
    kinds = {"file": "file", ".": "folder", "link": "folder", "file/below": "nothing", "dangling": "nothing"}
    kinds |= {"loop": "nothing", "a\0b": "nothing", "x" * 300: "unreachable"}
    assert {name: kind_of(tmp_path / name) for name in kinds} == kinds
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert kind_of(tmp_path / "pipe") == "other"


def test_a_file_appears_when_the_block_ends_and_folders_are_made(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "scan.nii.gz"
    with whole_file(target) as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == target.parent
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert contents(target.parent) == ["scan.nii.gz"]


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt(), MemoryError()])
def test_a_block_that_fails_leaves_nothing_and_keeps_the_old_file(
    failure: BaseException, tmp_path: Path
) -> None:
    old = tmp_path / "old.txt"
    old.write_text("old")
    for target in (old, tmp_path / "new.txt"):
        with pytest.raises(type(failure)), whole_file(target) as temporary:
            temporary.write_text("half")
            raise failure
    assert contents(tmp_path) == ["old.txt"]
    assert old.read_text() == "old"


def test_a_full_disk_is_an_output_error_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x.json"
    write_text(target, "old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputNotWrittenError, match="No space left") as caught:
        write_text(target, "new")
    assert caught.value.file == target
    assert caught.value.exit_code == 5
    assert target.read_text() == "old"
    assert contents(tmp_path) == ["x.json"]


def test_a_file_that_cannot_take_its_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")
    monkeypatch.setattr(os, "replace", no_space)
    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(OutputNotWrittenError):
        write_text(target, "new")
    assert target.read_text() == "old"
    assert contents(tmp_path) == ["x.txt"]


def test_a_real_limit_on_file_size_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    assert resource
    code = (
        "import resource, signal, sys; from pathlib import Path;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from medgan.files import write_text; from medgan.errors import OutputNotWrittenError\n"
        "try: write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except OutputNotWrittenError: sys.exit(5)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.txt")], check=False)
    assert done.returncode == 5
    assert contents(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (lambda: write_text(tmp_path / "file" / "x.txt", ""), lambda: fill(tmp_path / "file" / "x")):
        with pytest.raises(OutputNotWrittenError):
            write()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write into read-only folders"
)
def test_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputNotWrittenError, match="Permission denied"):
            write_text(tmp_path / "x.txt", "x")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_results_get_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "x.txt", "x")
        fill(tmp_path / "folder")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def fill(folder: Path, *, text: str = "new") -> None:
    with whole_folder(folder) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "file.txt").write_text(text)


def test_a_folder_replaces_the_one_before_it_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale.txt").write_text("stale")
    fill(target)
    assert contents(tmp_path) == ["model"]
    assert contents(target) == ["part"]
    assert (target / "part" / "file.txt").read_text() == "new"


def test_a_folder_whose_filling_fails_keeps_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / "model", text="old")
    for target in (tmp_path / "model", tmp_path / "other"):
        with pytest.raises(RuntimeError), whole_folder(target) as temporary:
            (temporary / "half.txt").write_text("half")
            raise RuntimeError
    assert contents(tmp_path) == ["model"]
    assert (tmp_path / "model" / "part" / "file.txt").read_text() == "old"


def test_a_folder_that_cannot_take_its_place_gives_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    fill(target, text="old")
    replace, calls = os.replace, []

    def fails_the_second_time(source: Path, destination: Path) -> None:
        calls.append(destination)
        if len(calls) == 2:
            no_space()
        replace(source, destination)

    monkeypatch.setattr(os, "replace", fails_the_second_time)
    with pytest.raises(OutputNotWrittenError):
        fill(target)
    assert contents(tmp_path) == ["model"]
    assert (target / "part" / "file.txt").read_text() == "old"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [1.0, float("-inf")]}])
def test_json_holds_no_nan(value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", value)
    assert contents(tmp_path) == []


def test_json_is_read_back_and_keeps_its_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "Schädel", "list": [1, 2.5, None]})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "Schädel", "list": [1, 2.5, None]}
    assert "Schädel" in text
    assert text.endswith("\n")


def test_lines_are_appended_and_a_refusal_is_an_output_error(tmp_path: Path) -> None:
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    with pytest.raises(OutputNotWrittenError):
        append_line(tmp_path, "a folder is no file")


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_what_a_killed_process_left_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".medgan-0123456789abcdef.safetensors").write_text("half")
    (tmp_path / ".medgan-fedcba9876543210").mkdir()
    (tmp_path / ".medgan-fedcba9876543210" / "half").write_text("half")
    for kept in ("medgan", ".hidden", "x.medgan-y"):
        (tmp_path / kept).write_text("mine")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "absent")
    assert contents(tmp_path) == [".hidden", "medgan", "x.medgan-y"]


@pytest.mark.robustness("crash-leftovers")
def test_what_a_living_process_writes_is_not_swept_away(tmp_path: Path) -> None:
    with whole_file(tmp_path / "x.txt") as file, whole_folder(tmp_path / "y") as folder:
        file.write_text("half")
        (folder / "z.txt").write_text("half")
        remove_leftovers(tmp_path)
        assert len(contents(tmp_path)) == 2
    assert contents(tmp_path) == ["x.txt", "y"]
    assert contents(tmp_path / "y") == ["z.txt"]


@pytest.mark.robustness("crash-leftovers")
def test_a_process_that_is_killed_between_two_renames_loses_no_folder(tmp_path: Path) -> None:
    """The older one is aside, the newer one not yet in its place."""
    fill(tmp_path / "model", text="old")
    code = (
        "import os, signal, sys; from pathlib import Path; from medgan.files import whole_folder\n"
        "replace = os.replace\n"
        "def killed_after_it(*paths): replace(*paths); os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.replace = killed_after_it\n"
        "with whole_folder(Path(sys.argv[1])) as folder: (folder / 'new').touch()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], check=False)
    assert not (tmp_path / "model").exists()
    assert len(contents(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert contents(tmp_path) == ["model"]
    assert (tmp_path / "model" / "part" / "file.txt").read_text() == "old"


@pytest.mark.robustness("crash-stale-lock")
def test_a_lock_holds_against_another_process_and_goes_with_a_killed_one(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from medgan.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().strip() == b"held"
        with pytest.raises(UsageError, match="another medgan is at work") as caught, locked(tmp_path):
            pass
        process.kill()
    assert caught.value.exit_code == 2
    assert contents(tmp_path) == [".lock"]
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(tmp_path):
        write_text(tmp_path / "x.txt", "whole")
        (tmp_path / ".medgan-0123456789abcdef").write_text("whose is it?")
        remove_leftovers(tmp_path)
    assert contents(tmp_path) == [".lock", ".medgan-0123456789abcdef", "x.txt"]


@pytest.mark.robustness("crash-disk-full")
def test_a_log_on_a_full_disk_keeps_its_lines_and_gets_no_half_one(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    append_line(tmp_path / "log", "one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OutputNotWrittenError):
            append_line(tmp_path / "log", "a line that does not fit")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "log").read_text() == "one\n"


@pytest.mark.robustness("crash-stale-lock")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_lock_does_not_live_on_in_a_forked_process(tmp_path: Path) -> None:
    """As the processes that draw images ahead: killed, a training leaves them behind for a moment."""
    wait, end = os.pipe()
    ready, say_ready = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(say_ready, b"x")
            os.read(wait, 1)  # until the parent is done
            os._exit(0)
        os.read(ready, 1)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.write(end, b"x")
        os.waitpid(child, 0)
        for descriptor in (wait, end, ready, say_ready):
            os.close(descriptor)


def test_a_refusal_to_write_into_a_folder_names_the_place_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWrittenError) as caught, whole_folder(tmp_path / "series") as temporary:
        (temporary / "0001.dcm").mkdir()
        write_text(temporary / "0001.dcm", "x")
    assert caught.value.file == tmp_path / "series" / "0001.dcm"
    assert contents(tmp_path) == []


def test_a_mark_lies_in_a_folder_as_long_as_the_block_and_no_one_sweeps_it_away(tmp_path: Path) -> None:
    with marked(tmp_path / "new" / "out") as mark:
        assert mark.parent == tmp_path / "new" / "out"
        remove_leftovers(mark.parent)
        assert mark.is_file()
    assert contents(tmp_path / "new") == []  # nothing was written into it
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="of the block"), marked(tmp_path / "there"):
        raise ValueError("of the block")
    assert contents(tmp_path / "there") == []
    with marked(tmp_path / "kept") as mark:
        (mark.parent / "result").touch()
    assert contents(tmp_path / "kept") == ["result"]


def test_a_mark_that_cannot_be_made_is_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputNotWrittenError), marked(tmp_path / "file" / "out"):
        pass
    with pytest.raises(OSError, match="of the block"), marked(tmp_path / "out"):
        raise OSError("of the block")
