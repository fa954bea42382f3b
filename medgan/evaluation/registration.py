"""The reference moved rigidly onto the prediction's grid, by mutual information, or refused where that is not sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError, UsageError
from medgan.evaluation.grids import canonical_grid, corners
from medgan.evaluation.protocol import Mask, canonical_voxels
from medgan.scans.scan import Scan

Points = npt.NDArray[np.float64]

_SPACING = 2.0  # mm at least, of the grid that is sampled
_SAMPLED = 0.25  # of its voxels
_SEED = 1
_OFF = (0.06, -0.05, 0.07, 4.0, -4.0, 3.0)  # radians and mm: how far the second start is from the first
_APART = 1.0  # mm, or half of the smallest voxel edge if that is more: what two starts may end apart
_MOST_TURNED = 45.0  # degrees: farther than any head lies from another in one scanner's coordinates
_LEAST_SHARED = 0.5  # of the prediction's frame: the reference's has to reach that much of it
_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Moved:
    """How a reference was moved.

    Attributes:
        millimetres: how far the middle of the prediction's frame.
        degrees: by how much it was turned.
        apart: mm between the ends of two searches from different starts, the largest of the frame's corners.
        reached: where the moved reference has values, on the prediction's canonical grid.
    """

    millimetres: float
    degrees: float
    apart: float
    reached: Mask

    @property
    def text(self) -> str:
        """In a sentence."""
        return (
            f"The reference was moved by {self.millimetres:.1f} mm and turned by {self.degrees:.1f} degrees onto the "
            f"prediction's grid; two starts ended {self.apart:.2g} mm apart."
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "method": "rigid, mutual information (Mattes 2003), cubic B-spline interpolation",
            "millimetres": self.millimetres,
            "degrees": self.degrees,
            "apart_millimetres": self.apart,
            "text": self.text,
        }


def move_onto(reference: Scan, prediction: Scan) -> tuple[Scan, Moved]:
    """Move a reference onto the grid of a prediction.

    The search (Mattes et al., IEEE TMI 2003) starts where the headers say, or with the frames' middles on each other
    where these do not meet, and once more 6 mm and 6 degrees beside it. It has converged where both end at one place,
    within `_APART`, at a better value than they started from.

    Returns:
        The moved reference, and how it was moved.

    Raises:
        UsageError: pictures, which lie nowhere.
        InputRefusedError: it did not converge, or to something that cannot be.
    """
    if min(*prediction.voxels.shape, *reference.voxels.shape) < 4:
        raise UsageError(
            "--register is for volumes; a picture or a few slices do not say where they lie",
            file=prediction.source.path,
            remedy="Leave it out, and give the reference on the prediction's grid.",
        )
    import SimpleITK

    fixed, moving = _image(prediction), _image(reference)
    coarse = _coarse(fixed)
    starts = _starts(fixed, moving)
    ends = [_search(coarse, moving, start) for start in starts]
    affine, shape = canonical_grid(prediction)
    places = corners(affine, shape) @ _TO_LPS
    apart = _apart(ends[0][0], ends[1][0], places)
    best = min(ends, key=lambda end: end[1])[0]
    ones = SimpleITK.Cast(moving * 0 + 1, SimpleITK.sitkUInt8)
    reached = _canonical(SimpleITK.Resample(ones, fixed, best, SimpleITK.sitkNearestNeighbor, 0.0)) > 0
    moved = Moved(
        millimetres=float(np.linalg.norm(_moved(best, places.mean(axis=0)))),
        degrees=_angle(best),
        apart=apart,
        reached=reached,
    )
    allowed = max(_APART, min(prediction.spacing) / 2)
    better = all(
        value < _value(coarse, moving, start) for (_, value), start in zip(ends, starts, strict=True)
    )
    _refuse_unsure(moved, reference, allowed=allowed, better=better)
    voxels = _canonical(SimpleITK.Resample(moving, fixed, best, SimpleITK.sitkBSpline, 0.0))
    return replace(reference, voxels=voxels.astype(np.float32), affine=affine, header=None), moved


def _refuse_unsure(moved: Moved, reference: Scan, *, allowed: float, better: bool) -> None:
    shared = float(moved.reached.mean())
    why = ""
    if not moved.apart <= allowed:
        why = f"two starts ended {moved.apart:.1f} mm apart, and {allowed:.2g} mm are allowed"
    elif not better:
        why = "it ended no better than it began"
    elif moved.degrees > _MOST_TURNED:
        why = f"it turned the reference by {moved.degrees:.0f} degrees"
    elif shared < _LEAST_SHARED:
        why = f"the reference then reaches {100 * shared:.0f} % of the prediction's frame"
    if why:
        raise InputRefusedError(
            f"the registration onto the prediction did not converge: {why}",
            file=reference.source.path,
            remedy="Check that both show the same head, or register them with a program of your choice, and leave out "
            "--register.",
        )


def _image(scan: Scan) -> Any:
    """The canonical voxels as SimpleITK has images: axes towards left, posterior, superior."""
    import SimpleITK

    affine, _ = canonical_grid(scan)
    image = SimpleITK.GetImageFromArray(canonical_voxels(scan).astype(np.float32).transpose(2, 1, 0))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = _TO_LPS @ (affine[:3, :3] / spacing)
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise InputRefusedError(
            "has axes that are not at right angles, which the registration does not know",
            file=scan.source.path,
            remedy="Resample it onto a plain grid first.",
        )
    image.SetSpacing([float(edge) for edge in spacing])
    image.SetDirection([float(cosine) for cosine in direction.ravel()])
    image.SetOrigin([float(place) for place in _TO_LPS @ affine[:3, 3]])
    return image


def _canonical(image: Any) -> npt.NDArray[Any]:
    import SimpleITK

    return np.ascontiguousarray(SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0))


def _coarse(image: Any) -> Any:
    """On cubes, so that thick slices count no more than others."""
    import SimpleITK

    spacing = max(_SPACING, min(image.GetSpacing()))
    size = [
        max(4, round(count * edge / spacing))
        for count, edge in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    still = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
    return SimpleITK.Resample(
        SimpleITK.SmoothingRecursiveGaussian(image, spacing / 2),
        size,
        still,
        SimpleITK.sitkLinear,
        image.GetOrigin(),
        [spacing] * 3,
        image.GetDirection(),
    )


def _starts(fixed: Any, moving: Any) -> list[Any]:
    import SimpleITK

    middles = [_middle(image) for image in (fixed, moving)]
    extent = np.array(fixed.GetSize()) * np.array(fixed.GetSpacing())
    away = middles[1] - middles[0]
    shift = away if np.linalg.norm(away) > float(extent.min()) / 2 else np.zeros(3)
    starts = []
    for off in (np.zeros(6), np.array(_OFF)):
        start = SimpleITK.Euler3DTransform()
        start.SetCenter([float(place) for place in middles[0]])
        start.SetParameters([float(value) for value in off + np.concatenate([np.zeros(3), shift])])
        starts.append(start)
    return starts


def _middle(image: Any) -> Points:
    indices = [(size - 1) / 2 for size in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(indices))


def _method() -> Any:
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=48)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLED, _SEED)
    method.SetInterpolator(SimpleITK.sitkLinear)
    return method


def _value(fixed: Any, moving: Any, transform: Any) -> float:
    """Negative mutual information."""
    method = _method()
    method.SetInitialTransform(transform)
    return float(method.MetricEvaluate(fixed, moving))


def _search(fixed: Any, moving: Any, start: Any) -> tuple[Any, float]:
    """Where a search ends, and its negative mutual information there."""
    import SimpleITK

    method = _method()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0,
        minStep=1e-3,
        numberOfIterations=200,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-7,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(SimpleITK.Euler3DTransform(start), inPlace=True)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # no voxel of one falls into the other: the frames do not meet
        return start, 0.0
    found = method.GetInitialTransform()
    return SimpleITK.Euler3DTransform(found), _value(fixed, moving, found)


def _moved(transform: Any, place: Points) -> Points:
    return np.array(transform.TransformPoint([float(value) for value in place])) - place


def _apart(first: Any, second: Any, places: Points) -> float:
    return max(float(np.linalg.norm(_moved(first, place) - _moved(second, place))) for place in places)


def _angle(transform: Any) -> float:
    """Of the whole rotation, in degrees."""
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))))
