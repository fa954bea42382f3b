"""How far simulated examinations differ: the ranges that each is drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from medgan.errors import UsageError
from medgan.simulation.sequences import SequenceSettings, draw_settings
from medgan.simulation.tissues import Tissue, personal_tissues, tissues

Range = tuple[float, float]
LesionKind = Literal["none", "ms", "tumour"]
LESION_KINDS: tuple[LesionKind, ...] = get_args(LesionKind)
CONTRASTS = ("t1", "t2")


@dataclass(frozen=True, kw_only=True)
class Variety:
    """Ranges (drawn from evenly) and probabilities of everything that differs from one examination to the next.

    Attributes:
        pixel_mm: edge of a pixel.
        slice_mm: thickness of thick slices.
        gap: between thick slices, relative to their thickness.
        thick: how often slices are thick; else they are as thick as a pixel is wide.
        rotation_deg: largest turn about the long axis.
        tilt_deg: largest tilt of the slices.
        scale: largest relative change of size along each axis.
        shear: largest shear.
        elastic_mm: standard deviation of the smooth deformation.
        mirror: how often left and right are exchanged.
        shift: how far from the brain's centre the field of view may lie, 0.5 for anywhere in the brain.
        stripped: how often the skull is stripped.
        strip_mm: how far beyond the brain's closed surface a stripped brain reaches.
        lesions: how often there are lesions of each kind.
        field_strengths: of the scanners, in tesla.
        noise: standard deviation of the noise, relative to white matter's signal.
        bias: of shading by the coils, as the standard deviation of its logarithm.
        blur: standard deviation of the point spread in pixels.
        coarse: how often the image is acquired with larger pixels and interpolated.
        texture: relative standard deviation of T1 and T2 within a tissue.
        spread: factor on the differences between people.
        fat_suppressed: how often fat is suppressed in T2w.
        contrast_agent: how often a T1w scan shows enhanced vessels.
    """

    pixel_mm: Range = (0.9, 1.1)
    slice_mm: Range = (2.0, 6.0)
    gap: Range = (0.0, 0.25)
    thick: float = 0.5
    rotation_deg: float = 12.0
    tilt_deg: float = 10.0
    scale: float = 0.1
    shear: float = 0.04
    elastic_mm: float = 1.8
    mirror: float = 0.5
    shift: float = 0.5
    stripped: float = 0.5
    strip_mm: Range = (0.0, 3.0)
    lesions: dict[LesionKind, float] = field(default_factory=lambda: {"ms": 0.3, "tumour": 0.15})
    field_strengths: tuple[float, ...] = (1.5, 3.0)
    noise: Range = (0.005, 0.05)
    bias: Range = (0.02, 0.25)
    blur: Range = (0.1, 0.75)
    coarse: float = 0.3
    texture: Range = (0.02, 0.07)
    spread: float = 1.0
    fat_suppressed: float = 0.15
    contrast_agent: float = 0.15

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            values = (
                value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            )
            if any(part < 0 for part in values):
                raise UsageError(f"{name} {value} must not be negative")
            if name in _RANGES and not (len(value) == 2 and value[0] <= value[1]):
                raise UsageError(f"{name} {value} must be a lower and an upper end")
        if unknown := set(self.lesions) - set(LESION_KINDS):
            raise UsageError(f"lesions {', '.join(sorted(unknown))} are not one of {', '.join(LESION_KINDS)}")
        if self.pixel_mm[0] == 0:
            raise UsageError(f"pixel_mm {self.pixel_mm} must be above 0")

    def in_place(self) -> Variety:
        """The same without anything that moves, turns or deforms the head."""
        still = dict.fromkeys(
            ("rotation_deg", "tilt_deg", "scale", "shear", "elastic_mm", "mirror", "shift"), 0.0
        )
        return replace(self, **still)  # type: ignore[arg-type]


_RANGES = ("pixel_mm", "slice_mm", "gap", "strip_mm", "noise", "bias", "blur", "texture")


@dataclass(frozen=True, kw_only=True)
class Weighting:
    """What one contrast's image of an examination is taken with."""

    settings: SequenceSettings
    signals: dict[str, float]
    slopes: dict[str, float]
    noise: float
    blur: float
    bias: float
    coarse: float


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One draw of everything but the anatomy and the random fields.

    Attributes:
        field_strength: in tesla.
        weightings: by contrast.
        table: the person's tissues.
        lesions: their kind.
        texture: relative standard deviation within tissues.
        strip_mm: how far a stripped brain reaches beyond its closed surface; None with skull.
        strip_leaks: whether the mask lets in what is no brain where it reaches too far.
        agent: whether vessels are enhanced in T1w.
    """

    field_strength: float
    weightings: dict[str, Weighting]
    table: dict[str, Tissue]
    lesions: LesionKind
    texture: float
    strip_mm: float | None
    strip_leaks: bool
    agent: bool


def draw_examination(variety: Variety, names: tuple[str, ...], rng: np.random.Generator) -> Examination:
    """Draw an examination of a head that is made of the tissues `names`."""
    strength = float(rng.choice(variety.field_strengths))
    known = tissues(strength)
    table = personal_tissues(rng, {name: known[name] for name in known}, variety.spread)
    agent = bool(rng.random() < variety.contrast_agent)
    suppressed = bool(rng.random() < variety.fat_suppressed)
    weightings = {key: _draw_weighting(key, table, variety, rng, agent, suppressed) for key in CONTRASTS}
    kinds = [kind for kind in variety.lesions if kind != "none"]
    chances = [variety.lesions[kind] for kind in kinds]
    lesions: LesionKind = "none"
    if rng.random() < sum(chances):
        lesions = kinds[int(rng.choice(len(kinds), p=np.array(chances) / sum(chances)))]
    stripped = rng.random() < variety.stripped
    reach = float(rng.uniform(*variety.strip_mm))
    return Examination(
        field_strength=strength,
        weightings=weightings,
        table={name: table[name] for name in names},
        lesions=lesions,
        texture=float(rng.uniform(*variety.texture)),
        strip_mm=reach if stripped else None,
        strip_leaks=bool(rng.random() < 0.3),
        agent=agent,
    )


def signal_of(tissue: Tissue, settings: SequenceSettings, *, longer: float = 1.0) -> float:
    """The signal of a tissue, its T1 and T2 `longer` by a factor and its density by the fourth root of it."""
    return float(
        settings.signal(
            np.array(tissue.proton_density * longer**0.25),
            np.array(tissue.t1_ms * longer),
            np.array(tissue.t2_ms * longer),
        )
    )


def _draw_weighting(
    key: str,
    table: dict[str, Tissue],
    variety: Variety,
    rng: np.random.Generator,
    agent: bool,
    suppressed: bool,
) -> Weighting:
    inverted = key == "t1" and rng.random() < 0.1
    settings = draw_settings(key, rng, kind="inversion_recovery" if inverted else None)
    shown = dict(table)
    if key == "t1" and agent:
        for name, factor in (("blood", 0.2), ("choroid_plexus", 0.45), ("mucosa", 0.5), ("dura", 0.6)):
            shown[name] = replace(shown[name], t1_ms=shown[name].t1_ms * factor)
        shown["blood"] = replace(shown["blood"], proton_density=float(rng.uniform(0.3, 0.7)))
    white = signal_of(shown["white_matter"], settings)
    brightness = dict.fromkeys(shown, 1 / white)
    brightness["blood"] *= float(rng.uniform(0.2, 1.4))  # flow takes signal away or brings it in
    brightness["csf"] *= float(rng.uniform(0.8, 1.0))
    if key == "t2":
        # Magnetisation transfer and train effects lower grey against white matter from what T2 alone would give.
        grey = float(rng.uniform(0.8, 0.98))
        for name in ("grey_matter", "hippocampus", "cerebellar_grey"):
            brightness[name] *= grey
        if suppressed:
            left = float(rng.uniform(0.08, 0.3))
            brightness["fat"] *= left
            brightness["marrow"] *= left
    signals = {name: signal_of(tissue, settings) * brightness[name] for name, tissue in shown.items()}
    slopes = {
        name: (signal_of(tissue, settings, longer=1.05) * brightness[name] - signals[name]) / 0.05
        for name, tissue in shown.items()
    }
    return Weighting(
        settings=settings,
        signals=signals,
        slopes=slopes,
        noise=float(rng.uniform(*variety.noise)),
        blur=float(rng.uniform(*variety.blur)),
        bias=float(rng.uniform(*variety.bias)),
        coarse=float(rng.uniform(0.55, 0.9)) if rng.random() < variety.coarse else 1.0,
    )
