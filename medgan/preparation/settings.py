"""What is to be done to a scan before a network sees it."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

Spacing = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


class PreparationSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How scans become network input; a model keeps it, so that synthesis prepares as training did."""

    spacing: Spacing | Literal["auto"] | None = pydantic.Field(
        default=None,
        description="Pixel size in mm of the axial plane that the network sees; none keeps the scan's own "
        "(the smaller side of its pixels where they are not square); auto is settled by training: the coarser "
        "of the two contrasts' median pixel sizes.",
    )
    through_plane: bool = pydantic.Field(
        default=False,
        description="3D only: resample the third axis too, to the same spacing, so that voxels become cubes.",
    )
    size: int | None = pydantic.Field(
        default=None,
        ge=8,
        le=4096,
        description="If set, each axial plane is resampled (not cropped) into a square of this many pixels, "
        "whatever `spacing` says.",
    )
    percentiles: tuple[float, float] = pydantic.Field(
        default=(0.5, 99.5),
        description="Percentiles of the head's intensities that become -1 and 1.",
    )
    divisor: int = pydantic.Field(
        default=16,
        ge=1,
        le=1024,
        description="The frame is padded to a multiple of this many pixels, which strided networks need.",
    )
    n4: bool = pydantic.Field(
        default=False,
        description="Correct the bias field (N4) before intensities are scaled.",
    )

    @pydantic.field_validator("percentiles")
    @classmethod
    def _ordered(cls, percentiles: tuple[float, float]) -> tuple[float, float]:
        low, high = percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must satisfy 0 <= low < high <= 100, not {low} and {high}")
        return percentiles
