"""Lesions: spots of multiple sclerosis beside the ventricles, and tumours with core, rim, oedema and mass effect."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from medgan.simulation.tissues import Tissue
from medgan.simulation.variety import CONTRASTS, Examination, Weighting, signal_of

_EDGE_MM = 0.8


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A lesion's place, shape and what is in it.

    Attributes:
        centre: in mm.
        axes: (3, 3), takes an offset from the centre in mm to one in radii.
        radius: in mm, the mean of its three.
        inner: radius of the core relative to the whole (tumours), else 0.
        reach: of the oedema in mm beyond the radius (tumours), else 0.
        push: by how much a mass drives tissue apart, 0 to below 1.
        signals: by contrast, of the lesion, its core and its oedema, relative to white matter.
        severity: by contrast, how much of it shows, 0 to 1.
    """

    centre: np.ndarray
    axes: np.ndarray
    radius: float
    inner: float = 0.0
    reach: float = 0.0
    push: float = 0.0
    signals: dict[str, tuple[float, float, float]]
    severity: dict[str, float]


def draw_spots(
    examination: Examination, candidates: np.ndarray, rng: np.random.Generator, *, volume_share: float
) -> list[Spot]:
    """Draw lesions at some of the candidates.

    Args:
        examination: tells their kind and the person's tissues.
        candidates: (N, 4), points in mm and their distance to the ventricles, all within what is imaged.
        rng: where the chance comes from.
        volume_share: the part of the brain that is imaged, which scales their number.
    """
    if examination.lesions == "none" or not len(candidates):
        return []
    if examination.lesions == "tumour":
        return [_tumour(examination, candidates[rng.integers(len(candidates)), :3], rng)]
    weights = np.exp(-np.maximum(candidates[:, 3], 0) / 5) + 0.08
    number = min(1 + rng.poisson(max(25 * volume_share, 2)), len(candidates))
    chosen = rng.choice(len(candidates), number, replace=False, p=weights / weights.sum())
    return [_plaque(examination, candidates[index, :3], rng) for index in chosen]


def _plaque(examination: Examination, centre: np.ndarray, rng: np.random.Generator) -> Spot:
    radius = float(np.clip(2.4 * np.exp(0.45 * rng.standard_normal()), 1.2, 8.0))
    white = examination.table["white_matter"]
    longer_1, longer_2 = float(rng.uniform(1.15, 2.0)), float(rng.uniform(1.5, 2.6))
    tissue = replace(
        white,
        t1_ms=white.t1_ms * longer_1,
        t2_ms=white.t2_ms * longer_2,
        proton_density=float(rng.uniform(0.78, 0.9)),
    )
    signals = {
        key: (signal, signal, signal) for key, signal in _signals(examination, tissue, agent=False).items()
    }
    return Spot(
        centre=centre,
        axes=_axes(rng, radius, 1.7),
        radius=radius,
        signals=signals,
        severity={"t1": float(rng.uniform(0.1, 1.0)), "t2": float(rng.uniform(0.7, 1.0))},
    )


def _tumour(examination: Examination, centre: np.ndarray, rng: np.random.Generator) -> Spot:
    radius = float(rng.uniform(6, 22))
    white = examination.table["white_matter"]
    fluid = float(rng.random())
    core = replace(
        white,
        t1_ms=white.t1_ms * (1.8 + 2.5 * fluid),
        t2_ms=white.t2_ms * (1.8 + 8 * fluid),
        proton_density=0.85 + 0.12 * fluid,
    )
    solid = replace(
        white,
        t1_ms=white.t1_ms * float(rng.uniform(1.4, 2.1)),
        t2_ms=white.t2_ms * float(rng.uniform(1.25, 2.2)),
        proton_density=float(rng.uniform(0.78, 0.88)),
    )
    oedema = replace(
        white,
        t1_ms=white.t1_ms * float(rng.uniform(1.25, 1.7)),
        t2_ms=white.t2_ms * float(rng.uniform(1.5, 2.3)),
        proton_density=float(rng.uniform(0.78, 0.86)),
    )
    parts = [
        _signals(examination, tissue, agent=agent)
        for tissue, agent in ((solid, examination.agent), (core, False), (oedema, False))
    ]
    return Spot(
        centre=centre,
        axes=_axes(rng, radius, 1.4),
        radius=radius,
        inner=float(rng.uniform(0.4, 0.85)) if rng.random() < 0.7 else 0.0,
        reach=float(rng.uniform(3, 22)) if rng.random() < 0.85 else 0.0,
        push=float(rng.uniform(0.1, 0.6)),
        signals={key: (parts[0][key], parts[1][key], parts[2][key]) for key in CONTRASTS},
        severity={"t1": float(rng.uniform(0.7, 1.0)), "t2": float(rng.uniform(0.8, 1.0))},
    )


def _signals(examination: Examination, tissue: Tissue, *, agent: bool) -> dict[str, float]:
    """Relative to white matter, with T1 shortened by an agent where it is taken up."""

    def relative(weighting: Weighting, shown: Tissue) -> float:
        white = signal_of(examination.table["white_matter"], weighting.settings)
        return signal_of(shown, weighting.settings) / white

    enhanced = replace(tissue, t1_ms=tissue.t1_ms * 0.4) if agent else tissue
    return {
        "t1": relative(examination.weightings["t1"], enhanced),
        "t2": relative(examination.weightings["t2"], tissue),
    }


def _axes(rng: np.random.Generator, radius: float, longest: float) -> np.ndarray:
    """Half axes that differ by up to `longest`, in a random direction."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch = longest ** rng.uniform(-1, 1, 3)
    stretch /= np.prod(stretch) ** (1 / 3)
    return np.asarray(np.diag(1 / (radius * stretch)) @ turn, np.float32)


def pushed_apart(points: torch.Tensor, spots: list[Spot]) -> torch.Tensor:
    """Where in the head without tumours the points (3, ...) of the head with them come from."""
    for spot in spots:
        if spot.push:
            offset = points - _column(spot.centre, points)
            share = (offset**2).sum(0) / (1.4 * spot.radius) ** 2
            points = points - offset * (spot.push * torch.exp(-share))
    return points


def paint_spots(
    images: dict[str, torch.Tensor],
    points: torch.Tensor,
    spots: list[Spot],
    *,
    white: torch.Tensor,
    inside: torch.Tensor,
    ragged: torch.Tensor,
) -> torch.Tensor:
    """Paint lesions over images (S, X, Y) in place, and return where they are, 0 to 1.

    Args:
        images: by contrast.
        points: (3, S, X, Y), positions in mm.
        spots: the lesions.
        white: the part of each voxel that is white matter.
        inside: the part that is brain or fluid.
        ragged: a smooth field of variance 1 that roughens their edges.
    """
    mask = torch.zeros_like(white)
    for spot in spots:
        far = 2 * spot.radius + spot.reach + 3
        near = (points[2] - float(spot.centre[2])).abs().amin((1, 2)) < far
        for index in torch.nonzero(near)[:, 0].tolist():
            offset = points[:, index] - _column(spot.centre, points[:, index])
            axes = torch.from_numpy(spot.axes).to(offset)
            radii = torch.einsum("ij,jxy->ixy", axes, offset).square_().sum(0).sqrt_() * (
                1 + 0.16 * ragged[index]
            )
            outside = (radii - 1) * spot.radius
            whole = _filled(outside)
            core = _filled((radii - spot.inner) * spot.radius) if spot.inner else torch.zeros_like(whole)
            if spot.reach:
                halo = _filled((outside - spot.reach) / 3 + 2 * ragged[index]) * white[index] * (1 - whole)
                body = inside[index]
            else:
                halo = torch.zeros_like(whole)
                body = white[index]
            for key, image in images.items():
                solid, inner, swollen = spot.signals[key]
                shown = spot.severity[key]
                filling = solid + (inner - solid) * core
                image[index] += shown * whole * body * (filling - image[index])
                image[index] += shown * halo * (swollen - image[index])
            mask[index] = torch.maximum(mask[index], torch.maximum(whole * body, halo))
    return mask


def _filled(outside_mm: torch.Tensor) -> torch.Tensor:
    """1 within a surface, 0 without, soft at its edge."""
    return torch.sigmoid(-outside_mm / (_EDGE_MM / 2))


def _column(centre: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(centre, dtype=like.dtype, device=like.device).view(3, *[1] * (like.ndim - 1))
