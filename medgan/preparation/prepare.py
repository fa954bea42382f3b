"""A scan becomes what a network sees, and what a network gives becomes a scan again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from medgan.errors import InputRefusedError, ModelRefusedError
from medgan.preparation.appearance import Appearance, judge_appearance
from medgan.preparation.bias import N4_ITERATIONS, N4_SHRINK, correct_bias
from medgan.preparation.foreground import Foreground, dilate_in_plane, find_foreground
from medgan.preparation.frame import Frame, frame_of
from medgan.preparation.intensity import IntensityRange, measure_range
from medgan.preparation.settings import PreparationSettings
from medgan.scans.scan import Affine, Scan, Voxels

_LARGEST_ZOOM = 3.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """A scan as a network sees it, and all that is needed to go back.

    Attributes:
        image: float32, (1, X, Y, Z), -1 to 1, axes towards right, anterior, superior; -1 outside the head.
        foreground: bool, (1, X, Y, Z): the head on the same grid.
        intensity: which intensities of the scan are -1 and 1.
        record: every step and its parameters, ready for JSON.
        warnings: what a user should know, one sentence each.
        scan: the scan that was prepared.
        frame: how its grid became the network's.
        head: bool, the head at the scan's own resolution, on canonical axes.
        appearance: what its intensities say of its contrast.
    """

    image: torch.Tensor
    foreground: torch.Tensor
    intensity: IntensityRange
    record: dict[str, Any]
    warnings: tuple[str, ...]
    scan: Scan
    frame: Frame
    head: npt.NDArray[np.bool_]
    appearance: Appearance

    @property
    def affine(self) -> Affine:
        """Index in `image` to RAS+ mm."""
        return self.frame.affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size of `image` in mm."""
        return self.frame.spacing


def prepare(
    scan: Scan,
    settings: PreparationSettings,
    *,
    spatial_dims: Literal[2, 3],
    intensity: IntensityRange | None = None,
) -> Prepared:
    """Turn a scan to canonical axes, scale its intensities, resample and pad it, in this order.

    Args:
        scan: what to prepare.
        settings: how.
        spatial_dims: of the network.
        intensity: the range to scale by, for pictures that share one; the scan's own percentiles otherwise.

    Raises:
        InputRefusedError: a picture is given to a 3D network, a scan has no axial plane (a single sagittal
            slice), or the affine is singular.
        UsageError: the spacing asked for would make a frame of absurd size.
    """
    frame = frame_of(scan, settings, spatial_dims=spatial_dims)
    _refuse_unfit(scan, frame, spatial_dims)
    voxels = frame.turn(scan.voxels)
    found = find_foreground(voxels, spacing=_canonical_spacing(frame))
    appearance = judge_appearance(voxels, found.mask, spacing=_canonical_spacing(frame))
    if settings.n4:
        voxels = correct_bias(voxels, found.mask)
    if intensity is None:
        intensity = measure_range(voxels, found.mask, percentiles=settings.percentiles)
    scaled = torch.from_numpy(intensity.scale(voxels, found.mask)).unsqueeze(0)
    mask = _fit_mask(frame, found.mask)
    image = frame.fit(scaled, fill=-1.0).clamp(-1, 1).masked_fill(~mask, -1.0).contiguous()
    return Prepared(
        image=image,
        foreground=mask,
        intensity=intensity,
        record=_record(scan, settings, frame, found, intensity),
        warnings=_warnings(frame, found, voxels, appearance),
        scan=scan,
        frame=frame,
        head=found.mask,
        appearance=appearance,
    )


def restore(prepared: Prepared, image: torch.Tensor, target: IntensityRange) -> Scan:
    """Bring a network's output back onto the source's own grid, in the target contrast's intensities.

    Shape, affine, header and source are those of the scan that was prepared; its contrast too, which the
    caller replaces. The head keeps every voxel. Around it the output fades into the target's background
    within two pixels, so that nothing of the head's edge is cut.

    Args:
        prepared: what the network was given.
        image: (1, X, Y, Z), -1 to 1, as `prepared.image`; values beyond are clipped.
        target: the intensities of -1, 1 and the background.

    Raises:
        ValueError: `image` is not on the grid of `prepared.image`.
        ModelRefusedError: `image` has values that are not finite.
    """
    values = image.detach().to(device="cpu", dtype=torch.float32)
    if not bool(torch.isfinite(values).all()):
        raise ModelRefusedError(
            "the network's output is not finite",
            file=prepared.scan.source.path,
            remedy="Use another checkpoint, or compute in full precision.",
        )
    scaled = prepared.frame.unfit(values.clamp(-1, 1)).clamp(-1, 1)[0].numpy()
    voxels = _paint(scaled, prepared.head, target)
    return dataclasses.replace(
        prepared.scan,
        voxels=prepared.frame.turn_back(voxels),
        warnings=(*prepared.scan.warnings, *prepared.warnings),
    )


def _refuse_unfit(scan: Scan, frame: Frame, spatial_dims: int) -> None:
    if 1 in frame.canonical[:2]:
        raise InputRefusedError(
            f"a single slice with axes {scan.orientation} has no axial plane, which networks see",
            file=scan.source.path,
            remedy="Give the whole volume, or an axial slice.",
        )
    if spatial_dims == 3 and frame.canonical[2] == 1:
        raise InputRefusedError(
            "a single slice is no volume, which a 3D network needs",
            file=scan.source.path,
            remedy="Use a 2D model for pictures and single slices.",
        )


def _paint(scaled: Voxels, head: npt.NDArray[np.bool_], target: IntensityRange) -> Voxels:
    """The target's intensities in the head, its background around, and one pixel of both in between."""
    near = dilate_in_plane(head)
    far = dilate_in_plane(near)
    opacity = near.astype(np.float32)
    opacity[far & ~near] = 0.5
    outside = target.unscale_outside(opacity * (scaled + 1) - 1)
    return np.where(head, target.unscale(scaled), outside).astype(np.float32, copy=False)


def _fit_mask(frame: Frame, mask: npt.NDArray[np.bool_]) -> torch.Tensor:
    """The mask on the network's grid: voxels of which the head takes at least half."""
    return frame.fit(torch.from_numpy(mask).unsqueeze(0).float(), fill=0.0) >= 0.5


def _canonical_spacing(frame: Frame) -> tuple[float, float, float]:
    x, y, z = np.sqrt((frame.canonical_affine[:3, :3] ** 2).sum(axis=0)).tolist()
    return x, y, z


def _warnings(frame: Frame, found: Foreground, voxels: Voxels, appearance: Appearance) -> tuple[str, ...]:
    warnings = [f"{doubt[0].upper()}{doubt[1:]}." for doubt in appearance.doubts]
    if not found.found:
        warnings.append("No background was found around the head; the whole image was taken for it.")
    if voxels.min() == voxels.max():
        warnings.append("The image has a single intensity: there is nothing to see in it.")
    strongest = max(max(zoom, 1 / zoom) for zoom in frame.zoom)
    if strongest > _LARGEST_ZOOM:
        old = " x ".join(f"{mm:.2f}" for mm in _canonical_spacing(frame))
        new = " x ".join(f"{mm:.2f}" for mm in frame.spacing)
        warnings.append(
            f"Voxels were resampled {strongest:.1f}-fold for the network ({old} mm to {new} mm); "
            "fine detail is not to be trusted."
        )
    return tuple(warnings)


def _record(
    scan: Scan, settings: PreparationSettings, frame: Frame, found: Foreground, intensity: IntensityRange
) -> dict[str, Any]:
    """What was done, in order; holds no path and no name."""
    steps: list[dict[str, Any]] = [
        {"step": "orientation", "from": scan.orientation, "to": "RAS"},
        {
            "step": "foreground",
            "found": found.found,
            "threshold": found.threshold,
            "flat_background": found.background,
            "share": float(found.mask.mean()),
        },
    ]
    if settings.n4:
        steps.append({"step": "n4", "shrink": N4_SHRINK, "iterations": list(N4_ITERATIONS)})
    steps.append(
        {"step": "intensity", "percentiles": list(settings.percentiles), "range": intensity.model_dump()}
    )
    if frame.resampled != frame.canonical:
        steps.append(
            {
                "step": "resampling",
                "from_shape": list(frame.canonical),
                "to_shape": list(frame.resampled),
                "from_spacing": list(_canonical_spacing(frame)),
                "to_spacing": list(frame.spacing),
                "interpolation": "bicubic, anti-aliased",
            }
        )
    steps.append(
        {"step": "padding", "voxels": [list(pad) for pad in frame.padding], "shape": list(frame.shape)}
    )
    return {"settings": settings.model_dump(mode="json"), "steps": steps}
