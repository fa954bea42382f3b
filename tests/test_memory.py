"""What the system tells of memory is read, of this process and of the groups that it is in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from medgan import memory
from medgan.memory import resident_memory


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_grows_with_what_is_held() -> None:
    before = resident_memory()
    held = torch.ones(64 * 2**18)
    assert 60 * 2**20 < resident_memory() - before < 100 * 2**20
    del held


def grouped(root: Path, name: str, **files: object) -> None:
    """A control group of Linux."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file.replace("__", ".")).write_text(f"{content}\n")


def test_limits_of_control_groups_are_found_and_those_around_them(tmp_path: Path) -> None:
    root, here = tmp_path / "cgroup", tmp_path / "membership"
    here.write_text("0::/job/step\n")
    grouped(root, "job", memory__max=1000, memory__current=700, memory__stat="anon 1\ninactive_file 100")
    grouped(root, "job/step", memory__max="max", memory__current=600)
    assert memory._of_groups(root, here) == [1000 - 700 + 100]
    grouped(root, "job/step", memory__max=650, memory__current=600)
    assert memory._of_groups(root, here) == [50, 400]


def test_limits_of_the_older_control_groups_are_found(tmp_path: Path) -> None:
    root, here = tmp_path / "cgroup", tmp_path / "membership"
    here.write_text("5:cpu:/x\n4:memory:/job\n")
    grouped(
        root,
        "memory/job",
        memory__limit_in_bytes=1000,
        memory__usage_in_bytes=400,
        memory__stat="total_inactive_file 30",
    )
    assert memory._of_groups(root, here) == [630]
    assert memory._of_groups(root, tmp_path / "none") == []
