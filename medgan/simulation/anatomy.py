"""A head made small: three bytes a voxel that images can be drawn from quickly, anywhere and at any angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from medgan.errors import UsageError
from medgan.simulation.fields import Affine, Field
from medgan.simulation.heads import Head
from medgan.simulation.label_codes import BRAIN_TISSUES
from medgan.simulation.volumes import blurred, outside, signed_distance

_LEVELS = 64
_CLOSING_MM = 5.0
_DISTANCE_STEP, _DISTANCE_ZERO = 0.125, 128
_VENTRICLE_DEPTH_MM, _VENTRICLE_SIDE_MM = 14.0, 32.0
_LESION_CANDIDATES = 20_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Anatomy:
    """A head of which each voxel keeps its two most frequent tissues, in 64 steps of mixture.

    Signals of the tissues in a voxel add up, so an image at any point is a weighted sum of table entries: nothing is
    lost against the resampling of all fractions but the third tissue where three meet.

    Attributes:
        codes: int16 (X, Y, Z), rows of the palette.
        palette: (P, 3): first tissue, second tissue, share of the first (0.5 to 1).
        brain: uint8 (X, Y, Z), signed distance in steps of 0.125 mm to the surface of the closed brain, 128 on it,
            larger outside; read it with `brain_distance`.
        spacing: edge of the cubic voxels in mm.
        origin: position in mm of voxel (0, 0, 0): right, anterior, superior.
        low, high: the box in mm that the brain fills.
        candidates: float32 (N, 4), points of white matter in mm and their distance to the ventricles.
        tissue_names: what the palette's tissues are.
        has_skull: whether there is anything around the brain.
    """

    codes: torch.Tensor
    palette: Field
    brain: torch.Tensor
    spacing: float
    origin: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    candidates: Field
    tissue_names: tuple[str, ...]
    has_skull: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along right, anterior and superior."""
        x, y, z = self.codes.shape
        return x, y, z

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self.codes.nbytes + self.brain.nbytes + self.palette.nbytes + self.candidates.nbytes

    def to(self, device: torch.device | str) -> Anatomy:
        """The same with its volumes on a device."""
        moved = {"codes": self.codes.to(device), "brain": self.brain.to(device)}
        return Anatomy(**{**self.__dict__, **moved})

    @classmethod
    def of(cls, head: Head) -> Anatomy:
        """Make a head small.

        Raises:
            UsageError: its voxels are not cubes, or it has no brain.
        """
        spacing = head.spacing[0]
        if max(head.spacing) > 1.01 * min(head.spacing):
            raise UsageError(f"voxels of {head.spacing} mm are not cubes")
        codes, palette = _packed(head)
        brain_names = [name for name in BRAIN_TISSUES if name in head.tissue_names]
        tissue = head.fraction(*brain_names) > 0.5
        if not tissue.any():
            raise UsageError("there is no brain in the head")
        distance = _closed_distance(tissue, spacing)
        origin = head.affine[:3, 3]
        inside = np.argwhere(tissue)
        low, high = (origin + spacing * corner for corner in (inside.min(axis=0), inside.max(axis=0)))
        steps = np.clip(np.rint(distance / _DISTANCE_STEP) + _DISTANCE_ZERO, 0, 255)
        around = (head.fraction(*brain_names, "csf", "air") < 0.5) & (distance > _CLOSING_MM)
        return cls(
            codes=torch.from_numpy(codes),
            palette=palette,
            brain=torch.from_numpy(steps.astype(np.uint8)),
            spacing=spacing,
            origin=_triple(origin),
            low=_triple(low),
            high=_triple(high),
            candidates=_candidates(head, distance),
            tissue_names=head.tissue_names,
            has_skull=bool(around.mean() > 0.01),
        )


def brain_distance(steps: torch.Tensor) -> torch.Tensor:
    """Millimetres of what `Anatomy.brain` stores, -16 to 15.9."""
    return (steps - _DISTANCE_ZERO) * _DISTANCE_STEP


def _triple(values: Field | Affine) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _packed(head: Head) -> tuple[np.ndarray, Field]:
    """The palette's row of each voxel, and the palette."""
    count = len(head.tissue_names)
    packed = np.empty(head.shape, np.int32)
    for z in range(head.shape[2]):  # a plane at a time: sorting all would take as much memory again
        plane = head.fractions[..., z]
        first = plane.argmax(axis=0)
        most = np.take_along_axis(plane, first[None], 0)[0]
        rest = plane.copy()
        np.put_along_axis(rest, first[None], -1, 0)
        second = rest.argmax(axis=0)
        other = np.maximum(np.take_along_axis(rest, second[None], 0)[0], 0)
        share = np.rint((most / np.maximum(most + other, 1e-6) - 0.5) * 2 * (_LEVELS - 1)).astype(np.int32)
        second = np.where(share == _LEVELS - 1, first, second)
        packed[..., z] = (first * count + second) * _LEVELS + share
    keys, codes = np.unique(packed, return_inverse=True)
    pairs, share = np.divmod(keys, _LEVELS)
    first, second = np.divmod(pairs, count)
    palette = np.stack([first, second, 0.5 + share / (2 * (_LEVELS - 1))], axis=1).astype(np.float32)
    return codes.reshape(head.shape).astype(np.int16), palette


def _closed_distance(tissue: np.ndarray, spacing: float) -> Field:
    """Signed distance in mm to the brain with its sulci and ventricles closed, as a brain extraction sees it."""
    plain = signed_distance(tissue, spacing)
    far = outside(plain <= _CLOSING_MM)  # wide ventricles are far from tissue too, but not outside
    closed = _CLOSING_MM - np.maximum(signed_distance(far, spacing), 0)
    return blurred(np.where(far, plain, closed).astype(np.float32), 1.0)


def _candidates(head: Head, distance: Field) -> Field:
    """Where lesions of white matter may lie."""
    spacing = head.spacing[0]
    white = head.fraction("white_matter") > 0.9
    points = np.argwhere(white)
    if not len(points):
        return np.zeros((0, 4), np.float32)
    rng = np.random.default_rng(head.seed)
    points = points[rng.permutation(len(points))[:_LESION_CANDIDATES]]
    # Fluid deep within the brain and near the midline: the ventricles, and little else.
    side = np.abs(np.arange(head.shape[0]) - np.argwhere(white)[:, 0].mean()) * spacing
    ventricles = (head.fraction("csf") > 0.5) & (distance < -_VENTRICLE_DEPTH_MM)
    ventricles &= (side < _VENTRICLE_SIDE_MM)[:, None, None]
    to_ventricles = signed_distance(ventricles, spacing)[tuple(points.T)]
    positions = points * spacing + head.affine[:3, 3]
    return np.concatenate([positions, to_ventricles[:, None]], axis=1).astype(np.float32)
