"""Simulated pairs for a training: procedural heads on a grid like the scans', prepared as the scans are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from medgan.contrasts import CONTRASTS
from medgan.recipe import Recipe
from medgan.scans.scan import Scan, Source
from medgan.simulation import Head, procedural_head, simulate_contrast
from medgan.training.cases import Case, Cases, cache_key, keep_prepared

_FIELD_OF_VIEW = (180.0, 215.0, 170.0)
_FINEST = 1.0
_FIRST_SEED = 1_000_000
_FIRST_HELD_OUT = 10**13
"""Beyond the seeds that any training draws heads from."""
_HELD_OUT, _HELD_OUT_FINE, _COARSE = 16, 6, 1.8
"""Heads of a calibration, those of pixels below so many mm, which take ten seconds or more each."""
_VERSION = 1


def simulate_pairs(
    recipe: Recipe,
    domains: Mapping[str, Cases],
    *,
    cache: Path,
    seed: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Cases]:
    """Simulate `recipe.simulation.heads` heads in both contrasts, with sequence parameters drawn for each.

    Their pixels are as large as the scans' (at least 1 mm) and their slices as thick.

    Args:
        recipe: the settings.
        domains: the real scans, for their spacing.
        cache: where prepared scans go.
        seed: of heads and sequences; the heads are not those of the sample data.
        advance: told how many of how many heads are done.
    """
    spacing, thickness = _grid(recipe, domains)
    pairs: dict[str, list[Case]] = {key: [] for key in domains}
    for index in range(recipe.simulation.heads):
        number = _FIRST_SEED + seed * 1000 + index
        head: Head | None = None
        first: Case | None = None
        for key in domains:

            def read(key: str = key, number: int = number) -> Scan:
                nonlocal head
                head = head or _head(number, spacing)
                return _scan(head, key, number, thickness)

            name = f"simulated head {index + 1}"
            digest = cache_key(recipe, "simulated", _VERSION, number, key, spacing, thickness)
            case, _ = keep_prepared(read, digest, recipe=recipe, cache=cache, name=name)
            first = first or case
            # The two masks differ at the scalp; what is drawn by them must not, or pairs would lie apart.
            pairs[key].append(replace(case, head=first.head, slices=first.slices))
        advance(index + 1, recipe.simulation.heads)
    return {key: Cases(key, tuple(cases), (), ()) for key, cases in pairs.items()}


def held_out_heads(recipe: Recipe, domains: Mapping[str, Cases]) -> int:
    """How many heads a finished training is calibrated on: as asked for, or few where each takes long."""
    if recipe.training.calibration_heads is not None:
        return recipe.training.calibration_heads
    return _HELD_OUT if _grid(recipe, domains)[0] >= _COARSE else _HELD_OUT_FINE


def held_out_pairs(recipe: Recipe, domains: Mapping[str, Cases], *, seed: int) -> Iterator[dict[str, Scan]]:
    """`held_out_heads` heads like those of `simulate_pairs`, of people that no training has seen."""
    spacing, thickness = _grid(recipe, domains)
    for index in range(held_out_heads(recipe, domains)):
        yield held_out_pair(seed * 1000 + index, spacing=spacing, thickness=thickness)


def held_out_pair(number: int, *, spacing: float, thickness: int) -> dict[str, Scan]:
    """One of these heads in both contrasts.

    Args:
        number: of the head, 0 or more.
        spacing: edge of a pixel in mm.
        thickness: pixels that a slice is thick.
    """
    seed = _FIRST_HELD_OUT + number
    head = _head(seed, spacing)
    return {key: _scan(head, key, seed, thickness) for key in CONTRASTS}


def _grid(recipe: Recipe, domains: Mapping[str, Cases]) -> tuple[float, int]:
    """Voxel size in mm of the simulation, and how many of its slices make one of the scans'."""
    volumes = [case for cases in domains.values() for case in cases.cases if case.shape[2] > 1]
    wanted = recipe.preparation.spacing
    if not isinstance(wanted, float):
        sides = [min(case.spacing[:2]) for case in volumes]
        wanted = float(np.median(sides)) if sides else _spacing_of_pictures(domains)
    spacing = max(wanted, _FINEST)
    slices = float(np.median([case.spacing[2] for case in volumes])) if volumes else spacing
    return round(spacing, 3), max(1, round(slices / spacing))


def _spacing_of_pictures(domains: Mapping[str, Cases]) -> float:
    """A picture does not tell its pixel size; the longest head in them is taken to be 190 mm long."""
    longest = max(
        high - low + 1 for cases in domains.values() for case in cases.cases for low, high in case.head[:2]
    )
    return 190.0 / longest


def _head(seed: int, spacing: float) -> Head:
    x, y, z = (round(side / spacing) for side in _FIELD_OF_VIEW)
    return procedural_head(seed, shape=(x, y, z), spacing_mm=spacing)


def _scan(head: Head, key: str, seed: int, thickness: int) -> Scan:
    voxels = simulate_contrast(head, key, seed, field_strength=(1.5, 3.0)[seed % 2])
    affine = np.asarray(head.affine, dtype=np.float64).copy()
    if thickness > 1:
        depth = voxels.shape[2] // thickness * thickness
        voxels = voxels[:, :, :depth].reshape(*voxels.shape[:2], -1, thickness).mean(axis=3)
        affine[:3, 3] += affine[:3, 2] * (thickness - 1) / 2
        affine[:3, 2] *= thickness
    return Scan(
        voxels=np.ascontiguousarray(voxels, dtype=np.float32),
        affine=affine,
        contrast=key,
        source=Source(path=Path("simulated"), kind="array", stem="simulated"),
    )
