"""A disk that is full or may not be written to: exit code 5, three parts, nothing half written; later it goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "pipelines" / "benchmarks"
FULL = pytest.mark.robustness("crash-disk-full", "bad-20")
READ_ONLY = pytest.mark.robustness("crash-read-only", "bad-20")


@pytest.fixture(scope="module")
def tools() -> Iterator[Any]:
    """The modules `warm` and `whole`."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import warm
        import whole

        yield type("Tools", (), {"Server": warm.Server, "whole": whole})
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def tiny_train(tiny: tuple[str, ...], head_folders: Any) -> Callable[..., list[object]]:
    """Arguments of the training of `tiny_run`."""
    changes = [part for change in tiny for part in ("--set", change)]
    return lambda run, *more: [
        "train",
        *head_folders.arguments,
        "-o",
        run,
        "--device",
        "cpu",
        "-q",
        *changes,
        *more,
    ]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, head: Any) -> Path:
    """A head as NIfTI, as a picture and as a DICOM series."""
    from PIL import Image

    from medgan.scans import read_scan
    from medgan.scans.dicom_writing import write_series

    folder: Path = tmp_path_factory.mktemp("inputs")
    path = head(folder / "head.nii.gz", "t1", 1)
    plane = nibabel.load(path).get_fdata()[:, :, 8]
    Image.fromarray((plane.T[::-1] / plane.max() * 255).astype(np.uint8)).save(folder / "slice.png")
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(folder / "series", read_scan(path), description="T1w", series_number=3, facts=facts)
    return folder


@pytest.fixture(scope="module")
def syntheses(inputs: Path, tiny_run: Path) -> dict[str, Callable[[Path], list[object]]]:
    """Arguments of a synthesis, and of a report, by what they write."""

    def synthesize(source: str, *more: object) -> Callable[[Path], list[object]]:
        fixed = ["--target", "t2", "--model", tiny_run, "--device", "cpu", *more]
        return lambda out: ["synthesize", inputs / source, "-o", out, *fixed]

    return {
        "nii.gz": synthesize("head.nii.gz"),
        "png": synthesize("slice.png", "--format", "png"),
        "contact sheet": synthesize("head.nii.gz", "--format", "png"),
        "dicom": synthesize("series", "--format", "dicom"),
        "report": lambda out: ["inspect", inputs, "-o", out / "report.html"],
    }


WRITTEN = ("nii.gz", "png", "contact sheet", "dicom", "report")


def check_refusal(code: int, said: str, *, cause: str = "could not be written") -> None:
    """Exit code 5, and file, cause and way out."""
    assert code == 5, said
    assert "Traceback" not in said
    *_, file, reason, remedy = said.strip().splitlines()
    assert file.endswith(":"), said
    assert reason.startswith("Error: ") and cause in reason, said
    assert "space left" in remedy or "written to" in remedy, said


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """The system refuses to make a file longer than `size` bytes, as a full disk would."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@FULL
@pytest.mark.parametrize(
    "place",
    [
        "medgan.training.cases.keep_prepared",
        "medgan.training.job.save_recipe",
        "medgan.training.handlers.draw_preview",
        "medgan.training.table.write_text",
        "medgan.training.table.append_line",
        "medgan.training.report.write_training",
        "medgan.training.handlers.save_checkpoint",
        "medgan.training.course.save_model",
        "medgan.training.course.draw_summary",
    ],
)
def test_a_training_whose_disk_is_full_at_some_moment_says_so_and_goes_on_later(
    place: str,
    medgan: Any,
    tools: Any,
    tiny_train: Any,
    tiny_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib

    module, _, name = place.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    refused = 0

    def on_a_full_disk(*arguments: Any, **named: Any) -> Any:
        nonlocal refused
        refused += 1
        log = tmp_path / "run" / "metrics.csv"
        with files_end_at(log.stat().st_size + 5 if name == "append_line" else 50):
            return original(*arguments, **named)

    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(place, on_a_full_disk)
        done = medgan(*tiny_train(run, "--set", "training.checkpoint_seconds=0"))
    assert refused == 1
    check_refusal(done.code, done.err)
    assert tools.whole.problems(run) == []
    assert not list(run.rglob(".medgan-*"))
    resume = ["--resume"] if (run / "run.json").exists() else []
    again = medgan(*tiny_train(run, *resume))
    assert again.code == 0, again.err
    assert tools.whole.weights(run) == tools.whole.weights(tiny_run)


@FULL
@pytest.mark.parametrize("what", WRITTEN)
def test_a_result_that_does_not_fit_on_the_disk_leaves_nothing_and_spares_the_older_one(
    what: str, medgan: Any, tools: Any, syntheses: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with files_end_at(4000 if what == "report" else 400):  # what is printed must fit
        refused = medgan(*syntheses[what](out), "-q")
    check_refusal(refused.code, refused.err)
    assert list(out.iterdir()) == []
    assert medgan(*syntheses[what](out)).code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with files_end_at(4000 if what == "report" else 400):  # what is printed must fit
        assert medgan(*syntheses[what](out), "-q").code == 5
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert tools.whole.problems(out) == [] or what == "report"


@FULL
@pytest.mark.parametrize("what", WRITTEN)
def test_a_disk_that_refuses_the_very_rename_spares_the_older_result(
    what: str, medgan: Any, syntheses: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert medgan(*syntheses[what](out)).code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    replace, refused = os.replace, []

    def no_space(source: Any, target: Any) -> None:
        if "." not in Path(target).parent.name and not refused:  # not the older folder's way aside
            refused.append(target)
            raise OSError(28, os.strerror(28))
        replace(source, target)

    monkeypatch.setattr(os, "replace", no_space)
    done = medgan(*syntheses[what](out), "-q")
    check_refusal(done.code, done.err, cause="No space left")
    assert refused
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@READ_ONLY
@pytest.mark.parametrize("what", ["train", *WRITTEN])
def test_a_file_where_a_folder_should_be_stays(
    what: str, medgan: Any, tiny_train: Any, syntheses: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    arguments = tiny_train if what == "train" else syntheses[what]
    done = medgan(*arguments(tmp_path / "file" / "out"))
    check_refusal(done.code, done.err)
    assert (tmp_path / "file").read_text() == "mine"


@READ_ONLY
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("what", ["train", *WRITTEN])
def test_a_folder_that_may_not_be_written_to_stays_as_it_is(
    what: str, medgan: Any, tiny_train: Any, syntheses: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    arguments = tiny_train if what == "train" else syntheses[what]
    done = medgan(*arguments(out))
    check_refusal(done.code, done.err, cause="Permission denied")
    assert list(out.iterdir()) == []


@pytest.fixture(scope="module")
def disks(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Commands in a namespace of their own, in which file systems can be mounted."""
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path_factory.mktemp("probe"))]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs mount namespaces (Linux)")
    server = tools.Server(tmp_path_factory.mktemp("said"), "unshare", "-rm")
    yield server
    server.close()


def there(disks: Any, disk: Path) -> str:
    """What is on a disk, which only its own namespace sees: names and digests."""
    text: str = disks.shell("sh", "-c", f"cd {disk} && find . -type f -exec sha256sum {{}} + | sort -k2").said
    return text


def copied(disks: Any, disk: Path, to: Path) -> Path:
    """What is on a disk, where this process sees it."""
    shutil.rmtree(to, ignore_errors=True)
    disks.shell("cp", "-r", disk, to)
    return to


@pytest.mark.long
@FULL
def test_a_real_disk_that_fills_anywhere_in_a_training(
    disks: Any, tools: Any, tiny_train: Any, tiny_run: Path, tmp_path: Path
) -> None:
    """From one that takes hardly a file to one that takes nearly all; then it gets more space."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    needed = sum(-(-path.stat().st_size // 4096) * 4 for path in tiny_run.rglob("*") if path.is_file())
    sizes = np.linspace(16, needed, 5).astype(int)
    for size in sizes:
        disks.shell("mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk)
        ended = disks.run(*tiny_train(disk / "run"))
        check_refusal(ended.code, ended.said, cause="No space left")
        assert tools.whole.problems(copied(disks, disk, copy) / "run") == []
        assert not list(copy.rglob(".medgan-*"))
        disks.shell("mount", "-o", "remount,size=64m", disk)
        begun = (copy / "run" / "run.json").exists()
        again = disks.run(*tiny_train(disk / "run", *(["--resume"] if begun else [])))
        assert again.code == 0, again.said
        assert tools.whole.weights(copied(disks, disk, copy) / "run") == tools.whole.weights(tiny_run)
        disks.shell("umount", disk)


@pytest.mark.slow
@FULL
@pytest.mark.parametrize("what", WRITTEN)
def test_a_real_full_disk_takes_no_half_result(
    what: str, disks: Any, tools: Any, syntheses: Any, tmp_path: Path
) -> None:
    """It takes one small file: a whole picture whose sidecar does not fit any more."""
    disk = tmp_path / "disk"
    disk.mkdir()
    disks.shell("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk)
    refused = disks.run(*syntheses[what](disk), "-q")
    check_refusal(refused.code, refused.said, cause="No space left")
    copy = copied(disks, disk, tmp_path / "copy")
    assert tools.whole.problems(copy) == []
    assert [path.suffix for path in copy.iterdir()] == ([".png"] if what == "png" else [])
    disks.shell("mount", "-o", "remount,size=64m", disk)
    assert disks.run(*syntheses[what](disk), "-q").code == 0
    disks.shell("umount", disk)


@pytest.mark.slow
@READ_ONLY
@pytest.mark.parametrize("what", ["train", "resume", *WRITTEN])
def test_a_read_only_disk_is_refused_and_stays_as_it_is(
    what: str, disks: Any, tiny_train: Any, tiny_run: Path, syntheses: Any, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    disks.shell("mount", "-t", "tmpfs", "tmpfs", disk)
    disks.shell("cp", "-r", tiny_run, disk / "run")
    disks.shell("mount", "-o", "remount,ro", disk)
    before = there(disks, disk)
    assert "model.json" in before
    if what in ("train", "resume"):
        more = ["--resume", "--epochs", "3"] if what == "resume" else []
        refused = disks.run(*tiny_train(disk / ("run" if more else "new"), *more))
    else:
        refused = disks.run(*syntheses[what](disk), "-q")
    check_refusal(refused.code, refused.said, cause="Read-only file system")
    assert there(disks, disk) == before
    disks.shell("umount", disk)
