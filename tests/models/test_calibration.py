"""What a model knows of its errors is checked when it is read, and models without it are as good as before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from medgan.errors import ModelRefusedError
from medgan.models import About, Model, load_model
from medgan.models.calibration import Calibration, Curve
from medgan.models.publishing import publish_model

RISING = Curve(at=(0.0, 0.1, 0.3), value=(0.05, 0.1, 0.4))


@pytest.fixture
def calibration() -> Callable[..., Calibration]:
    """Of a model's direction to T2w."""

    def make(model: Model, **changes: Any) -> Calibration:
        known: dict[str, Any] = {
            "target": "t2",
            "weights": model.manifest.weights_of("t2"),
            "flip": 1.0,
            "cycle": 0.5,
            "expected": RISING,
            "bound": RISING,
            "level": 0.9,
            "made_from": "acquired",
            "pairs": 4,
            "shares": (0.86, 0.9, 0.93),
            "error": 0.07,
        }
        return Calibration(**known | changes)

    return make


def test_a_curve_is_straight_between_its_knots_and_level_beyond() -> None:
    found = RISING(np.array([[-1.0, 0.05], [0.2, 9.0]], np.float32))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[0.05, 0.075], [0.25, 0.4]]))


@pytest.mark.parametrize(
    "knots",
    [
        {"at": (0.0, 0.0), "value": (0.1, 0.2)},
        {"at": (0.0, 1.0), "value": (0.2, 0.1)},
        {"at": (0.0,), "value": (0.1, 0.2)},
        {"at": (), "value": ()},
        {"at": (0.0,), "value": (1.5,)},
        {"at": (0.0,), "value": (float("nan"),)},
        {"at": tuple(map(float, range(300))), "value": (0.1,) * 300},
    ],
)
def test_a_curve_that_falls_or_is_none_is_refused(knots: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Curve(**knots)


def test_a_model_without_a_calibration_loads_and_knows_nothing(small_model: Callable[..., Path]) -> None:
    folder = small_model()
    content = json.loads((folder / "model.json").read_text())
    for older in (content, {key: value for key, value in content.items() if key != "calibration"}):
        for domain in older["domains"].values():
            domain.pop("scope", None)
        (folder / "model.json").write_text(json.dumps(older))
        assert load_model(folder).manifest.calibration_of("t2") is None


def test_a_published_model_carries_what_was_learnt(
    small_model: Callable[..., Path], calibration: Callable[..., Calibration], about: About, tmp_path: Path
) -> None:
    model = load_model(small_model())
    known = calibration(model)
    publish_model(model, tmp_path / "out", name="brain", about=about, calibration=(known,))
    first = load_model(tmp_path / "out")
    assert first.manifest.calibration_of("t2") == known
    assert first.manifest.calibration_of("t1") is None
    publish_model(first, tmp_path / "again", name="brain", about=about)
    assert load_model(tmp_path / "again").manifest.calibration == (known,)
    card = (tmp_path / "again" / "README.md").read_text(encoding="utf-8")
    assert "- T1w to T2w: on 4 acquired pairs, each left out in turn, 90% of the voxels" in card
    assert "Acquired scans differ" not in card


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(weights=["0" * 64, "0" * 64]),
        lambda one: one.update(target="flair"),
        lambda one: one["bound"].update(value=[0.9, 0.1, 0.0]),
        lambda one: one.update(level=1.5),
        lambda one: one.update(shift=1),
    ],
)
def test_a_calibration_that_is_damaged_or_of_other_weights_is_refused(
    edit: Callable[[dict[str, Any]], Any],
    small_model: Callable[..., Path],
    calibration: Callable[..., Calibration],
) -> None:
    folder = small_model()
    content = json.loads((folder / "model.json").read_text())
    known = calibration(load_model(folder)).model_dump(mode="json")
    edit(known)
    content["calibration"] = [known]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelRefusedError, match="calibration"):
        load_model(folder)
