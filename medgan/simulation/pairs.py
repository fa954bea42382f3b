"""Pairs of T1w and T2w images of one anatomy, as tensors: drawn on the fly for a training, or as whole volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medgan.errors import UsageError
from medgan.simulation.anatomy import Anatomy
from medgan.simulation.fields import Affine, Field
from medgan.simulation.pose import draw_pose, whole_head
from medgan.simulation.scene import Scene
from medgan.simulation.variety import CONTRASTS, Examination, Variety

_CHUNK = 2**20
"""Voxels that are rendered at once."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Simulated pairs.

    Attributes:
        t1, t2: float32 (N, slices, X, Y), not below 0, white matter at about 1; axes towards right and anterior,
            slices towards superior, before the random turn.
        foreground: bool, what is not air; of a stripped brain, what the mask kept.
        lesions: bool, where lesions are.
        ranges: by contrast float32 (N, 2), percentiles 0.5 and 99.5 of the whole head, which a scan is scaled by.
        spacing: (N, 3), in mm along slices, X and Y.
        thickness: (N,), of a slice in mm.
        examinations: what each was taken with.
    """

    t1: torch.Tensor
    t2: torch.Tensor
    foreground: torch.Tensor
    lesions: torch.Tensor
    ranges: dict[str, torch.Tensor]
    spacing: torch.Tensor
    thickness: torch.Tensor
    examinations: tuple[Examination, ...]


def simulate_batch(
    anatomies: Sequence[Anatomy],
    *,
    count: int,
    shape: tuple[int, int, int],
    seed: int | Sequence[int],
    variety: Variety | None = None,
    device: torch.device | str = "cpu",
    only: slice | None = None,
) -> Pairs:
    """Draw pairs from anatomies: pose, deformation, tissue values, sequences, lesions, skull, shading, noise, blur.

    Everything follows from `seed`; only the noise depends on the kind of device too. Poses and deformations of a
    volume are taken together in one look-up of the anatomy: each resampling more would cost time and sharpness
    (MONAI's random transforms, one after the other, took 0.32 s a batch where one resampling takes 0.002 s).

    Args:
        anatomies: on `device` (see `Anatomy.to`); one is drawn for each pair.
        count: pairs.
        shape: (slices, X, Y) of each.
        seed: one number or several, such as run and step.
        variety: what differs, and how far.
        device: where to work.
        only: which of the pairs to make, each as it is among all of them; all where none are given.

    Raises:
        UsageError: no anatomy, or a shape or count below 1.
    """
    if not anatomies:
        raise UsageError("there is no anatomy to simulate from")
    if count < 1 or min(shape) < 1:
        raise UsageError(f"{count} pairs of shape {shape} cannot be simulated")
    variety = Variety() if variety is None else variety
    rng = np.random.default_rng(seed)
    scenes = []
    for child in rng.spawn(count)[only or slice(None)]:
        anatomy = anatomies[int(child.integers(len(anatomies)))]
        pose = draw_pose(anatomy, variety, shape, child, device)
        scenes.append(Scene(anatomy, pose, variety, child, device))
    rendered = [scene.render(slice(0, shape[0])) for scene in scenes]
    return Pairs(
        t1=torch.stack([one["t1"] for one in rendered]),
        t2=torch.stack([one["t2"] for one in rendered]),
        foreground=torch.stack([one["foreground"] for one in rendered]) > 0.5,
        lesions=torch.stack([one["lesions"] for one in rendered]) > 0.5,
        ranges={key: torch.tensor([scene.range_of(key) for scene in scenes]) for key in CONTRASTS},
        spacing=torch.tensor([scene.pose.spacing for scene in scenes]),
        thickness=torch.tensor([scene.pose.thickness for scene in scenes]),
        examinations=tuple(scene.examination for scene in scenes),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumePair:
    """A simulated examination of a whole head.

    Attributes:
        t1, t2: float32 (X, Y, Z), not below 0, white matter at about 1; axes towards right, anterior and superior.
        foreground: bool, as in `Pairs`.
        lesions: bool.
        affine: 4x4, voxel index to RAS+ mm.
        thickness: of a slice in mm.
        examination: what it was taken with.
    """

    t1: Field
    t2: Field
    foreground: npt.NDArray[np.bool_]
    lesions: npt.NDArray[np.bool_]
    affine: Affine
    thickness: float
    examination: Examination


def simulate_volume(
    anatomy: Anatomy,
    *,
    seed: int | Sequence[int],
    variety: Variety | None = None,
    pixel_mm: float = 1.0,
    slice_mm: float | None = None,
    device: torch.device | str = "cpu",
) -> VolumePair:
    """Simulate one examination of a whole head, as `simulate_batch` does of parts.

    Args:
        anatomy: on `device`.
        seed: of everything.
        variety: what differs, and how far. Its pixels, slices and shift are not used.
        pixel_mm: edge of a pixel.
        slice_mm: from slice to slice, and the slice's thickness; as `pixel_mm` where it is None.
        device: where to work.

    Raises:
        UsageError: a size that is not above 0.
    """
    slice_mm = pixel_mm if slice_mm is None else slice_mm
    if min(pixel_mm, slice_mm) <= 0:
        raise UsageError(f"pixels of {pixel_mm} mm and slices of {slice_mm} mm must be above 0")
    rng = np.random.default_rng(seed)
    pose = whole_head(
        anatomy, Variety() if variety is None else variety, (slice_mm, pixel_mm, pixel_mm), rng, device
    )
    scene = Scene(anatomy, pose, Variety() if variety is None else variety, rng, device)
    depth, width, height = pose.shape
    step = max(1, _CHUNK // (width * height))
    parts = [scene.render(slice(first, min(first + step, depth))) for first in range(0, depth, step)]
    volumes = {
        key: np.ascontiguousarray(torch.cat([part[key] for part in parts]).permute(1, 2, 0).cpu().numpy())
        for key in parts[0]
    }
    affine = np.diag([pixel_mm, pixel_mm, slice_mm, 1.0])
    affine[:3, 3] = [
        float(pose.centre[axis] + pose.offsets(number)[0]) for axis, number in enumerate((1, 2, 0))
    ]
    return VolumePair(
        t1=volumes["t1"],
        t2=volumes["t2"],
        foreground=volumes["foreground"] > 0.5,
        lesions=volumes["lesions"] > 0.5,
        affine=affine,
        thickness=slice_mm,
        examination=scene.examination,
    )
