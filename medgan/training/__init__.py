"""Two folders -> a model folder: data sets, the engine and its handlers, checkpoints, monitors, previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.training.call import train
    from medgan.training.observer import Observer, Status
    from medgan.training.plan import Plan

__all__ = ["Observer", "Plan", "Status", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "Observer": "medgan.training.observer",
        "Plan": "medgan.training.plan",
        "Status": "medgan.training.observer",
        "train": "medgan.training.call",
    },
)
