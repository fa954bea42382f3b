"""Settings of the preparation."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from medgan.preparation import AugmentationSettings, PreparationSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": 0},
        {"spacing": -1},
        {"spacing": float("inf")},
        {"size": 4},
        {"divisor": 0},
        {"percentiles": (99, 1)},
        {"percentiles": (-1, 99)},
        {"percentiles": (0, 101)},
        {"percentiles": (float("nan"), 99)},
        {"spaceing": 1},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        PreparationSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"flip": 2}, {"rotate": -1}, {"scale": 1}, {"gamma": (0, 1)}, {"gamma": (2, 1)}, {"probability": 1.5}],
    ids=str,
)
def test_augmentation_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        AugmentationSettings(**wrong)


@pytest.mark.parametrize("settings", [PreparationSettings, AugmentationSettings])
def test_every_setting_is_described_and_survives_json(settings: type[pydantic.BaseModel]) -> None:
    assert all(field.description for field in settings.model_fields.values())
    assert settings.model_validate_json(settings().model_dump_json()) == settings()
