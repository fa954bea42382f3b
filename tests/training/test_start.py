"""A training begins with the weights that come with medgan where they fit, says so, and remembers it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medgan.errors import ModelRefusedError
from medgan.models import About, catalogue, load_model
from medgan.models.adaptation import adapt_slab
from medgan.models.publishing import publish_model
from medgan.recipe import Recipe, load_recipe
from medgan.training import Observer, Plan, train
from medgan.training.start import choose_start, known_start

STILL = ("optimiser.learning_rate=1e-12", "training.steps_per_epoch=1", "training.epochs=1")
"""A learning rate of next to nothing: what comes out is what went in."""


class PlannedError(Exception):
    """Stands for all that would come after the plan."""


class Until(Observer):
    """Ends a training at its plan, or after some steps."""

    def __init__(self, steps: int = 0) -> None:
        self.steps = steps
        self.plan: Plan | None = None

    def planned(self, plan: Plan) -> None:
        self.plan = plan
        if not self.steps:
            raise PlannedError

    def stepped(self, status: Any) -> None:
        if status.step >= self.steps:
            raise PlannedError


@pytest.fixture
def default(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A medgan that came with the tiny model."""
    folder = tmp_path / "weights" / catalogue.DEFAULT
    publish_model(load_model(tiny_run), folder, name=catalogue.DEFAULT, about=About())
    monkeypatch.setattr(catalogue, "WEIGHTS", folder.parent)
    return folder


@pytest.fixture
def learn(tiny: Any, head_folders: Any, tmp_path: Path) -> Callable[..., Path]:
    """Train into a run folder of that name."""

    def call(*changes: str, name: str = "run", **more: Any) -> Path:
        settings = [*tiny, *changes]
        return train(
            head_folders.t1, head_folders.t2, out=tmp_path / name, changes=settings, device="cpu", **more
        )

    return call


def plan_of(learn: Callable[..., Path], *changes: str, **more: Any) -> Plan:
    observer = Until()
    with pytest.raises(PlannedError):
        learn(*changes, observer=observer, **more)
    assert observer.plan is not None
    return observer.plan


def state(model: Path, target: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_model(model).generator(target).state_dict()
    return weights


def recipe_of(run: Path) -> Recipe:
    return load_recipe(run / "recipe.yaml")


@pytest.mark.parametrize("slab", [3, 1])
def test_without_init_it_begins_with_the_default_weights_on_any_slab(
    slab: int, default: Path, learn: Callable[..., Path]
) -> None:
    run = learn(*STILL, f"sampling.slab={slab}")
    for target in ("t1", "t2"):
        expected = adapt_slab(state(default, target), slab=slab)
        made = state(run, target)
        assert made.keys() == expected.keys()
        for name, tensor in made.items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)


def test_what_it_began_with_is_in_the_run_the_manifest_and_the_card(
    default: Path, learn: Callable[..., Path]
) -> None:
    run = learn(*STILL)
    origin = {"name": "brain", "sha256": load_model(default).digest}
    assert json.loads((run / "run.json").read_text())["origin"] == origin
    model = load_model(run)
    assert model.manifest.training.origin is not None
    assert model.manifest.training.origin.model_dump() == origin
    assert (
        f"began with the weights of `brain` (SHA-256 {origin['sha256']})"
        in (model.folder / "README.md").read_text()
    )
    assert str(default.parent) not in (run / "run.json").read_text()


def test_the_plan_says_what_it_begins_with(default: Path, learn: Callable[..., Path], tiny_run: Path) -> None:
    said = [
        (plan_of(learn), "with the weights of the model brain, which comes with medgan (--init none"),
        (plan_of(learn, name="none", init="none"), "with fresh weights, as asked for"),
        (
            plan_of(learn, "generator.channels=[4, 12]", name="other"),
            "generator is another than that of brain",
        ),
        (plan_of(learn, name="named", init="brain"), "with the weights of the model brain."),
        (plan_of(learn, name="path", init=tiny_run), "with the weights of the model slices."),
    ]
    for plan, words in said:
        assert words in plan.start


@pytest.mark.parametrize("more", [{"init": "none"}, {"changes": "generator.channels=[4, 12]"}])
def test_fresh_weights_have_no_origin(
    more: dict[str, str], default: Path, learn: Callable[..., Path]
) -> None:
    changes = [more.pop("changes")] if "changes" in more else []
    run = learn(*STILL, *changes, **more)
    assert json.loads((run / "run.json").read_text())["origin"] is None
    assert load_model(run).manifest.training.origin is None


def test_a_medgan_without_weights_begins_with_fresh_ones(
    learn: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "nothing")
    assert plan_of(learn).start == "It begins with fresh weights."


def test_learnt_weights_are_not_warmed_up_unless_the_user_says_so(
    default: Path, learn: Callable[..., Path]
) -> None:
    for name, changes, init, warmup in (
        ("plain", (), None, 0.0),
        ("fresh", (), "none", 0.25),
        ("named", (), "brain", 0.0),
        ("asked", ("simulation.warmup=0.5",), None, 0.5),
    ):
        plan = plan_of(learn, *changes, name=name, init=init)
        assert plan.recipe.simulation.warmup == recipe_of(plan.run).simulation.warmup == warmup


def test_a_default_that_does_not_fit_is_passed_over_and_one_that_was_asked_for_is_refused(
    default: Path, tiny: Any
) -> None:
    other = load_recipe("slices", [*tiny, "generator.residual_units=2"])
    assert choose_start(None, other).model is None
    with pytest.raises(ModelRefusedError, match="another architecture"):
        choose_start("brain", other)


def test_a_model_that_goes_one_way_only_is_no_start(default: Path, tiny: Any) -> None:
    content = json.loads((default / "model.json").read_text())
    content["directions"] = content["directions"][:1]
    (default / "model.json").write_text(json.dumps(content))
    for init in (None, "brain"):
        with pytest.raises(ModelRefusedError, match="has no generator for"):
            choose_start(init, load_recipe("slices", tiny))


def test_a_resumed_run_goes_on_whatever_the_default_is_by_then(
    default: Path, learn: Callable[..., Path]
) -> None:
    whole = learn(name="whole")
    with pytest.raises(PlannedError):
        learn("training.checkpoint_seconds=0", observer=Until(3))
    shutil.rmtree(default)
    run = learn(resume=True)
    for target in ("t1", "t2"):
        one, other = state(whole, target), state(run, target)
        assert all(torch.equal(one[name], other[name]) for name in one)
    origin = load_model(run).manifest.training.origin
    assert origin == load_model(whole).manifest.training.origin is not None


def test_a_run_is_gone_on_with_from_what_it_began_with_and_from_nothing_else(
    default: Path, tiny_run: Path, learn: Callable[..., Path]
) -> None:
    run = learn()
    for init in ("none", tiny_run):
        with pytest.raises(ModelRefusedError, match="began with the weights of the model brain") as caught:
            learn(resume=True, init=init)
        assert caught.value.remedy == "Leave out --init."
    learn(resume=True, init="brain")
    (run / "run.json").write_text((run / "run.json").read_text().replace('"brain"', '"other"'))
    with pytest.raises(ModelRefusedError, match="other data, settings"):
        learn(resume=True)


def test_a_run_without_a_checkpoint_begins_again_with_the_same_weights(
    default: Path, learn: Callable[..., Path]
) -> None:
    whole = learn(*STILL, name="whole")
    for name in ("one", "two"):
        plan_of(learn, *STILL, name=name)
    run = learn(*STILL, name="one", resume=True)
    assert all(torch.equal(tensor, state(run, "t2")[name]) for name, tensor in state(whole, "t2").items())
    kept = Path(shutil.move(default, default.parent.with_name("kept")))
    with pytest.raises(ModelRefusedError, match="no checkpoint yet") as caught:
        learn(*STILL, name="two", resume=True)
    assert "--init" in caught.value.remedy
    run = learn(*STILL, name="two", resume=True, init=kept)
    assert all(torch.equal(tensor, state(run, "t2")[name]) for name, tensor in state(whole, "t2").items())


def test_a_run_from_before_origins_were_kept_can_be_gone_on_with(
    tiny_run: Path, learn: Callable[..., Path], default: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    known = json.loads((tmp_path / "run" / "run.json").read_text())
    del known["origin"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(known))
    assert load_model(learn(resume=True, epochs=3)).manifest.training.epochs == 3


def test_fresh_weights_are_remembered_too(default: Path, tmp_path: Path) -> None:
    assert known_start(tmp_path, None, "none").origin is None
    with pytest.raises(ModelRefusedError, match="began with fresh weights"):
        known_start(tmp_path, None, "brain")
