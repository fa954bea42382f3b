"""What the scans were like that a model learnt from, in numbers that name no one, and whether another is like them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from medgan.contrasts import contrast, other
from medgan.models.parts import Part
from medgan.preparation.prepare import Prepared

Triple = tuple[float, float, float]

LEVELS = (np.arange(32) + 0.5) / 32
"""Shares of the head's voxels whose intensities are kept."""
_ALWAYS_NEAR = 0.15
"""Of the range: a distribution that is no farther is never called far, however alike the few training scans were.
So far apart lie sound heads of other scanners."""
_TIMES_THEIRS = 2.0
"""A distribution is far from this many times the distance of the training scans among themselves."""
_SPACING_ROOM = 1.5
_EXTENT_ROOM = 1.25
_COARSEST_PIXEL, _THICKEST_SLICE = 2.0, 9.0
"""In mm, in whatever direction the slices of a clinical scan lie."""
_USUAL_HEADS = ((90.0, 190.0), (110.0, 240.0), (20.0, 260.0))
"""Of adults, in mm: from a narrow stripped brain to a large whole head, from a few slices to the neck."""
_FLUID = {"t1": "fluid is dark, as in T1w or FLAIR", "t2": "fluid is bright, as in T2w"}
_AXES = ("from left to right", "from back to front", "from foot to head")


class Look(Part):
    """One scan in a few numbers.

    Attributes:
        flat: whether it is a single slice, which tells little of the head.
        spacing: the scan's own voxel size in mm, towards right, anterior and superior; None for a picture.
        head: size of the head that it shows in mm; None for a picture.
        quantiles: of the prepared intensities in the head, 0 to 1, at `LEVELS`.
    """

    flat: bool
    spacing: Triple | None
    head: Triple | None
    quantiles: tuple[float, ...] = Field(min_length=len(LEVELS), max_length=len(LEVELS))


def look_of(prepared: Prepared) -> Look:
    """A scan in a few numbers; holds no name."""
    frame, known = prepared.frame, prepared.scan.source.kind != "picture"
    spacing = np.sqrt((frame.canonical_affine[:3, :3] ** 2).sum(axis=0))
    occupied = [
        np.flatnonzero(prepared.head.any(axis=tuple(other for other in range(3) if other != axis)))
        for axis in range(3)
    ]
    size = [(held[-1] - held[0] + 1) * side for held, side in zip(occupied, spacing, strict=True)]
    inside = (prepared.image[prepared.foreground].numpy() + 1) / 2
    return Look(
        flat=frame.canonical[2] == 1,
        spacing=_triple(spacing) if known else None,
        head=_triple(size) if known else None,
        quantiles=tuple(round(float(value), 4) for value in np.quantile(inside, LEVELS))
        if inside.size
        else (0.0,) * len(LEVELS),
    )


class Scope(Part):
    """What the scans of one contrast were like.

    Attributes:
        flat: whether they were single slices.
        spacings: smallest and largest voxel size in mm along each axis; None for pictures.
        heads: smallest and largest size in mm that a head had along each axis; None for pictures.
        quantiles: of the prepared intensities in the head, at `LEVELS`, mean over the scans (their Wasserstein
            barycentre).
        apart: Wasserstein distance, in shares of the range, of the scan farthest from the mean of the others; None for
            a single scan.
    """

    flat: bool
    spacings: tuple[tuple[float, float], ...] | None = Field(None, min_length=3, max_length=3)
    heads: tuple[tuple[float, float], ...] | None = Field(None, min_length=3, max_length=3)
    quantiles: tuple[float, ...] = Field(min_length=len(LEVELS), max_length=len(LEVELS))
    apart: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _ranges_are_some(self) -> Scope:
        if any(not 0 < low <= high for low, high in (*(self.spacings or ()), *(self.heads or ()))):
            raise ValueError("a range runs from its smaller end, above 0, to its larger one")
        return self

    @classmethod
    def of(cls, looks: Sequence[Look]) -> Scope:
        """Of one scan or more; single slices count where there is nothing else."""
        looks = [look for look in looks if not look.flat] or looks
        quantiles = np.array([look.quantiles for look in looks])
        total, apart = quantiles.sum(axis=0), None
        if len(looks) > 1:
            others = (total - quantiles) / (len(looks) - 1)
            apart = round(float(np.abs(quantiles - others).mean(axis=1).max()), 4)
        return cls(
            flat=looks[0].flat,
            spacings=_ranges([look.spacing for look in looks if look.spacing is not None]),
            heads=_ranges([look.head for look in looks if look.head is not None]),
            quantiles=tuple(round(float(value), 4) for value in total / len(looks)),
            apart=apart,
        )

    def distance(self, look: Look) -> float:
        """Wasserstein 1 distance of a scan's intensities from those of the training, in shares of the range."""
        return float(np.abs(np.subtract(look.quantiles, self.quantiles)).mean())

    def objections(self, look: Look) -> list[str]:
        """In what a scan is far from what the model was trained on, one sentence each; nothing where it is near."""
        found = []
        if look.flat == self.flat:  # a slice has other intensities than the head that it is of
            far = max(_ALWAYS_NEAR, _TIMES_THEIRS * (self.apart or 0.0))
            if (distance := self.distance(look)) > far:
                found.append(
                    "its intensities are distributed unlike those of the scans that the model was trained on "
                    f"(Wasserstein distance {distance:.2f} of the range, where up to {far:.2f} is near)"
                )
        if look.spacing is not None and self.spacings is not None:
            found += _outside(look.spacing, self.spacings, "its voxels are", _SPACING_ROOM, flat=look.flat)
        if look.head is not None and self.heads is not None:
            found += _outside(
                look.head, self.heads, "the head that it shows is", _EXTENT_ROOM, flat=look.flat or self.flat
            )
        return found


def wrong_contrast(prepared: Prepared, target: str) -> list[str]:
    """Why a scan is not of the contrast that `target` is made from, as far as names, headers and intensities tell."""
    here, there = other(target).label, contrast(target).label
    if prepared.scan.contrast == target:
        return [f"the scan looks like {there} already, from its name or header; this model expects {here}"]
    if prepared.appearance.contrast == target:
        return [f"in the scan {_FLUID[target]}; this model expects {here}"]
    return []


def out_of_scope(prepared: Prepared, scope: Scope | None) -> list[str]:
    """In what a scan is unlike what the model knows, or unlike any clinical one where the model does not say."""
    look = look_of(prepared)
    return unusual(look) if scope is None else scope.objections(look)


def unusual(look: Look) -> list[str]:
    """In what a scan is unlike clinical scans of adults, one sentence each, for models that do not say what they know.

    Of intensities nothing can be said then.
    """
    found = []
    if look.spacing is not None:
        _, pixel, thickest = sorted(look.spacing)
        if pixel > _COARSEST_PIXEL:
            found.append(
                f"its pixels are {pixel:.3g} mm wide, and those of clinical scans at most {_COARSEST_PIXEL:.3g} mm"
            )
        if thickest > _THICKEST_SLICE and not look.flat:
            found.append(
                f"its slices are {thickest:.3g} mm apart, and those of clinical scans at most {_THICKEST_SLICE:.3g} mm"
            )
    if look.head is not None:
        than = "and those of adults are usually"
        found += _outside(
            look.head, _USUAL_HEADS, "the head that it shows is", _EXTENT_ROOM, flat=look.flat, than=than
        )
    return found


def _outside(
    sizes: Triple,
    known: Sequence[tuple[float, float]],
    what: str,
    room: float,
    *,
    flat: bool,
    than: str = "and the model was trained on",
) -> list[str]:
    """A sentence for each axis along which a size is beyond the known range by more than a factor."""
    axes = list(zip(_AXES, sizes, known, strict=True))[: 2 if flat else 3]
    return [
        f"{what} {size:.3g} mm long {axis}, {than} {_range(low, high)} mm"
        for axis, size, (low, high) in axes
        if not low / room <= size <= high * room
    ]


def _range(low: float, high: float) -> str:
    shown = f"{low:.3g}", f"{high:.3g}"
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def _ranges(sizes: Sequence[Triple]) -> tuple[tuple[float, float], ...] | None:
    if not sizes:
        return None
    return tuple((float(axis.min()), float(axis.max())) for axis in np.array(sizes).T)


def _triple(values: npt.ArrayLike) -> Triple:
    x, y, z = (round(float(value), 3) for value in np.asarray(values))
    return x, y, z
