"""What a training tells whoever watches it. The command line draws it; the Python API may leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medgan.training.plan import Plan


@dataclass(frozen=True)
class Status:
    """How far a training is.

    Attributes:
        step: steps done.
        steps: steps in all, or None where the clock alone ends it.
        progress: 0 to 1.
        elapsed: seconds of training.
        scale: images are smaller by this factor at present.
    """

    step: int
    steps: int | None
    progress: float
    elapsed: float
    scale: int


class Observer:
    """Base of observers; every method may be left out."""

    def preparing(self, contrast: str, done: int, total: int) -> None:
        """`done` of `total` scans of a contrast (or `simulated` heads, or `paired` ones) are prepared.

        `calibration` tells of held-out heads that the finished model is judged on.
        """

    def planned(self, plan: Plan) -> None:
        """What was found and what will be done, before the first step."""

    def stepped(self, status: Status) -> None:
        """A step is done."""

    def epoch_done(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch is done; means of its losses."""

    def chose(self, text: str) -> None:
        """Which step of a finished training the model is of, and why."""

    def warned(self, text: str) -> None:
        """Something that the user should know."""
