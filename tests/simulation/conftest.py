"""A label map with FreeSurfer's codes, made of a procedural head, and what is made of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from medgan.simulation import Anatomy, Head, labelled_head, procedural_head

SPACING = 2.0
_CODES = {
    "csf": 24,
    "grey_matter": 3,
    "white_matter": 2,
    "deep_grey": 11,
    "pallidum": 13,
    "blood": 514,
    "bone": 515,
    "marrow": 516,
    "fat": 507,
    "muscle": 507,
    "skin": 511,
    "mucosa": 509,
    "vitreous": 506,
}
_RIGHT = {2: 41, 3: 42, 11: 50, 13: 52}
SMALL = (25, 30, 57, 62, 85, 72)
"""Codes of a few voxels each, which lie in the brain."""


@pytest.fixture(scope="session")
def label_map() -> npt.NDArray[np.int32]:
    """Labels (X, Y, Z) of a whole head at 2 mm, lateral ventricles and both sides by their own codes."""
    head = procedural_head(5, shape=(84, 102, 84), spacing_mm=SPACING)
    codes = np.array([_CODES.get(name, 0) for name in head.tissue_names], np.int32)
    labels = codes[head.labels()]
    x, y, z = np.indices(labels.shape)
    middle = labels.shape[0] // 2
    for left, right in _RIGHT.items():
        labels[(labels == left) & (x >= middle)] = right
    centre = np.argwhere(np.isin(labels, (2, 41))).mean(axis=0).round().astype(int)
    for side, code in ((-1, 4), (1, 43)):
        ventricle = (
            ((x - centre[0] - side * 6) / 3.5) ** 2
            + ((y - centre[1]) / 12) ** 2
            + ((z - centre[2] - 3) / 4) ** 2
        )
        labels[ventricle < 1] = code
    for step, code in enumerate(SMALL):
        x0, y0, z0 = centre
        labels[x0 - 1 : x0 + 1, y0 + 4 * step - 10, z0 + 3] = code
    return labels


@pytest.fixture(scope="session")
def labelled(label_map: npt.NDArray[np.int32]) -> Head:
    """The head of that label map."""
    return labelled_head(label_map, spacing_mm=SPACING, seed=1)


@pytest.fixture(scope="session")
def anatomy(labelled: Head) -> Anatomy:
    """It made small."""
    return Anatomy.of(labelled)
