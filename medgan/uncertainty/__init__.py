"""How sure a synthetic image is: two signs of trouble, and a calibration that turns them into errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.uncertainty.calibrating import Pair, calibrate, keep_calibration
    from medgan.uncertainty.maps import Maps, error_maps

__all__ = ["Maps", "Pair", "calibrate", "error_maps", "keep_calibration"]

__getattr__ = lazy_names(
    __name__,
    {
        "Maps": "medgan.uncertainty.maps",
        "Pair": "medgan.uncertainty.calibrating",
        "calibrate": "medgan.uncertainty.calibrating",
        "error_maps": "medgan.uncertainty.maps",
        "keep_calibration": "medgan.uncertainty.calibrating",
    },
)
