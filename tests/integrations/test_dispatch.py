"""A cohort on a real scheduler and workers: what one process would write, whatever ends on the way."""

from __future__ import annotations

import json
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medgan.scans import read_scan
from medgan.scans.dicom_writing import write_series

Synthesize = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def below(folder: Path) -> list[str]:
    return sorted(contents(folder))


def written(out: str, folder: Path) -> list[str]:
    """The images that a command said to have written, by their stems."""
    return sorted(re.findall(rf"{re.escape(str(folder))}/(.*)_desc-\S*\.nii\.gz", out))


def unpacked(cluster: Any) -> Iterator[Path]:
    """What workers have unpacked and not taken away."""
    return (path for folder in cluster.folders for path in folder.rglob("*.nii.gz"))


def test_a_cluster_writes_and_says_what_one_process_does(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(cohort, tmp_path / "in")
    (tmp_path / "in" / "bad.nii.gz").write_bytes((cohort / "a.nii.gz").read_bytes()[:1000])
    monkeypatch.chdir(tmp_path)  # paths are relative, and workers are elsewhere
    asked = ("in", "--preview", "--report")
    alone, shared = (
        synthesize(*asked, "-o", "alone"),
        synthesize(*asked, "-o", "shared", "--dask", cluster.file),
    )
    assert alone.code == shared.code == 3, shared.err
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    for said, other in ((shared.out, alone.out), (shared.err, alone.err)):
        assert sorted(said.replace("shared/", "alone/").split("\n")) == sorted(other.split("\n"))
    assert cluster.begun() == ["a", "b", "bad", *"cdef"]


def test_a_worker_killed_in_the_middle_of_a_scan_costs_nothing_but_time(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path
) -> None:
    assert synthesize(cohort, "-o", tmp_path / "alone", "-q").code == 0
    cluster.let("hold", "c")
    with cluster.killing_who_holds() as killed:
        done = synthesize(cohort, "-o", tmp_path / "shared", "--dask", cluster.file)
    assert len(killed) == 1
    assert done.code == 0, done.err
    assert written(done.out, tmp_path / "shared") == [*"abcdef"]  # each told once
    assert cluster.begun() == [*"abccdef"]  # and no other begun twice
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert "c.nii.gz: the worker that was at it ended" in done.err


def test_a_worker_killed_while_it_writes_leaves_nothing_half_written(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path
) -> None:
    cluster.let("hold-writing")
    with cluster.killing_who_holds() as killed:
        done = synthesize(cohort, "-o", tmp_path / "out", "--dask", cluster.file)
    assert len(killed) == 1
    assert done.code == 0, done.err
    assert below(tmp_path / "out") == sorted(
        f"{name}_desc-medganFromT1w_T2w.{end}" for name in "abcdef" for end in ("json", "nii.gz")
    )


def test_a_scan_that_ends_each_worker_is_refused_and_the_others_are_written_and_logs_name_none(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path
) -> None:
    shutil.copytree(cohort, tmp_path / "Mustermann")
    (tmp_path / "Mustermann" / "b.nii.gz").rename(tmp_path / "Mustermann" / "Erika.nii.gz")
    cluster.let("deadly", "Erika")
    done = synthesize(tmp_path / "Mustermann", "-o", tmp_path / "out", "--dask", cluster.file)
    assert done.code == 3
    assert "1 of 6 inputs were refused, as listed; the others are written" in done.err
    assert re.search(r"Erika\.nii\.gz\n +ended 3 worker processes that took it up", done.err)
    assert written(done.out, tmp_path / "out") == [*"acdef"]
    assert cluster.begun() == ["Erika", "Erika", "Erika", *"acdef"]
    cluster.let("deadly")
    again = synthesize(tmp_path / "Mustermann", "-o", tmp_path / "out", "--dask", cluster.file, "--resume")
    assert again.code == 0, again.err
    assert "5 of 6 were there already, complete, and were kept." in again.out
    assert cluster.begun() == ["Erika", "Erika", "Erika", "Erika", *"acdef"]
    assert "distributed" not in done.err + done.out
    log = cluster.log.read_text(encoding="utf-8")
    assert "medgan-" in log  # the key of the scan that a worker died over
    assert "Mustermann" not in log
    assert "Erika" not in log


def test_one_deadly_scan_of_an_archive_does_not_take_the_others_with_it(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "three.zip", "w") as archive:
        for name in "abc":
            archive.write(cohort / f"{name}.nii.gz", f"{name}.nii.gz")
    monkeypatch.setattr("medgan.integrations.ledger.ATTEMPTS", 1)
    cluster.let("deadly", "b")
    done = synthesize(tmp_path / "three.zip", "-o", tmp_path / "out", "--dask", cluster.file)
    assert done.code == 3
    assert written(done.out, tmp_path / "out") == ["a", "c"]
    assert cluster.begun() == [*"abbc"]
    end = time.monotonic() + 30  # until the worker that was ended last is replaced
    while (left := [*unpacked(cluster)]) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def test_names_are_those_of_one_process_also_where_archives_and_folders_share_them(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path
) -> None:
    for number, names in enumerate(("ab", "ac", "a")):
        with zipfile.ZipFile(tmp_path / f"day{number}.zip", "w") as archive:
            for name in names:
                archive.write(cohort / f"{name}.nii.gz", f"{name}.nii.gz")
    for folder in ("x", "y"):
        shutil.copytree(cohort, tmp_path / folder, ignore=lambda *_: ["c.nii.gz", "d.nii.gz", "e.nii.gz"])
    given = [tmp_path / name for name in ("day0.zip", "x", "day1.zip", "y", "day2.zip")]
    assert synthesize(*given, "-o", tmp_path / "alone", "-q").code == 0
    done = synthesize(*given, "-o", tmp_path / "shared", "--dask", cluster.file)
    assert done.code == 0, done.err
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert len(written(done.out, tmp_path / "shared")) == 11


def test_dicom_comes_as_series_that_name_no_one(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path
) -> None:
    for number, name in enumerate("ab"):
        scan = read_scan(cohort / f"{name}.nii.gz")
        write_series(tmp_path / name / "series", scan, description="T1w", series_number=3 + number, facts={})
    asked = (tmp_path / "a", tmp_path / "b", "--format", "dicom", "--deidentify")
    assert synthesize(*asked, "-o", tmp_path / "alone", "-q").code == 0
    done = synthesize(*asked, "-o", tmp_path / "shared", "--dask", cluster.file)
    assert done.code == 0, done.err
    assert below(tmp_path / "shared") == below(tmp_path / "alone")
    sources = {json.loads(path.read_text())["Sources"][0] for path in (tmp_path / "shared").glob("*.json")}
    assert len(sources) == 2


def test_workers_of_another_version_are_refused(
    synthesize: Synthesize, cluster: Any, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medgan.integrations.dispatch.__version__", "9.9")
    done = synthesize(cohort, "-o", tmp_path / "out", "--dask", cluster.file)
    assert done.code == 2
    assert "a worker runs medgan" in done.err
    assert "9.9" in done.err
    assert not (tmp_path / "out").exists()
    assert cluster.begun() == []
