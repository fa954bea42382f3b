"""Prepared scans made by hand, so that a test knows which voxel it sees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from medgan.preparation import IntensityRange
from medgan.training.cases import Case, Cases

MakeCase = Callable[..., Case]


@pytest.fixture
def make_case(tmp_path: Path) -> MakeCase:
    """A case of the given voxels (X, Y, Z); all of it is head unless `head` says otherwise."""
    made = []

    def make(voxels: npt.NDArray[Any], **more: Any) -> Case:
        made.append(voxels)
        image = tmp_path / f"case{len(made)}.npy"
        np.save(image, voxels.astype(np.float16))
        x, y, z = voxels.shape
        facts: dict[str, Any] = {
            "name": f"case{len(made)}",
            "image": image,
            "shape": (x, y, z),
            "spacing": (1.0, 1.0, 1.0),
            "kind": "nifti",
            "bits": None,
            "intensity": IntensityRange(low=0, high=100, background=0),
            "head": ((0, x - 1), (0, y - 1), (0, z - 1)),
            "slices": tuple(range(z)),
            "rank": None,
            "digest": hashlib.sha256(voxels.tobytes()).hexdigest(),
            "warnings": (),
        }
        return Case(**{**facts, **more})

    return make


@pytest.fixture
def as_domains() -> Callable[[list[Case], list[Case]], dict[str, Cases]]:
    """Cases of both contrasts, as training holds them."""

    def make(t1: list[Case], t2: list[Case]) -> dict[str, Cases]:
        return {key: Cases(key, tuple(cases), (), ()) for key, cases in (("t1", t1), ("t2", t2))}

    return make
