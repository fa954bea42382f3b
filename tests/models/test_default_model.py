"""The model that comes with medgan: whole, small, described; and it does what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import medgan
from medgan.models import Model, load_model
from medgan.models.architecture import generators_fit
from medgan.models.catalogue import DEFAULT, WEIGHTS, has_default
from medgan.recipe import load_recipe

pytestmark = pytest.mark.skipif(not has_default(), reason=f"{WEIGHTS / DEFAULT} holds no model")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def test_it_is_small_enough_to_be_installed() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*")) < 30 * 2**20


def test_it_makes_both_contrasts(model: Model) -> None:
    for target in ("t1", "t2"):
        assert model.generator(target) is not None


def test_it_states_data_licences_figures_and_limits(model: Model) -> None:
    about = model.manifest.about
    assert model.manifest.name == DEFAULT
    assert about.purpose
    assert about.materials
    assert all(material.licence for material in about.materials)
    assert about.protocol
    assert {figures.target for figures in about.figures} == {"t1", "t2"}
    assert about.limits
    assert "no figure is claimed" not in (model.folder / "README.md").read_text(encoding="utf-8")


def test_the_default_recipe_begins_with_it(model: Model) -> None:
    assert generators_fit(load_recipe("slices"), model.manifest.recipe)


def test_no_folder_of_the_machine_that_made_it_is_in_it(model: Model) -> None:
    for file in (*model.folder.glob("*.json"), *model.folder.glob("*.md")):
        text = file.read_text(encoding="utf-8")
        assert not any(root in text for root in ("/home/", "/root/", "/work/", "/tmp/")), file  # noqa: S108


@pytest.mark.filterwarnings("ignore::UserWarning")  # what it says of a head of 5 mm voxels
@pytest.mark.parametrize("target", ["t1", "t2"])
def test_a_scan_is_synthesised_with_it_where_no_model_is_given(
    target: str, head: Any, tmp_path: Path
) -> None:
    source = {"t1": "t2", "t2": "t1"}[target]
    path = head(tmp_path / "scan.nii.gz", source, 1)
    made = medgan.synthesize(path, target=target, device="cpu")
    assert made.shape == nibabel.load(path).shape
    assert np.isfinite(made.get_fdata()).all()
