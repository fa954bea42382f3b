"""What a model knows of its own errors: from two signs of trouble to an expected error and a bound on it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from medgan.models.parts import Part

Floats = npt.NDArray[np.float32]
_Share = Annotated[float, Field(ge=0, le=1)]
_KEY = r"^[a-z0-9]{1,16}$"
_SHA256 = r"^[0-9a-f]{64}$"
MOST_KNOTS = 256
MadeFrom = Literal["simulated", "acquired", "both"]
_WORDS: dict[MadeFrom, str] = {
    "simulated": "simulated heads",
    "acquired": "acquired pairs",
    "both": "acquired pairs and simulated heads",
}


class Curve(Part):
    """A function that never falls, by its knots; between them it is straight, beyond them level.

    Attributes:
        at: where, rising.
        value: how much there, never falling, 0 to 1.
    """

    at: tuple[float, ...] = Field(min_length=1, max_length=MOST_KNOTS)
    value: tuple[_Share, ...] = Field(min_length=1, max_length=MOST_KNOTS)

    @model_validator(mode="after")
    def _never_falls(self) -> Curve:
        if len(self.at) != len(self.value):
            raise ValueError("a curve needs as many values as places")
        if any(a >= b for a, b in pairwise(self.at)) or any(a > b for a, b in pairwise(self.value)):
            raise ValueError("a curve's places must rise, and its values never fall")
        return self

    def __call__(self, scores: npt.NDArray[np.floating[Any]]) -> Floats:
        """The values at each of `scores`, of the same shape."""
        values: Floats = np.interp(scores, self.at, self.value).astype(np.float32)
        return values


class Calibration(Part):
    """How far one direction of a model is off, learnt from pairs that it was not trained on.

    All errors are absolute differences of scaled images, as `medgan.evaluation.PROTOCOL` scales them: 0.1 is a tenth
    of the range between the percentiles 0.5 and 99.5 of the head.

    Attributes:
        target: key of the contrast that is made.
        weights: SHA-256 of the weights that make it, and of those that lead back.
        flip, cycle: what the two signs of `medgan.uncertainty.signs` count for in a voxel's score.
        expected: from the score to the expected absolute error (isotonic regression).
        bound: from the score to what the error stays under, in a share `level` of voxels (split conformal).
        level: that share.
        made_from: simulated heads, acquired pairs, or both.
        pairs: how many of them, none of which the model was trained on.
        shares: of each pair, left out of the fit, the share of voxels under the bound: smallest, mean, largest.
        error: mean absolute error over the pairs.
    """

    target: str = Field(pattern=_KEY)
    weights: tuple[Annotated[str, Field(pattern=_SHA256)], Annotated[str, Field(pattern=_SHA256)]]
    flip: float = Field(ge=0)
    cycle: float = Field(ge=0)
    expected: Curve
    bound: Curve
    level: float = Field(gt=0, lt=1)
    made_from: MadeFrom
    pairs: int = Field(ge=2)
    shares: tuple[_Share, _Share, _Share]
    error: _Share

    def score(self, flip: Floats, cycle: Floats) -> Floats:
        """One number a voxel, of which more is worse."""
        scores: Floats = np.float32(self.flip) * flip + np.float32(self.cycle) * cycle
        return scores

    @property
    def in_words(self) -> str:
        """What it rests on, and how far it held."""
        what = _WORDS[self.made_from]
        least, mean, most = self.shares
        return (
            f"on {self.pairs} {what}, each left out in turn, {mean:.0%} of the voxels had an error under the "
            f"{self.level:.0%} bound (from {least:.0%} to {most:.0%}); mean error {self.error:.3f}"
        )
