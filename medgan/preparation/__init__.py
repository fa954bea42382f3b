"""Scan <-> network input: orientation, intensity, resampling and framing, all of it recorded and undone."""

from __future__ import annotations

from medgan.preparation.augmentation import AugmentationSettings, vary
from medgan.preparation.foreground import Foreground, find_foreground, foreground
from medgan.preparation.intensity import IntensityRange, measure_range, median_range
from medgan.preparation.prepare import Prepared, prepare, restore
from medgan.preparation.settings import PreparationSettings

__all__ = [
    "AugmentationSettings",
    "Foreground",
    "IntensityRange",
    "PreparationSettings",
    "Prepared",
    "find_foreground",
    "foreground",
    "measure_range",
    "median_range",
    "prepare",
    "restore",
    "vary",
]
