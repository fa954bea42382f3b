"""The scripts that prepare, validate and examine the default weights do what their figures rest on."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import SimpleITK

from medgan.errors import InputRefusedError
from medgan.models import load_model, save_model
from medgan.scans import read_nifti, write_nifti
from medgan.simulation import Anatomy, Variety, procedural_head, simulate_volume
from medgan.simulation.anatomy import brain_distance

SCRIPTS = Path(__file__).parents[2] / "pipelines" / "default_model"
NAMES = ("average", "grids", "register_pairs", "brain_masks", "validate", "lesions", "publish")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A script as a module, which finds the others beside it."""
    monkeypatch.syspath_prepend(SCRIPTS)
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """SimpleITK's threads wait for each other busily, which takes minutes where other tests run beside."""
    usual = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)


STILL: dict[str, Any] = {"stripped": 0.0, "lesions": {}, "coarse": 0.0, "contrast_agent": 0.0}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_brain_is_found_in_another_head_of_thick_oblique_slices(
    script: Callable[[str], ModuleType],
) -> None:
    masks, grids = script("brain_masks"), script("grids")
    heads = [procedural_head(seed, shape=(72, 90, 76), spacing_mm=2.5) for seed in (1, 2, 3)]
    templates = [masks.make_template(head, seed) for seed, head in enumerate(heads[:2])]
    anatomy = Anatomy.of(heads[2])
    pair = simulate_volume(anatomy, seed=5, variety=Variety(**STILL).in_place(), pixel_mm=1.5, slice_mm=4.0)
    place = np.diag([anatomy.spacing] * 3 + [1.0])
    place[:3, 3] = anatomy.origin
    distance = grids.to_itk(brain_distance(anatomy.brain.float()).numpy(), place)
    there, still = grids.to_itk(pair.t1, pair.affine), SimpleITK.Transform()
    truth = SimpleITK.Resample(distance, there, still, SimpleITK.sitkLinear, 16.0) < 0.5

    turned = np.eye(4)
    turned[:3] = [[0.995, 0, 0.0998, 7], [0, 1, 0, -12], [-0.0998, 0, 0.995, 9]]
    scan = grids.to_itk(pair.t1 * 500, turned @ pair.affine)
    found, real = (
        SimpleITK.GetArrayFromImage(mask) > 0 for mask in (masks.brain_mask(scan, templates), truth)
    )
    assert 2 * (found & real).sum() / (found.sum() + real.sum()) > 0.93


@pytest.fixture
def examination(head: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """A T1w and a T2w scan of one head on different grids."""
    grid: dict[str, Any] = {"shape": (60, 70, 56), "spacing": 3.0}
    affine = np.diag([-3.0, -3.0, 3.0, 1.0])
    affine[:3, 3] = [90, 104, 0]
    t1 = head(tmp_path / "one_T1w.nii.gz", "t1", 1, affine=affine, **grid)
    t2 = read_nifti(head(tmp_path / "same.nii.gz", "t2", 1, affine=affine, **grid))
    moved = t2.affine.copy()
    moved[:3, 3] += [4.0, -3.0, 5.0]
    path = tmp_path / "one_T2w.nii.gz"
    write_nifti(replace(t2, affine=moved), path, description="moved")
    return t1, path


def test_a_moved_t2w_comes_back_onto_its_t1w_voxel_by_voxel(
    script: Callable[[str], ModuleType], examination: tuple[Path, Path], tmp_path: Path
) -> None:
    t1, t2 = examination
    mask = replace(read_nifti(t1), voxels=np.ones(read_nifti(t1).voxels.shape, np.float32))
    mask.voxels[:30] = 0
    write_nifti(mask, tmp_path / "mask.nii.gz", description="half")
    arguments = [
        "--pair",
        "one",
        str(t1),
        str(t2),
        str(tmp_path / "mask.nii.gz"),
        "--out",
        str(tmp_path / "o"),
    ]
    script("register_pairs").main(arguments)
    registered, here = read_nifti(tmp_path / "o/T2/one.nii.gz"), read_nifti(t1)
    assert np.allclose(registered.affine, here.affine)
    truth = read_nifti(tmp_path / "same.nii.gz").voxels
    inside = (slice(6, -6),) * 3
    assert np.corrcoef(registered.voxels[inside].ravel(), truth[inside].ravel())[0, 1] > 0.97
    brain = read_nifti(tmp_path / "o/T2/one_brain.nii.gz").voxels
    assert not brain[:30].any()
    assert np.array_equal(brain[mask.voxels > 0], registered.voxels[mask.voxels > 0])


def test_a_mask_on_another_grid_is_refused(
    script: Callable[[str], ModuleType], examination: tuple[Path, Path]
) -> None:
    t1, t2 = (read_nifti(path) for path in examination)
    with pytest.raises(InputRefusedError, match="not on the grid"):
        script("register_pairs").stripped(t1, t2)


def test_a_validation_judges_both_directions_beside_the_baselines(
    script: Callable[[str], ModuleType], tiny_run: Path, head: Callable[..., Path], tmp_path: Path
) -> None:
    t1, t2 = (head(tmp_path / f"{key}.nii.gz", key, 5) for key in ("t1", "t2"))
    voxels = read_nifti(t2).voxels
    mask = replace(read_nifti(t2), voxels=(voxels > voxels.mean()).astype(np.float32))
    write_nifti(mask, tmp_path / "mask.nii.gz", description="head")
    report = tmp_path / "validation.json"
    files = ["five", *map(str, (t1, t2, tmp_path / "mask.nii.gz"))]
    script("validate").main(["--model", f"tiny={tiny_run}", "--pair", *files, "--json", str(report)])
    rows = json.loads(report.read_text())["Rows"]
    cases = {(row["kind"], row["direction"], row["subject"]) for row in rows}
    assert cases == {
        (kind, direction, subject)
        for kind in ("head", "stripped")
        for direction in ("T1w to T2w", "T2w to T1w")
        for subject in ("copy", "histogram", "tiny")
    }


def test_a_published_model_learns_how_far_it_is_off(
    script: Callable[[str], ModuleType], tiny_run: Path, head: Callable[..., Path], tmp_path: Path
) -> None:
    pairs: list[str] = []
    for person in (5, 6):
        files = [str(head(tmp_path / f"{key}_{person}.nii.gz", key, person)) for key in ("t1", "t2")]
        pairs += ["--pair", f"p{person}", *files]
    (tmp_path / "validation.json").write_text('{"Rows": []}')
    arguments = [
        "--model",
        str(tiny_run),
        "--validation",
        str(tmp_path / "validation.json"),
        "--subject",
        "tiny",
    ]
    script("publish").main([*arguments, "--out", str(tmp_path / "brain"), *pairs])
    found = load_model(tmp_path / "brain").manifest.calibration
    assert {(one.target, one.made_from, one.pairs) for one in found} == {
        ("t2", "acquired", 2),
        ("t1", "acquired", 2),
    }
    script("publish").main([*arguments, "--out", str(tmp_path / "plain")])
    assert load_model(tmp_path / "plain").manifest.calibration == ()


def test_a_model_beats_the_histogram_only_in_both_figures(script: Callable[[str], ModuleType]) -> None:
    def case(number: int, ssim: float, r: float) -> list[dict[str, Any]]:
        shared = {"pair": str(number), "kind": "head", "direction": "T1w to T2w"}
        model = shared | {"subject": "model", "ssim": ssim, "r": r}
        return [shared | {"subject": "histogram", "ssim": 0.5, "r": 0.5}, model]

    rows = case(1, 0.6, 0.6) + case(2, 0.6, 0.4) + case(3, 0.4, 0.6)
    assert script("validate").beaten(rows, "model") == (1, 3)


@pytest.fixture
def case(script: Callable[[str], ModuleType]) -> Any:
    """White matter around two lesions, both bright in T2w, one of which T1w shows; grey matter around it all."""
    chance = np.random.default_rng(0)
    shape = (48, 48, 20)
    white = np.zeros(shape, np.float32)
    white[6:42, 6:42] = 1
    lesions = np.zeros(shape, bool)
    lesions[12:16, 12:16, 8:11] = lesions[30:34, 30:34, 8:11] = True
    t1, t2 = 1 - 0.3 * (1 - white), 1 + 0.4 * (1 - white)
    t1[12:16, 12:16, 8:11] = 0.7
    t2[lesions] = 1.8
    noise = chance.normal(0, 0.02, (2, *shape))
    return script("lesions").Case(
        name="made up",
        affine=np.diag([1.0, 1.0, 3.0, 1.0]),
        t1=(t1 + noise[0]).astype(np.float32),
        t2=(t2 + noise[1]).astype(np.float32),
        lesions=lesions,
        white=white * ~lesions,
        tissue=np.ones(shape, np.float32),
    )


def test_a_perfect_t2w_keeps_every_lesion_and_invents_none(
    script: Callable[[str], ModuleType], case: Any
) -> None:
    lesions = script("lesions")
    perfect = lesions.calibrated(case, case.t2 * 300 + 40)
    assert np.allclose(perfect, case.t2, atol=1e-3)
    found = list(lesions.found_lesions(case, perfect))
    assert [row["bright"] for row in found] == [True, True]
    assert sorted(row["visible"] for row in found) == [False, True]
    assert lesions.false_positives(case, perfect) == 0


def test_a_lesion_that_is_lost_is_counted_as_lost(script: Callable[[str], ModuleType], case: Any) -> None:
    lesions = script("lesions")
    lost = np.where(case.lesions, np.float32(1), case.t2)
    assert not any(row["bright"] for row in lesions.found_lesions(case, lost))


def test_a_spot_is_invented_where_neither_scan_shows_it(
    script: Callable[[str], ModuleType], case: Any
) -> None:
    lesions = script("lesions")
    spot = (slice(22, 26), slice(22, 26), slice(9, 12))
    invented = case.t2.copy()
    invented[spot] = 1.5
    assert lesions.false_positives(case, invented) == 1
    dark = case.t1.copy()
    dark[spot] = 0.8
    assert lesions.false_positives(replace(case, t1=dark), invented) == 0
    assert lesions.false_positives(replace(case, t2=invented), invented) == 0


def test_the_average_of_two_models_lies_between_them_by_their_weights(
    script: Callable[[str], ModuleType], tiny_run: Path, tmp_path: Path
) -> None:
    one = load_model(tiny_run)
    shifted = {target: one.generator(target) for target in ("t1", "t2")}
    for network in shifted.values():
        network.load_state_dict({name: tensor + 1 for name, tensor in network.state_dict().items()})
    about = one.manifest
    save_model(
        tmp_path / "shifted",
        generators=shifted,
        recipe=about.recipe,
        slab=about.slab,
        domains=about.domains,
        history=about.training,
    )
    models = [str(tiny_run), str(tmp_path / "shifted")]
    script("average").main(["--model", *models, "--weight", "1", "3", "--out", str(tmp_path / "mean")])
    made = load_model(tmp_path / "mean")
    for target in ("t1", "t2"):
        first = one.generator(target).state_dict()
        for name, tensor in made.generator(target).state_dict().items():
            np.testing.assert_allclose(tensor.numpy(), first[name].numpy() + 0.75, atol=1e-5)
