"""Brain masks for real T1w scans of whole heads, by registering simulated heads to them.

No brain extraction of another project is needed, and no network: of a few label maps a T1w scan is simulated, which
is registered to the scan (affine by mutual information, then demons, on copies at 2.5 mm). The label maps' distance
to the brain's surface is carried over, averaged over the label maps, and where it is near the surface the scan's
own intensities decide. The masks keep the brain with its sulci and ventricles closed.

    python pipelines/default_model/brain_masks.py --t1 patient12/study1_T1W.nii.gz --labels head_labels --out masks
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK
from grids import isotropic, on_grid_of, to_itk
from register_pairs import stripped

from medgan.preparation.foreground import foreground
from medgan.sample_data import label_maps, read_label_map
from medgan.scans import read_nifti, write_nifti
from medgan.simulation import Anatomy, Head, Variety, simulate_volume
from medgan.simulation.anatomy import brain_distance

SPACING = 2.5
"""Of the copies that are registered, in mm."""
_UPPER_MM = 130.0
"""How far down from the vertex two heads are laid over one another at first: necks differ in length."""
_FAR = 16.0
_DEEP, _SURE, _SEED = 10.0, 5.0, 2.0
"""In mm within the registered surface: what brain's brightness is taken from; is brain; may be where it is from."""
_BEYOND, _REACH = 0.5, 6.0
"""In mm beyond the registered surface: how far out fluid is kept, and tissue."""


@dataclass(frozen=True, eq=False)
class Template:
    """A head of a label map.

    Attributes:
        image: its simulated T1w scan at `SPACING`.
        body: where the head is, on the same grid.
        distance: to the surface of its closed brain in mm, negative inside, at 1 mm.
    """

    image: SimpleITK.Image
    body: SimpleITK.Image
    distance: SimpleITK.Image


def make_template(head: Head, seed: int) -> Template:
    """Simulate a T1w scan of a head, straight and with little noise."""
    anatomy = Anatomy.of(head)
    variety = Variety(
        stripped=0.0, lesions={}, noise=(0.01, 0.01), bias=(0.02, 0.02), coarse=0.0, contrast_agent=0.0
    ).in_place()
    pair = simulate_volume(anatomy, seed=seed, variety=variety, pixel_mm=SPACING)
    affine = np.diag([anatomy.spacing] * 3 + [1.0])
    affine[:3, 3] = anatomy.origin
    distance = brain_distance(anatomy.brain.float()).numpy()
    return Template(
        image=to_itk(pair.t1, pair.affine),
        body=to_itk(pair.foreground.astype(np.uint8), pair.affine),
        distance=to_itk(distance, affine),
    )


def brain_mask(scan: SimpleITK.Image, templates: Sequence[Template]) -> SimpleITK.Image:
    """The brain in a T1w scan of a head, as uint8 on the scan's grid."""
    small, body, shading = _small_copy(scan)
    distances = []
    for template in templates:
        transform = register(small, body, template)
        carried = SimpleITK.Resample(template.distance, scan, transform, SimpleITK.sitkLinear, _FAR)
        distances.append(SimpleITK.GetArrayFromImage(carried))
    distance = SimpleITK.GetImageFromArray(np.median(distances, axis=0).astype(np.float32))
    distance.CopyInformation(scan)
    shading = SimpleITK.Resample(shading, scan, SimpleITK.Transform(), SimpleITK.sitkLinear, 1.0)
    corrected = scan / SimpleITK.Cast(shading, scan.GetPixelID())
    return _refined(corrected, distance)


def _refined(scan: SimpleITK.Image, distance: SimpleITK.Image) -> SimpleITK.Image:
    """What is as bright as brain and hangs together with the deep of it, with the fluid close around it.

    Args:
        scan: free of shading.
        distance: to the registered surface of the brain in mm, negative inside.
    """
    voxels = SimpleITK.GetArrayViewFromImage(scan)
    brain = float(np.median(voxels[SimpleITK.GetArrayViewFromImage(distance) < -_DEEP]))
    tissue = SimpleITK.BinaryThreshold(scan, 0.55 * brain, 1.25 * brain) & (distance < _REACH)
    tissue = tissue | (distance < -_SURE)
    pixel = min(scan.GetSpacing()[:2])
    # Bridges to marrow, scalp and neck are thinner than gyri, and lead through neighbouring slices.
    tissue = _in_plane(SimpleITK.BinaryMorphologicalOpening, tissue, 2.5 / pixel)
    tissue = _seeded(tissue, distance < -_SEED)
    tissue = _in_plane(SimpleITK.BinaryMorphologicalClosing, tissue, 4.0 / pixel) & (distance < _REACH)
    fluid = _in_plane(SimpleITK.BinaryDilate, tissue, 2.5 / pixel) & (distance < _BEYOND)
    smooth = _in_plane(
        SimpleITK.BinaryMorphologicalOpening, SimpleITK.BinaryFillhole(tissue | fluid), 3.0 / pixel
    )
    parts = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(_seeded(smooth, distance < -_SEED)))
    return SimpleITK.Cast(parts == 1, SimpleITK.sitkUInt8)


def _seeded(mask: SimpleITK.Image, seeds: SimpleITK.Image) -> SimpleITK.Image:
    """What hangs together with a seed within its slice."""
    planes = []
    arrays = (SimpleITK.GetArrayFromImage(image) for image in (mask, mask & seeds))
    for plane, seed in zip(*arrays, strict=True):
        inside, start = SimpleITK.GetImageFromArray(plane), SimpleITK.GetImageFromArray(seed)
        grown = SimpleITK.BinaryReconstructionByDilation(start, inside)
        planes.append(SimpleITK.GetArrayFromImage(grown))
    kept = SimpleITK.GetImageFromArray(np.stack(planes))
    kept.CopyInformation(mask)
    return kept


def _in_plane(
    operation: Callable[..., SimpleITK.Image], mask: SimpleITK.Image, radius: float
) -> SimpleITK.Image:
    side = max(1, round(radius))
    return operation(mask, [side, side, 0])


def register(fixed: SimpleITK.Image, body: SimpleITK.Image, template: Template) -> SimpleITK.Transform:
    """The transform from points of a scan to points of a template."""
    near = SimpleITK.BinaryDilate(body, [3, 3, 3])
    affine = _affine(fixed, near, body, template)
    moved = SimpleITK.Resample(template.image, fixed, affine, SimpleITK.sitkLinear, 0.0)
    moved = SimpleITK.HistogramMatching(moved, fixed, 256, 12, thresholdAtMeanIntensity=True)
    demons = SimpleITK.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(2.0)
    field = None
    for shrink, steps in ((2, 40), (1, 20)):
        still, moving = (SimpleITK.Shrink(image, [shrink] * 3) for image in (fixed, moved))
        demons.SetNumberOfIterations(steps)
        if field is not None:
            field = SimpleITK.Resample(field, still)
        field = demons.Execute(still, moving, field) if field is not None else demons.Execute(still, moving)
    bend = SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(field, SimpleITK.sitkVectorFloat64))
    return SimpleITK.CompositeTransform([affine, bend])


def _affine(
    fixed: SimpleITK.Image, near: SimpleITK.Image, body: SimpleITK.Image, template: Template
) -> SimpleITK.AffineTransform:
    """Rigid, then with one size, then affine; from the heads' upper parts laid over one another."""
    centre = _upper_centre(body)
    shift, matrix = _start(fixed, near, body, template)
    stages = (
        (SimpleITK.Euler3DTransform(), (4, 2)),
        (SimpleITK.Similarity3DTransform(), (2,)),
        (SimpleITK.AffineTransform(3), (2, 1)),
    )
    for transform, levels in stages:
        transform.SetCenter(centre)
        transform.SetMatrix(matrix)
        transform.SetTranslation(shift)
        method = _method(levels, share=0.1)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 80, relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetMetricFixedMask(near)
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(fixed, template.image)
        matrix, shift = transform.GetMatrix(), transform.GetTranslation()
    return stages[-1][0]


def _start(
    fixed: SimpleITK.Image, near: SimpleITK.Image, body: SimpleITK.Image, template: Template
) -> tuple[list[float], list[float]]:
    """The best of some heights and tilts, by mutual information: scans may be cut off at the vertex."""
    centre = _upper_centre(body)
    shift = np.subtract(_upper_centre(template.body), centre)
    method = _method((2,), share=0.1)
    method.SetMetricFixedMask(near)
    found = []
    for height in (-24.0, -12.0, 0.0, 12.0, 24.0):
        for tilt in (-0.3, -0.15, 0.0, 0.15, 0.3):
            moved = [float(shift[0]), float(shift[1]), float(shift[2] + height)]
            trial = SimpleITK.Euler3DTransform(centre, tilt, 0.0, 0.0, moved)
            method.SetInitialTransform(trial)
            found.append((method.MetricEvaluate(fixed, template.image), moved, list(trial.GetMatrix())))
    _, best, matrix = min(found)
    return best, matrix


def _method(levels: Sequence[int], *, share: float) -> SimpleITK.ImageRegistrationMethod:
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=40)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(share, seed=7)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(levels))
    method.SetSmoothingSigmasPerLevel([float(level - 1) for level in levels])
    return method


def _small_copy(scan: SimpleITK.Image) -> tuple[SimpleITK.Image, SimpleITK.Image, SimpleITK.Image]:
    """The scan at `SPACING` on axes towards left, posterior, superior, shading taken away, and where the head is."""
    small = isotropic(SimpleITK.DICOMOrient(scan, "LPS"), SPACING)
    voxels = SimpleITK.GetArrayFromImage(small).transpose(2, 1, 0)
    inside = foreground(np.ascontiguousarray(voxels, dtype=np.float32), spacing=(SPACING,) * 3)
    body = SimpleITK.GetImageFromArray(np.ascontiguousarray(inside.transpose(2, 1, 0)).astype(np.uint8))
    body.CopyInformation(small)
    correction = SimpleITK.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([20, 20])
    correction.SetNumberOfControlPoints([5, 5, 5])
    shrunk = SimpleITK.Shrink(small, [3, 3, 3]) + 1.0
    correction.Execute(shrunk, SimpleITK.Shrink(body, [3, 3, 3]))
    field = SimpleITK.Exp(SimpleITK.Cast(correction.GetLogBiasFieldAsImage(small), small.GetPixelID()))
    return SimpleITK.Cast(small / field, SimpleITK.sitkFloat32), body, field


def _upper_centre(body: SimpleITK.Image) -> tuple[float, float, float]:
    """The middle of a head's upper part in mm."""
    points = np.argwhere(SimpleITK.GetArrayFromImage(body).transpose(2, 1, 0))
    direction = np.array(body.GetDirection()).reshape(3, 3)
    places = points * np.array(body.GetSpacing()) @ direction.T + np.array(body.GetOrigin())
    top = np.percentile(places[:, 2], 99.9)
    kept = places[places[:, 2] > top - _UPPER_MM]
    x, y = (float(np.mean(np.percentile(kept[:, axis], [1, 99]))) for axis in (0, 1))
    return x, y, float(top - _UPPER_MM / 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a mask for each scan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--t1", type=Path, nargs="+", required=True, help="T1w scans of whole heads, NIfTI")
    parser.add_argument("--labels", type=Path, required=True, help="folder of label maps")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stripped", type=Path, help="a folder for the scans without skull")
    parser.add_argument("--templates", type=int, default=4, help="how many label maps to register")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
    maps = label_maps(options.labels)
    chosen = np.linspace(0, len(maps) - 1, options.templates).round().astype(int)
    templates = [make_template(read_label_map(maps[at], seed=at), at) for at in sorted(set(chosen.tolist()))]
    for path in options.t1:
        started = time.perf_counter()
        scan = read_nifti(path)
        mask = on_grid_of(scan, brain_mask(to_itk(scan.voxels, scan.affine), templates))
        name = f"{path.parent.name}_{scan.source.stem}"
        write_nifti(mask, options.out / f"{name}_mask.nii.gz", description="brain mask")
        if options.stripped:
            brain = stripped(scan, mask)
            write_nifti(brain, options.stripped / f"{name}_brain.nii.gz", description="T1w, stripped")
        litres = float(mask.voxels.sum() * np.prod(scan.spacing)) / 1e6
        print(f"{name}: {litres:.2f} l, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
