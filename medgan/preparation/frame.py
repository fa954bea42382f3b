"""From a scan's own grid to the frame that a network sees, and exactly back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from medgan.errors import InputRefusedError, UsageError
from medgan.preparation.rounding import whole
from medgan.preparation.settings import PreparationSettings
from medgan.scans.orientation import closest_turns
from medgan.scans.scan import Affine, Scan

Number = TypeVar("Number", int, float)
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

_SAME_SPACING = 0.0101  # spacings that differ by a hundredth at most are one: resampling would only blur
_LARGEST_SIDE = 4096


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """How one scan's grid is turned, resampled and padded. Plain numbers: undoing needs nothing but these.

    Turning permutes and flips axes, so that an oblique or sheared affine stays as it is. Resampling keeps the
    field of view: each axis is divided anew, none is rotated. Padding is undone by cropping.

    Attributes:
        source: shape of the scan's voxels.
        source_affine: the scan's affine.
        turns: for each source axis, the canonical axis it becomes and whether it is flipped (1 or -1).
        canonical: shape after turning to RAS.
        resampled: shape after resampling.
        padding: voxels before and after, for each axis.
    """

    source: Shape
    source_affine: Affine
    turns: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    canonical: Shape
    resampled: Shape
    padding: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

    @property
    def shape(self) -> Shape:
        """The shape that the network sees."""
        x, y, z = (n + sum(pad) for n, pad in zip(self.resampled, self.padding, strict=True))
        return x, y, z

    @property
    def canonical_affine(self) -> Affine:
        """Index to RAS+ mm after turning."""
        import nibabel.orientations

        return np.asarray(
            self.source_affine @ nibabel.orientations.inv_ornt_aff(np.array(self.turns), self.source)
        )

    @property
    def affine(self) -> Affine:
        """Index to RAS+ mm of what the network sees."""
        step = np.array(self.canonical) / np.array(self.resampled)
        resampling = np.diag([*step, 1.0])
        resampling[:3, 3] = (step - 1) / 2  # fields of view, not voxel centres, coincide
        padding = np.eye(4)
        padding[:3, 3] = [-before for before, _ in self.padding]
        return np.asarray(self.canonical_affine @ resampling @ padding)

    @property
    def spacing(self) -> Spacing:
        """Voxel size in mm of what the network sees."""
        return _spacing(self.affine)

    @property
    def zoom(self) -> tuple[float, float, float]:
        """By what each canonical axis' number of voxels is multiplied."""
        x, y, z = (new / old for new, old in zip(self.resampled, self.canonical, strict=True))
        return x, y, z

    def turn(self, voxels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Bring voxels on the scan's grid to RAS axes; no value changes."""
        import nibabel.orientations

        return np.ascontiguousarray(nibabel.orientations.apply_orientation(voxels, np.array(self.turns)))

    def turn_back(self, voxels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Undo `turn`."""
        flipped = voxels.transpose([axis for axis, _ in self.turns])
        return np.ascontiguousarray(flipped[tuple(slice(None, None, flip) for _, flip in self.turns)])

    def fit(self, canonical: torch.Tensor, *, fill: float) -> torch.Tensor:
        """Resample and pad (1, X, Y, Z) on the canonical grid to what the network sees."""
        image = resample(canonical, self.resampled)
        pads = [n for pad in reversed(self.padding) for n in pad]
        return torch.nn.functional.pad(image, pads, value=fill)

    def unfit(self, image: torch.Tensor) -> torch.Tensor:
        """Undo `fit`: crop exactly, then resample to the canonical grid.

        Raises:
            ValueError: `image` is not of the shape that `fit` gave.
        """
        if tuple(image.shape) != (1, *self.shape):
            raise ValueError(f"an image of shape {tuple(image.shape)} is not on the frame {(1, *self.shape)}")
        kept = tuple(slice(pad[0], pad[0] + n) for pad, n in zip(self.padding, self.resampled, strict=True))
        return resample(image[0][kept].unsqueeze(0), self.canonical)


def frame_of(scan: Scan, settings: PreparationSettings, *, spatial_dims: int) -> Frame:
    """Decide how a scan's grid becomes a network's frame; looks at the geometry alone.

    Raises:
        InputRefusedError: the affine does not say where the axes point to.
        UsageError: the settings would make a frame of absurd size.
    """
    if settings.spacing == "auto":
        raise UsageError(
            "preparation.spacing is auto, which only training can settle",
            remedy="Give a number of mm, or none for the scan's own.",
        )
    turns = closest_turns(scan.affine)
    if not np.isfinite(turns).all():
        raise InputRefusedError(
            "the affine is singular: it does not say where the axes point to",
            file=scan.source.path,
            remedy="Correct the header, or convert the scan from its DICOM files again.",
        )
    order: list[int] = turns[:, 0].astype(int).tolist()
    canonical = _triple(scan.voxels.shape[order.index(axis)] for axis in range(3))
    spacing = _triple(scan.spacing[order.index(axis)] for axis in range(3))
    if scan.source.kind == "picture":  # its pixel size in mm is not known, so none can be asked for
        settings = settings.model_copy(update={"spacing": None})
    resampled = _resampled_shape(canonical, spacing, settings, spatial_dims)
    if max(resampled) > _LARGEST_SIDE:
        raise UsageError(
            f"a scan of {' x '.join(map(str, canonical))} voxels would be resampled to "
            f"{' x '.join(map(str, resampled))}",
            file=scan.source.path,
            remedy=f"Choose a coarser spacing than {settings.spacing} mm, or check the scan's voxel size.",
        )
    flips: list[int] = turns[:, 1].astype(int).tolist()
    return Frame(
        source=_triple(scan.voxels.shape),
        source_affine=scan.affine,
        turns=((order[0], flips[0]), (order[1], flips[1]), (order[2], flips[2])),
        canonical=canonical,
        resampled=resampled,
        padding=_padding(resampled, settings, spatial_dims),
    )


def resample(image: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Divide the field of view of (1, X, Y, Z) into `shape` voxels; bicubic, smoothed where it gets coarser.

    Axes that keep their number of voxels are not touched, and values may overshoot slightly at edges.
    """
    if tuple(image.shape[2:0:-1]) != (shape[1], shape[0]):
        planes = image.permute(3, 0, 1, 2)
        image = _bicubic(planes, (shape[0], shape[1])).permute(1, 2, 3, 0)
    if image.shape[3] != shape[2]:
        planes = image.permute(1, 0, 2, 3)
        image = _bicubic(planes, (shape[1], shape[2])).permute(1, 0, 2, 3)
    return image


def _bicubic(planes: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    # MONAI's Resize has no bicubic in 3D, and its anti-aliasing costs 2 dB of a real T2w's round trip
    return torch.nn.functional.interpolate(
        planes, size=shape, mode="bicubic", align_corners=False, antialias=True
    )


def _resampled_shape(
    canonical: Shape, spacing: Spacing, settings: PreparationSettings, spatial_dims: int
) -> Shape:
    x, y, z = spacing
    square = settings.spacing if isinstance(settings.spacing, float) else min(x, y)
    if settings.size is not None:
        square = max(canonical[0] * x, canonical[1] * y) / settings.size
    deep = square if spatial_dims == 3 and settings.through_plane else z
    return _triple(
        n if abs(new / old - 1) < _SAME_SPACING and settings.size is None else max(1, whole(n * old / new))
        for n, old, new in zip(canonical, spacing, (square, square, deep), strict=True)
    )


def _padding(
    resampled: Shape, settings: PreparationSettings, spatial_dims: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    side = settings.size or 1
    least = (max(resampled[0], side), max(resampled[1], side), resampled[2])
    divisors = (settings.divisor, settings.divisor, settings.divisor if spatial_dims == 3 else 1)
    wanted = [math.ceil(n / divisor) * divisor for n, divisor in zip(least, divisors, strict=True)]
    missing = [w - n for w, n in zip(wanted, resampled, strict=True)]
    x, y, z = ((m // 2, m - m // 2) for m in missing)
    return x, y, z


def _spacing(affine: Affine) -> Spacing:
    return _triple(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)).tolist())


def _triple(values: Iterable[Number]) -> tuple[Number, Number, Number]:
    x, y, z = values
    return x, y, z
