"""Every page opens in a browser from a disk: nothing is asked for, nothing complains, and both schemes are followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def pages(medgan: Any, head: Any, head_folders: Any, tiny_run: Path, tmp_path: Path) -> dict[str, Path]:
    """Pages by the command that writes them."""
    inspected = tmp_path / "data.html"
    done = medgan("inspect", head_folders.t1, head_folders.t2, "-q", "-o", inspected)
    assert done.code == 0, done.err
    made, truth, source = (
        head(tmp_path / f"{name}.nii.gz", contrast, person)
        for name, contrast, person in (("made_T2w", "t2", 2), ("true_T2w", "t2", 1), ("true_T1w", "t1", 1))
    )
    done = medgan("evaluate", made, truth, "--source", source, "-q", "-o", tmp_path / "judged")
    assert done.code == 0, done.err
    done = medgan("evaluate", made, "--source", source, "-q", "-o", tmp_path / "seen")
    assert done.code == 0, done.err
    return {
        "inspect": inspected,
        "evaluate": tmp_path / "judged" / "report.html",
        "evaluate, without a reference": tmp_path / "seen" / "report.html",
        "train": tiny_run / "report.html",
    }


def test_pages_of_data_training_and_evaluation_stand_alone(pages: dict[str, Path], browser: Any) -> None:
    for command, page in pages.items():
        browser.appear(scheme="light")
        browser.open(page)
        light = browser.picture().astype(float)
        assert light.std() > 10, command
        shown = "[...document.images].every(one => one.complete && one.naturalWidth > 0)"
        assert browser.value(f"document.images.length > 0 && {shown}"), command
        browser.appear(scheme="dark")
        assert browser.picture().mean() < light.mean() - 40, command
        browser.appear()
        assert browser.complaints == [], command
        assert browser.requests == [], command
