"""A training makes a run folder with everything in it, from any kind of scan, and refuses what cannot be right."""

from __future__ import annotations

import csv
import json
import sys
import threading
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from medgan import load_model
from medgan.errors import InputRefusedError, ModelRefusedError, ResourceError, UsageError
from medgan.files import sha256
from medgan.recipe import load_recipe
from medgan.training import Observer, Plan, Status, train


class Recorder(Observer):
    """Remembers all that it is told."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.steps: list[Status] = []
        self.warnings: list[str] = []
        self.prepared: list[tuple[str, int, int]] = []

    def preparing(self, contrast: str, done: int, total: int) -> None:
        self.prepared.append((contrast, done, total))

    def planned(self, plan: Plan) -> None:
        self.plans.append(plan)

    def stepped(self, status: Status) -> None:
        self.steps.append(status)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


def weights(run: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted((run / "model").glob("*.safetensors"))}


def test_a_run_folder_holds_all_that_was_promised_and_no_leftovers(tiny_run: Path) -> None:
    names = {path.name for path in tiny_run.iterdir()} - {"tensorboard", ".lock"}
    assert names == {
        "checkpoints",
        "judgements.csv",
        "losses.png",
        "metrics.csv",
        "model",
        "previews",
        "previews.gif",
        "recipe.yaml",
        "report.html",
        "run.json",
    }
    assert {path.name for path in (tiny_run / "model").iterdir()} == {
        "README.md",
        "model.json",
        "t1_to_t2.safetensors",
        "t2_to_t1.safetensors",
    }
    assert not list(tiny_run.rglob(".medgan-*"))


def test_tensorboard_has_every_epoch_once_the_training_ends_and_nothing_goes_on_behind_it(
    head_folders: Any, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    before = set(threading.enumerate())
    changes = (*tiny, "training.tensorboard=true")
    run = train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=changes, device="cpu")
    assert set(threading.enumerate()) <= before
    events = accumulator.EventAccumulator(str(run / "tensorboard")).Reload()
    tags = events.Tags()["scalars"]
    assert tags and all([one.step for one in events.Scalars(tag)] == [1, 2] for tag in tags)


def test_so_has_mlflow_and_its_run_is_ended(head_folders: Any, tiny: tuple[str, ...], tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed (medgan[mlflow])")
    changes = (*tiny, "training.mlflow=true")
    train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=changes, device="cpu")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/run/mlflow/mlflow.db")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert run.info.status == "FINISHED" and run.data.metrics
    for name in run.data.metrics:
        assert [one.step for one in client.get_metric_history(run.info.run_id, name)] == [1, 2]


def test_there_is_a_preview_of_the_untrained_networks_and_of_every_epoch(tiny_run: Path) -> None:
    previews = sorted(path.name for path in (tiny_run / "previews").iterdir())
    assert previews == ["epoch_00001.png", "epoch_00002.png", "untrained.png"]
    for path in (tiny_run / "previews").iterdir():
        with Image.open(path) as picture:
            assert "SYNTHETIC" in picture.info["Description"]
    with Image.open(tiny_run / "previews.gif") as animation:
        assert animation.n_frames == 3
    with Image.open(tiny_run / "losses.png") as picture:
        assert min(picture.size) > 200


def test_the_losses_of_every_epoch_are_written_down(tiny_run: Path) -> None:
    with (tiny_run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
    for row in rows:
        for name in ("adversarial_t1", "cycle_t2", "discriminator_t1", "real_t2", "fake_t2"):
            assert np.isfinite(float(row[name]))


def test_the_recipe_that_is_kept_trains_the_same_again(tiny_run: Path, tiny: tuple[str, ...]) -> None:
    assert load_recipe(tiny_run / "recipe.yaml") == load_recipe("slices", tiny)


def test_the_model_says_what_it_was_trained_on(tiny_run: Path) -> None:
    manifest = load_model(tiny_run).manifest
    assert manifest.training.steps == 8
    assert manifest.training.epochs == 2
    assert manifest.training.device == "cpu"
    for domain in manifest.domains.values():
        assert domain.scans == 2
        assert domain.kinds == ("nifti",)
        assert domain.bits is None
        assert domain.spacings == (pytest.approx((5, 5)),) * 3


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    tiny_run: Path, tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    for seed in (0, 1):
        train(
            head_folders.t1, head_folders.t2, out=tmp_path / str(seed), changes=tiny, seed=seed, device="cpu"
        )
    assert weights(tmp_path / "0") == weights(tiny_run)
    assert weights(tmp_path / "1") != weights(tiny_run)


def test_the_observer_is_told_of_preparation_plan_and_every_step(
    tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    told = Recorder()
    train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=tiny, device="cpu", observer=told)
    assert told.prepared == [("t1", 1, 2), ("t1", 2, 2), ("t2", 1, 2), ("t2", 2, 2)]
    (plan,) = told.plans
    assert plan.steps == 8
    assert plan.matched
    assert plan.slab == 3
    assert plan.frame == (24, 24)
    assert plan.estimate.seconds > 0
    assert [status.step for status in told.steps] == list(range(1, 9))
    assert told.steps[-1].progress == 1


def test_the_estimate_leaves_the_training_as_it_was(
    tiny_run: Path, tiny: Any, head_folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs steps, on a throw-away copy: without them the weights are the same."""
    from medgan.training import plan

    users = [module for name, module in sys.modules.items() if name.startswith("medgan.training.")]
    users = [module for module in users if hasattr(module, "estimate")]
    assert len(users) >= 2
    for module in users:
        monkeypatch.setattr(
            module, "estimate", lambda trial, first_step: plan.Estimate(1.0, 1.0, None), raising=True
        )
    train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=tiny, device="cpu")
    assert weights(tmp_path / "run") == weights(tiny_run)


def test_dicom_and_png_folders_train_too(tiny: Any, head: Any, tmp_path: Path) -> None:
    from medgan.scans import write_picture
    from medgan.scans.dicom_writing import write_series
    from medgan.scans.scan import Scan, Source

    voxels = np.round(nibabel.load(head(tmp_path / "t1.nii.gz", "t1", 1)).get_fdata(dtype=np.float32))
    source = Source(path=Path("made"), kind="array", stem="made")
    scan = Scan(voxels=voxels, affine=np.diag([-5.0, 5, 5, 1]), source=source)
    facts = {"echo_time": 12.0, "repetition_time": 500.0}
    write_series(tmp_path / "t1" / "a", scan, description="T1w", series_number=2, facts=facts, entropy="x")
    for index in range(3, 13):
        plane = Scan(
            voxels=np.ascontiguousarray(voxels[:, :, index : index + 1]), affine=np.eye(4), source=source
        )
        picture = tmp_path / "t2" / f"slice{index}.png"
        picture.parent.mkdir(exist_ok=True)
        write_picture(plane, picture, low=0, high=float(voxels.max()), bits=8, text={})
    told = Recorder()
    run = train(
        tmp_path / "t1", tmp_path / "t2", out=tmp_path / "run", changes=tiny, device="cpu", observer=told
    )
    domains = load_model(run).manifest.domains
    assert domains["t1"].kinds == ("dicom",)
    assert domains["t2"].kinds == ("picture",)
    assert domains["t2"].bits == 8
    assert told.plans[0].slab == 1, "pictures have no neighbours"
    assert told.plans[0].matched, "their numbers tell the height"


def test_a_refused_file_is_reported_and_training_goes_on(tiny: Any, head: Any, tmp_path: Path) -> None:
    head(tmp_path / "t1" / "good.nii.gz", "t1", 1)
    (tmp_path / "t1" / "bad.nii.gz").write_bytes(b"cut")
    head(tmp_path / "t2" / "good.nii.gz", "t2", 2)
    told = Recorder()
    run = train(
        tmp_path / "t1", tmp_path / "t2", out=tmp_path / "run", changes=tiny, device="cpu", observer=told
    )
    (refused,) = told.plans[0].domains["t1"].refused
    assert refused.file == tmp_path / "t1" / "bad.nii.gz"
    assert load_model(run).manifest.domains["t1"].scans == 1


@pytest.mark.parametrize(
    "changes", [("generator.kind=resnet",), ("discriminator.views=[1, 2]", "sampling.slab=1")]
)
def test_other_networks_train_and_load(
    changes: tuple[str, ...], tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    settings = [*tiny, "training.epochs=1", "training.steps_per_epoch=2", *changes]
    run = train(head_folders.t1, head_folders.t2, out=tmp_path / "run", changes=settings, device="cpu")
    assert not load_model(run).generator("t2").training


def test_small_images_train_with_the_default_networks_and_coarse_stages(head: Any, tmp_path: Path) -> None:
    """A quarter of 40 pixels is less than the default discriminator can judge."""
    for key, person in (("t1", 1), ("t2", 2)):
        head(tmp_path / key / "scan.nii.gz", key, person)
    settings = [
        "generator.channels=[2, 4, 4, 4]",
        "discriminator.channels=2",
        "sampling.batch_size=1",
        "training.steps_per_epoch=3",
        "training.epochs=1",
        "training.coarse=[{scale: 4, share: 0.5}, {scale: 2, share: 0.4}]",
        "sampling.crop=32",
    ]
    run = train(tmp_path / "t1", tmp_path / "t2", out=tmp_path / "run", changes=settings, device="cpu")
    assert load_model(run).manifest.training.steps == 3


@pytest.mark.parametrize("key", ["t1", "t2"])
def test_an_init_model_gives_its_weights(
    key: str, tiny_run: Path, tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    """With a learning rate of next to nothing, what comes out is what went in."""
    settings = [*tiny, "optimiser.learning_rate=1e-12", "training.steps_per_epoch=1", "training.epochs=1"]
    made = {}
    for init in (tiny_run, "none"):
        run = tmp_path / Path(init).name
        train(head_folders.t1, head_folders.t2, out=run, changes=settings, init=init, seed=9, device="cpu")
        made[str(init)] = load_model(run).generator(key).state_dict()
    given = load_model(tiny_run).generator(key).state_dict()
    for name, tensor in given.items():
        assert torch.allclose(made[str(tiny_run)][name], tensor, atol=1e-6)
    assert any(not torch.allclose(made["none"][name], tensor, atol=1e-3) for name, tensor in given.items())


def test_an_init_model_of_another_architecture_is_refused(
    tiny_run: Path, tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    with pytest.raises(ModelRefusedError, match="another architecture"):
        train(
            head_folders.t1,
            head_folders.t2,
            out=tmp_path / "run",
            changes=[*tiny, "generator.channels=[4, 12]"],
            init=tiny_run,
        )
    with pytest.raises(ModelRefusedError, match="no such model"):
        train(head_folders.t1, head_folders.t2, out=tmp_path / "two", changes=tiny, init=tmp_path / "absent")


def test_a_second_training_into_the_same_folder_is_refused(
    tiny_run: Path, tiny: Any, head_folders: Any
) -> None:
    before = weights(tiny_run)
    with pytest.raises(UsageError, match="not empty") as caught:
        train(head_folders.t1, head_folders.t2, out=tiny_run, changes=tiny)
    assert "--resume" in caught.value.remedy
    assert weights(tiny_run) == before


def test_a_file_or_a_folder_of_other_things_is_no_place_for_a_run(
    tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    for place in ("file", "folder"):
        with pytest.raises(UsageError):
            train(head_folders.t1, head_folders.t2, out=tmp_path / place, changes=tiny)
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (UsageError, {"recipe": "nothing"}),
        (UsageError, {"changes": ["nothing=1"]}),
        (UsageError, {"max_minutes": 0}),
        (UsageError, {"max_minutes": -1}),
        (UsageError, {"epochs": 0}),
        (UsageError, {"seed": -1}),
        (UsageError, {"seed": 10**18}),
        (UsageError, {"device": "gpu"}),
        (UsageError, {"resume": True}),
        (ResourceError, {"device": "cuda:99"}),
        (InputRefusedError, {"t1_dir": "absent"}),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(
    error: type[Exception], arguments: dict[str, Any], tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    given = {"t1_dir": head_folders.t1, "t2_dir": head_folders.t2, "changes": tiny, "out": tmp_path / "run"}
    with pytest.raises(error):
        train(**{**given, **arguments})
    assert not (tmp_path / "run" / "model").exists()


def test_the_clock_alone_ends_a_training_and_brings_the_rate_down(
    tiny: Any, head_folders: Any, tmp_path: Path
) -> None:
    told = Recorder()
    run = train(
        head_folders.t1,
        head_folders.t2,
        out=tmp_path / "run",
        changes=[*tiny, "optimiser.decay_from=0", "training.preview_seconds=100"],
        max_minutes=2 / 60,
        device="cpu",
        observer=told,
    )
    assert told.plans[0].steps is None
    assert 2 <= told.steps[-1].elapsed < 10
    assert told.steps[-1].progress == 1
    with (run / "metrics.csv").open() as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert rates == sorted(rates, reverse=True)
    last = sorted((run / "previews").glob("epoch_*"))[-1]
    assert int(last.stem.split("_")[1]) == -(-told.steps[-1].step // 4), (
        "the end is drawn, though no epoch is whole"
    )


def test_no_name_of_a_scan_is_in_the_model_or_in_run_json(tiny_run: Path) -> None:
    said = "".join(
        path.read_text() for path in (tiny_run / "model").iterdir() if path.suffix in (".json", ".md")
    )
    said += (tiny_run / "run.json").read_text()
    assert "sub-0" not in said
    assert json.loads((tiny_run / "run.json").read_text())["seed"] == 0
