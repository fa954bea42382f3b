"""Acquired pairs for a training: where both contrasts of some heads exist on one grid, they are shown as such."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from medgan.contrasts import CONTRASTS, contrast_from_name
from medgan.errors import InputRefusedError
from medgan.recipe import Recipe
from medgan.scans import Found, Scan, find_scans
from medgan.training.cases import Case, Cases, keep_prepared, key_of, picture_range, read_acquired

_TOLERANCE_MM = 0.1
_LAYOUT = (
    "Give a folder with T1 and T2 folders in it, whose files have the same names, or files such as "
    "sub-01_T1w.nii.gz and sub-01_T2w.nii.gz; a T2w scan must be registered to its T1w scan and lie on its grid."
)


def prepare_pairs(
    folder: Path,
    *,
    recipe: Recipe,
    cache: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Cases]:
    """Find, read and prepare the pairs of a folder: what has the same path but for the contrast that it spells.

    Args:
        folder: T1w and T2w scans of the same heads, each pair on one grid.
        recipe: how to prepare.
        cache: where prepared scans go.
        advance: told how many of how many pairs are done.

    Returns:
        By contrast, as many cases in the same order; their slices are the same.

    Raises:
        InputRefusedError: there is no pair, or one's grids differ.
    """
    matched = _matched(folder)
    made: dict[str, list[Case]] = {key: [] for key in CONTRASTS}
    ranges = {key: picture_range([pair[key] for pair in matched], recipe) for key in CONTRASTS}
    for done, pair in enumerate(matched, start=1):
        scans = {key: read_acquired(item) for key, item in pair.items()}
        _check_grids(scans)
        first: Case | None = None
        for key, item in pair.items():
            given = ranges[key] if item.kind == "picture" else None
            case, _ = keep_prepared(
                functools.partial(scans.__getitem__, key),
                key_of(item, recipe, given),
                recipe=recipe,
                cache=cache,
                name=item.stem,
                intensity=given,
            )
            first = first or case
            # The two masks differ at the scalp; what is drawn by them must not, or pairs would lie apart.
            made[key].append(replace(case, head=first.head, slices=first.slices, rank=None))
        advance(done, len(matched))
    return {key: Cases(key, tuple(cases), (), ()) for key, cases in made.items()}


def _matched(folder: Path) -> list[dict[str, Found]]:
    """The scans that belong together, T1w first."""
    groups: dict[str, dict[str, Found]] = {}
    for item in find_scans(folder):
        if item.refusal is not None:
            raise item.refusal
        where = item.path.relative_to(folder)
        spelled = (contrast_from_name(part) for part in reversed(where.parts))
        known = next((found for found in spelled if found is not None), None)
        if known is None:
            raise InputRefusedError(
                "nothing in its name tells which contrast of a pair it is", file=item.path, remedy=_LAYOUT
            )
        group = groups.setdefault(_without_contrast(where), {})
        if known.key in group:
            raise InputRefusedError(
                f"there are two {known.label} scans of one pair", file=item.path, remedy=_LAYOUT
            )
        group[known.key] = item
    pairs = [
        {key: group[key] for key in CONTRASTS} for group in groups.values() if len(group) == len(CONTRASTS)
    ]
    if not pairs:
        raise InputRefusedError("holds no pair of a T1w and a T2w scan", file=folder, remedy=_LAYOUT)
    return pairs


def _without_contrast(where: Path) -> str:
    """A path without the words that spell a contrast."""
    text = where.as_posix().replace("_", " ").casefold()
    for known in CONTRASTS.values():
        text = known.pattern.sub("", text)
    return re.sub(r"[\W_]+", " ", text).strip()


def _check_grids(scans: dict[str, Scan]) -> None:
    t1, t2 = scans["t1"], scans["t2"]
    same = t1.voxels.shape == t2.voxels.shape
    if same:
        corners = np.array(np.meshgrid(*((0, size - 1) for size in t1.voxels.shape[:3]))).reshape(3, -1)
        homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
        apart = np.linalg.norm(((t1.affine - t2.affine) @ homogeneous)[:3], axis=0).max()
        same = bool(apart < _TOLERANCE_MM)
    if not same:
        raise InputRefusedError(
            "does not lie on the grid of its T1w scan, so the two cannot be compared voxel by voxel",
            file=t2.source.path,
            remedy="Register it to the T1w scan and resample it onto its grid first.",
        )
