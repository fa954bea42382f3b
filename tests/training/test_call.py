"""What `train` refuses before it reads a scan, and what a resumed run remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medgan.errors import InputRefusedError, ModelRefusedError, UsageError
from medgan.files import locked
from medgan.training import train


def test_one_folder_for_both_contrasts_is_refused(head_folders: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folders of the two contrasts are one"):
        train(head_folders.t1, head_folders.t1, out=tmp_path / "run")


def test_a_contrast_folder_inside_the_other_is_refused(head_folders: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one lies in the other"):
        train(head_folders.t1.parent, head_folders.t2, out=tmp_path / "run")


def test_a_run_among_the_scans_is_refused(head_folders: Any) -> None:
    with pytest.raises(UsageError, match="among the scans"):
        train(head_folders.t1, head_folders.t2, out=head_folders.t1 / "run")


def test_a_second_training_in_one_folder_is_refused_while_the_first_is_at_work(
    head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    with locked(tmp_path / "run"), pytest.raises(UsageError, match="another medgan is at work"):
        train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=tiny, device="cpu")


def test_a_missing_start_is_refused_before_anything_is_prepared(head_folders: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError):
        train(head_folders.t1, head_folders.t2, out=tmp_path / "run", init=tmp_path / "none")
    assert not (tmp_path / "run").exists()


def test_a_folder_called_cache_that_is_not_ours_is_left_alone(head_folders: Any, tmp_path: Path) -> None:
    kept = tmp_path / "run" / "cache" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        train(head_folders.t1, head_folders.t2, out=tmp_path / "run")
    assert kept.read_text(encoding="utf-8") == "mine"


def test_a_time_limit_is_remembered_by_the_run(
    head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = train(
        head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=tiny, max_minutes=0.05, device="cpu"
    )
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["max_minutes"] == pytest.approx(0.05)
    before = (run / "model" / "t1_to_t2.safetensors").read_bytes()
    train(head_folders.t1, head_folders.t2, out=run, resume=True, device="cpu")
    assert (run / "model" / "t1_to_t2.safetensors").read_bytes() == before, "its time was up already"


def test_synthetic_images_are_not_trained_on(
    head_folders: Any, tiny: tuple[str, ...], tiny_run: Path, tmp_path: Path, medgan: Any
) -> None:
    source = next(head_folders.t1.glob("*.nii.gz"))
    made = medgan("synthesize", source, "--target", "t2", "--model", tiny_run, "-o", tmp_path / "T2")
    assert made.code == 0, made.err
    with pytest.raises(InputRefusedError, match="synthetic"):
        train(head_folders.t1, tmp_path / "T2", out=tmp_path / "run", changes=tiny, device="cpu")
