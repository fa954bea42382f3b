"""A run keeps a page of itself: whole at every moment, telling how it goes, giving no name away, never slowing it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from medgan.training import Observer, Status, train
from medgan.training import report as module
from medgan.training.monitor import Finding
from medgan.training.plan import Estimate


def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_tells_its_end_its_model_and_its_settings(tiny_run: Path) -> None:
    text = page(tiny_run)
    assert "Finished: step 8 of 8, 100% of the training" in text
    assert "Reload" not in text
    assert "The model is of the end, step 8" in text
    assert text.count('src="data:image/jpeg') == 3, "untrained and two epochs"
    assert 'data-name="epoch 2"' in text
    for words in (
        "Cycle error",
        "Loss of the discriminators",
        "T1w: 2 scans",
        "2 scans (nifti)",
        "GiB of memory",
    ):
        assert words in text
    recipe = (tiny_run / "recipe.yaml").read_text()
    assert recipe.splitlines()[-1] in text


def test_no_name_and_no_place_of_a_scan_is_in_it(tiny_run: Path, head_folders: Any) -> None:
    text = page(tiny_run)
    assert "sub-0" not in text
    assert str(head_folders.t1.parent) not in text
    assert str(tiny_run.parent) not in text


class Reader(Observer):
    """Reads the page after every step, and then stops the training."""

    def __init__(self, run: Path) -> None:
        self.run, self.pages, self.warnings = run, [], []  # type: ignore[var-annotated]

    def stepped(self, status: Status) -> None:
        self.pages.append(page(self.run))
        if status.step == 7:
            raise KeyboardInterrupt

    def warned(self, text: str) -> None:
        self.warnings.append(text)


def test_it_is_there_from_the_first_step_and_renewed_with_the_epochs(
    tiny: Any, head_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.0)
    monkeypatch.setattr(module, "_SHARE", 0.0)
    wrong = Finding("wrong", "Something <goes> wrong.")
    monkeypatch.setattr(module, "look", lambda losses, judged: [wrong] if losses else [])
    told = Reader(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(head_folders.t1, head_folders.t2, out=told.run, changes=tiny, device="cpu", observer=told)
    assert "Beginning: step 0 of 8" in told.pages[0]
    assert "too early" in told.pages[0]
    assert "Running: step 4 of 8" in told.pages[-1]
    assert "Reload" in told.pages[-1]
    assert "Something &lt;goes&gt; wrong." in told.pages[-1]
    assert all(text.endswith("</html>") for text in told.pages), "whole at every moment"
    assert told.warnings.count("step 4: Something <goes> wrong.") == 1, "said once"


def test_it_is_not_renewed_with_every_epoch_of_a_fast_training(
    tiny: Any, head_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(module, "write_training", lambda page, path: written.append(page.state))
    settings = [*tiny, "training.steps_per_epoch=1", "training.epochs=8", "training.preview_seconds=1000"]
    train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=settings, device="cpu")
    assert len(written) == 2, "at the beginning and at the end"


def test_what_is_mended_may_be_said_again(tiny_run: Path) -> None:
    from types import SimpleNamespace

    told: list[str] = []
    plan: Any = SimpleNamespace(run=tiny_run)
    observer: Any = SimpleNamespace(warned=told.append)
    report = module.Report(plan, observer)
    engine: Any = SimpleNamespace(training=SimpleNamespace(step=3))
    for findings in ([Finding("a", "A.")], [Finding("a", "A, still.")], [], [Finding("a", "A again.")]):
        report._tell(engine, findings)
    assert told == ["step 3: A.", "step 3: A again."]


def test_curves_are_drawn_for_every_loss_that_was_recorded(tiny_run: Path) -> None:
    drawn = re.findall(r'aria-label="([^"]*) over the epochs"', page(tiny_run))
    assert drawn[:3] == ["Adversarial loss of the generators", "Loss of the discriminators", "Cycle error"]
    assert "Learning rate" in drawn


def test_a_training_that_diverged_says_so_on_its_page(
    tiny: Any, head_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medgan.errors import ModelRefusedError

    # It would diverge there already, before there is a page.
    monkeypatch.setattr("medgan.training.job.estimate", lambda trial, *, first_step: Estimate(1.0, 1.0, None))

    run = tmp_path / "run"
    with pytest.raises(ModelRefusedError, match="diverged"):
        train(
            head_folders.t1,
            head_folders.t2,
            out=run,
            changes=[*tiny, "optimiser.learning_rate=1e30"],
            device="cpu",
        )
    assert "Ended, since the training has diverged" in page(run)
    assert "Reload" not in page(run)


def test_scans_of_the_wrong_contrast_are_counted_and_not_named(
    tiny: Any, head: Any, head_folders: Any, tmp_path: Path
) -> None:
    for number in (1, 2):
        head(tmp_path / "t2" / f"sub-{number:02d}_T1w.nii.gz", "t1", number)
    changes = [*tiny, "training.epochs=1"]
    text = page(train(head_folders.t1, tmp_path / "t2", out=tmp_path / "run", changes=changes, device="cpu"))
    assert "Warnings of scans in the T2w folder: 2" in text
    assert "in the T1w folder" not in text
    assert "sub-0" not in text
