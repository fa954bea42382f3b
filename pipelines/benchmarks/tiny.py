"""Networks and heads that are small enough to be trained in a second, for the soaks here and for the tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

SETTINGS = (
    "preparation.spacing=null",
    "preparation.divisor=8",
    "sampling.crop=24",
    "sampling.batch_size=2",
    "generator.channels=[4, 8]",
    "generator.residual_units=1",
    "discriminator.channels=4",
    "discriminator.layers=2",
    "training.precision=float32",
    "training.calibration_heads=0",
)
"""Changes to the default recipe; each use adds how long it trains, and what it tries."""


def head_voxels(
    contrast: str, person: int, *, shape: tuple[int, int, int] = (32, 40, 16), spacing: float = 5.0
) -> Any:
    """A procedural head of that person in that contrast: (X, Y, Z) on axes towards right, anterior, superior."""
    from medgan.simulation import procedural_head, simulate_contrast

    return simulate_contrast(procedural_head(person, shape=shape, spacing_mm=spacing), contrast, person)


def write_heads(folder: Path, contrast: str, people: Iterable[int]) -> None:
    """Heads of these people as NIfTI: `sub-01_T1w.nii.gz`, ..."""
    import nibabel
    import numpy as np

    folder.mkdir(parents=True)
    for person in people:
        image = nibabel.Nifti1Image(head_voxels(contrast, person), np.diag([5.0, 5.0, 5.0, 1.0]))
        nibabel.save(image, folder / f"sub-{person:02d}_{contrast.upper()}w.nii.gz")
