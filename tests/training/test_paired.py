"""Acquired pairs: matched by name, on one grid, the same slices of both."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medgan
from medgan.errors import InputRefusedError, ModelRefusedError
from medgan.recipe import Recipe, load_recipe
from medgan.training.paired import prepare_pairs
from medgan.training.sampling import Batches

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    changes = [
        "preparation.spacing=4",
        "sampling.batch_size=2",
        "sampling.crop=null",
        "augmentation.flip=0.5",
    ]
    return load_recipe("slices", changes)


def _shifted(mm: float) -> np.ndarray:
    affine = np.diag([5.0, 5.0, 5.0, 1.0])
    affine[0, 3] = mm
    return affine


def both(head: Writer, folder: Path, t1: str, t2: str, seed: int) -> None:
    for name, contrast in ((t1, "t1"), (t2, "t2")):
        head(folder / name, contrast, seed)


@pytest.mark.parametrize(
    ("t1", "t2"),
    [
        ("T1/{}.nii.gz", "T2/{}.nii.gz"),
        ("t1w/{}_a.nii.gz", "t2w/{}_a.nii.gz"),
        ("{0}/anat/{0}_T1w.nii.gz", "{0}/anat/{0}_T2w.nii.gz"),
        ("{}_T1.nii.gz", "{}_T2.nii.gz"),
    ],
)
def test_pairs_are_what_differs_by_the_contrast_alone(
    head: Writer, tmp_path: Path, recipe: Recipe, t1: str, t2: str
) -> None:
    for seed, name in ((1, "sub-01"), (2, "sub-02")):
        both(head, tmp_path / "pairs", t1.format(name), t2.format(name), seed)
    made = prepare_pairs(tmp_path / "pairs", recipe=recipe, cache=tmp_path / "cache")
    assert [len(cases.cases) for cases in made.values()] == [2, 2]
    for first, second in zip(made["t1"].cases, made["t2"].cases, strict=True):
        a, b = (np.asarray(case.voxels(), np.float32) for case in (first, second))
        assert (a > -1).mean() == pytest.approx((b > -1).mean(), rel=0.2)  # of one head
        assert first.slices == second.slices
        assert first.head == second.head


def test_both_contrasts_of_a_batch_show_the_same_slices_turned_alike(
    head: Writer, tmp_path: Path, recipe: Recipe
) -> None:
    """The same scan is given as both contrasts, so any difference would be one of place."""
    for seed in (1, 2):
        for contrast in ("T1", "T2"):
            head(tmp_path / "pairs" / contrast / f"{seed}.nii.gz", "t1", seed)
    made = prepare_pairs(tmp_path / "pairs", recipe=recipe, cache=tmp_path / "cache")
    batches = Batches(made, recipe, slab=3, seed=0, paired=True)
    for step in range(5):
        images = batches.batch(step)
        assert (images["t1"] == images["t2"]).all()


def test_a_scan_without_partner_is_left_out_and_a_folder_without_pairs_refused(
    head: Writer, tmp_path: Path, recipe: Recipe
) -> None:
    both(head, tmp_path / "a", "T1/1.nii.gz", "T2/1.nii.gz", 1)
    head(tmp_path / "a" / "T1" / "2.nii.gz", "t1", 2)
    made = prepare_pairs(tmp_path / "a", recipe=recipe, cache=tmp_path / "cache")
    assert [len(cases.cases) for cases in made.values()] == [1, 1]
    head(tmp_path / "b" / "T1" / "2.nii.gz", "t1", 2)
    with pytest.raises(InputRefusedError, match="no pair"):
        prepare_pairs(tmp_path / "b", recipe=recipe, cache=tmp_path / "cache")


def test_pairs_on_other_grids_are_refused(head: Writer, tmp_path: Path, recipe: Recipe) -> None:
    head(tmp_path / "T1" / "1.nii.gz", "t1", 1)
    head(tmp_path / "T2" / "1.nii.gz", "t2", 1, affine=_shifted(3.0))
    with pytest.raises(InputRefusedError, match="grid of its T1w scan") as refused:
        prepare_pairs(tmp_path, recipe=recipe, cache=tmp_path / "cache")
    assert "Register" in str(refused.value.remedy)


def test_a_name_that_spells_no_contrast_is_refused(head: Writer, tmp_path: Path, recipe: Recipe) -> None:
    head(tmp_path / "1.nii.gz", "t1", 1)
    with pytest.raises(InputRefusedError, match="which contrast"):
        prepare_pairs(tmp_path, recipe=recipe, cache=tmp_path / "cache")


def test_a_training_learns_from_pairs_and_remembers_them(
    head: Writer, head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    for seed in (3, 4):
        both(head, tmp_path / "pairs", f"T1/{seed}.nii.gz", f"T2/{seed}.nii.gz", seed)
    given = {"out": tmp_path / "run", "changes": tiny, "device": "cpu"}
    run = medgan.train(
        head_folders.t1, head_folders.t2, **given, epochs=1, paired_dir=tmp_path / "pairs", init="none"
    )
    assert {"paired t1", "paired t2"} <= set(json.loads((run / "run.json").read_text())["data"])
    (losses,) = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    assert float(losses["paired_t2"]) > 0
    with pytest.raises(ModelRefusedError, match="other data"):
        medgan.train(head_folders.t1, head_folders.t2, **given, epochs=2, resume=True)
