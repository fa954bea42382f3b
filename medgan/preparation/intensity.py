"""The intensities of one scan, or of a contrast, to and from a network's range of -1 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic

if TYPE_CHECKING:
    import torch

Values = TypeVar("Values", npt.NDArray[np.float32], "torch.Tensor")


class IntensityRange(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Which intensities of a scan are a network's -1 and 1, and what lies around the head."""

    low: float = pydantic.Field(allow_inf_nan=False, description="Intensity that becomes -1.")
    high: float = pydantic.Field(allow_inf_nan=False, description="Intensity that becomes 1.")
    background: float = pydantic.Field(
        allow_inf_nan=False, description="Median intensity outside the head; what a synthetic scan has there."
    )

    @pydantic.model_validator(mode="after")
    def _has_extent(self) -> IntensityRange:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        return self

    def scale(
        self, voxels: npt.NDArray[np.float32], foreground: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.float32]:
        """Map [low, high] to [-1, 1] and clip; outside `foreground`, where it is given, the result is -1."""
        scaled = ((voxels - np.float32(self.low)) * np.float32(2 / (self.high - self.low)) - 1).clip(-1, 1)
        if foreground is not None:
            scaled[~foreground] = -1
        return np.asarray(scaled, dtype=np.float32)

    def unscale(self, values: Values) -> Values:
        """Map [-1, 1] to [low, high], without clipping; takes arrays and tensors."""
        return (values + 1) * ((self.high - self.low) / 2) + self.low

    def unscale_outside(self, values: Values) -> Values:
        """Map [-1, 1] to [background, high]: around the head -1 is background, not the darkest tissue."""
        return (values + 1) * ((self.high - self.background) / 2) + self.background


def measure_range(
    voxels: npt.NDArray[np.float32],
    foreground: npt.NDArray[np.bool_],
    *,
    percentiles: tuple[float, float] = (0.5, 99.5),
) -> IntensityRange:
    """The range of one scan: robust percentiles inside `foreground`, the median outside it.

    A few hot voxels do not move percentiles. A head of a single intensity gets a range of one unit above it;
    a scan that is all foreground has its darkest tissue for a background.
    """
    low, high = (float(value) for value in np.percentile(voxels[foreground], percentiles))
    if not low < high:
        high = low + max(1.0, abs(low) * 1e-3)
    outside = voxels[~foreground]
    return IntensityRange(low=low, high=high, background=float(np.median(outside)) if outside.size else low)


def median_range(ranges: Sequence[IntensityRange]) -> IntensityRange:
    """The range of a contrast, learnt from the ranges of its scans: the median of each part.

    Raises:
        ValueError: `ranges` is empty.
    """
    if not ranges:
        raise ValueError("a median of no ranges was asked for")
    low, high, background = np.median([(r.low, r.high, r.background) for r in ranges], axis=0)
    return IntensityRange(low=float(low), high=float(high), background=float(background))
