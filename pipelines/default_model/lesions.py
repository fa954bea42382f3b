"""Whether lesions survive the synthesis of a T2w scan from a T1w scan, and whether any are invented.

Of label maps that no training has seen, examinations with lesions like those of multiple sclerosis and without any are
simulated, heads and stripped brains in turn, in 3 mm slices. The truth is known: T1w, T2w, lesions, white matter.

- A lesion is a connected piece of the lesion mask of at least 15 mm3. Its surroundings are the white matter (95 % of a
  voxel and more) within 6 mm, further than 2 mm from any lesion; lesions with fewer than 20 such voxels do not count.
- The synthetic T2w is brought to the true one's mean and standard deviation in the brain's tissue without lesions,
  since a synthetic scan's scale is no scanner's.
- Contrast: the lesion's mean minus its surroundings' median, relative to that median. Noise: the robust standard
  deviation (1.4826 times the median absolute deviation) of the surroundings, relative alike.
- Visible in T1w: darker than its surroundings by at least twice the noise. Bright in an image: brighter by at least
  20 % (the simulated lesions are by 50 to 130 % in the true T2w) and by at least twice the noise. Sensitivity is the
  part of the visible lesions that are bright in the synthetic T2w. Of lesions that are not visible in T1w none can
  be expected; they are listed apart.
- Recovered: the synthetic T2w's contrast relative to the true one's, the median over the visible lesions.
- False positive: a connected piece, of at least 15 mm3, of white matter more than 3 mm from anything else and 2 mm
  from any lesion, that is brighter in the synthetic T2w than white matter around (Gaussian mean, 8 mm) by 20 % and
  three times the noise, while on average the true T2w there is brighter by less than half of that 20 % and the T1w
  darker by less than twice its noise. Counted for each volume, with and without lesions.

    python pipelines/default_model/lesions.py --model run/model --labels head_labels/seg_19.nii.gz --json lesions.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from grids import to_itk
from validate import named_models

from medgan import __version__
from medgan.errors import MedganError
from medgan.evaluation import canonical_voxels
from medgan.files import write_json
from medgan.sample_data import label_maps, read_label_map
from medgan.sample_data.writing import made_scan
from medgan.simulation import Anatomy, Head, Variety, simulate_volume
from medgan.simulation.label_codes import BRAIN_TISSUES
from medgan.synthesis.synthesizer import Synthesizer

Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SMALLEST_MM3, _FEWEST = 15.0, 20
_NEAR_MM, _APART_MM, _DEEP_MM, _AROUND_MM = 6.0, 2.0, 3.0, 8.0
_WHITE = 0.95
_VISIBLE, _BRIGHT, _FALSE_NOISE = 2.0, 0.2, 3.0
_BRIGHTNESS = 500.0
_WHITE_TISSUES = ("white_matter", "cerebellar_white")
SIZES = ((0.0, 4.0), (4.0, 8.0), (8.0, 99.0))
"""Diameters in mm of balls of a lesion's volume."""
CONTRASTS = ((0.0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 1.0))
"""How much darker a lesion is in T1w."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """A simulated examination; volumes (X, Y, Z), canonical; the part of each voxel that is white, that is brain."""

    name: str
    affine: npt.NDArray[np.float64]
    t1: Volume
    t2: Volume
    lesions: Mask
    white: Volume
    tissue: Volume

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """In mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    @property
    def voxel_mm3(self) -> float:
        """A voxel's volume."""
        return float(np.prod(self.spacing))


def simulated_cases(path: Path, *, volumes: int, slice_mm: float) -> Iterator[Case]:
    """Examinations of a label map, as many with lesions as without; the head lies where the label map has it."""
    head = read_label_map(path, seed=0)
    anatomy = Anatomy.of(head)
    for number in range(2 * volumes):
        lesions = number < volumes
        variety = Variety(lesions={"ms": 1.0} if lesions else {}, stripped=float(number % 2)).in_place()
        pair = simulate_volume(anatomy, seed=(4, number), variety=variety, pixel_mm=1.0, slice_mm=slice_mm)
        yield Case(
            name=f"{path.name.partition('.')[0]}, {'MS' if lesions else 'healthy'}, {number}",
            affine=pair.affine,
            t1=pair.t1,
            t2=pair.t2,
            lesions=pair.lesions,
            white=_fraction(head, _WHITE_TISSUES, pair.affine, pair.t1.shape),
            tissue=_fraction(head, BRAIN_TISSUES, pair.affine, pair.t1.shape),
        )


def _fraction(
    head: Head, tissues: tuple[str, ...], affine: npt.NDArray[np.float64], shape: tuple[int, ...]
) -> Volume:
    """The part of each voxel that is of some tissues, averaged through its slice."""
    fraction = to_itk(
        head.fraction(*(name for name in tissues if name in head.tissue_names)).astype(np.float32),
        head.affine,
    )
    thickness = float(affine[2, 2])
    steps = max(1, round(thickness / head.spacing[2]))
    total = np.zeros(shape, np.float32)
    for step in range(steps):
        moved = affine.copy()
        moved[2, 3] += ((step + 0.5) / steps - 0.5) * thickness
        grid = to_itk(np.zeros(shape, np.uint8), moved)
        sampled = SimpleITK.Resample(fraction, grid, SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0)
        total += SimpleITK.GetArrayViewFromImage(sampled).transpose(2, 1, 0)
    return np.asarray(total / steps, np.float32)


def calibrated(case: Case, synthetic: Volume) -> Volume:
    """The synthetic T2w with the true one's mean and spread in the brain without lesions."""
    normal = (case.tissue > _WHITE) & (_distance(case.lesions, case) > _APART_MM)
    true, made = case.t2[normal], synthetic[normal]
    return np.asarray(
        (synthetic - made.mean()) / max(made.std(), 1e-6) * true.std() + true.mean(), np.float32
    )


def found_lesions(case: Case, synthetic: Volume) -> Iterator[dict[str, Any]]:
    """Each lesion's size, contrast in T1w, and in the true and the synthetic T2w."""
    parts = _parts(case.lesions, case)
    normal = (case.white > _WHITE) & (_distance(case.lesions, case) > _APART_MM)
    for index in range(1, int(parts.max()) + 1):
        lesion = parts == index
        volume = float(lesion.sum()) * case.voxel_mm3
        if volume < _SMALLEST_MM3:
            break  # they are in the order of their size
        near = _box(lesion, case)
        around = normal[near] & (_distance(lesion[near], case) < _NEAR_MM)
        if around.sum() < _FEWEST:
            continue
        images = {"t1": case.t1, "t2": case.t2, "synthetic": synthetic}
        seen = {key: _contrast(image[near], lesion[near], around) for key, image in images.items()}
        yield {
            "case": case.name,
            "diameter_mm": (6 * volume / np.pi) ** (1 / 3),
            "t1_contrast": seen["t1"][0],
            "t1_noise": seen["t1"][1],
            "t2_contrast": seen["t2"][0],
            "synthetic_contrast": seen["synthetic"][0],
            "visible": bool(seen["t1"][0] < -_VISIBLE * seen["t1"][1]),
            "bright_in_truth": _bright(*seen["t2"]),
            "bright": _bright(*seen["synthetic"]),
        }


def false_positives(case: Case, synthetic: Volume) -> int:
    """How many bright spots in the synthetic T2w's white matter neither the T1w nor the true T2w shows."""
    white = case.white > _WHITE
    deep = white & (_distance(case.white < 0.5, case) > _DEEP_MM)
    deep &= _distance(case.lesions, case) > _APART_MM
    if not deep.any():
        return 0
    excess = {
        key: _excess(image, deep, case)
        for key, image in {"t1": case.t1, "t2": case.t2, "synthetic": synthetic}.items()
    }
    noise = {key: _spread(values[deep]) for key, values in excess.items()}
    bright = deep & (excess["synthetic"] > max(_BRIGHT, _FALSE_NOISE * noise["synthetic"]))
    parts = _parts(bright, case)
    count = 0
    for index in range(1, int(parts.max()) + 1):
        spot = parts == index
        if spot.sum() * case.voxel_mm3 < _SMALLEST_MM3:
            break
        in_truth = excess["t2"][spot].mean() >= _BRIGHT / 2
        in_source = excess["t1"][spot].mean() <= -_VISIBLE * noise["t1"]
        count += not (in_truth or in_source)
    return count


def _contrast(image: Volume, lesion: Mask, around: Mask) -> tuple[float, float]:
    """Relative to the surroundings' median: the lesion's mean difference, and the noise."""
    middle = float(np.median(image[around]))
    scale = max(abs(middle), 1e-6)
    return float(image[lesion].mean() - middle) / scale, _spread(image[around]) / scale


def _bright(contrast: float, noise: float) -> bool:
    return contrast > max(_BRIGHT, _VISIBLE * noise)


def _spread(values: Volume) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _excess(image: Volume, inside: Mask, case: Case) -> Volume:
    """By how much each voxel differs from the mean of the mask around it, relative to that."""
    weight, total = (
        SimpleITK.GetArrayFromImage(
            SimpleITK.SmoothingRecursiveGaussian(to_itk(part, case.affine), _AROUND_MM)
        )
        for part in (inside.astype(np.float32), np.where(inside, image, 0).astype(np.float32))
    )
    around = (total / np.maximum(weight, 1e-3)).transpose(2, 1, 0)
    return np.asarray(np.where(inside, image / np.maximum(around, 1e-6) - 1, 0), np.float32)


def _parts(mask: Mask, case: Case) -> npt.NDArray[np.int64]:
    """Connected pieces (corners touch), numbered from the largest, 1, to the smallest."""
    pieces = SimpleITK.ConnectedComponent(to_itk(mask.astype(np.uint8), case.affine), True)
    parts = SimpleITK.GetArrayFromImage(SimpleITK.RelabelComponent(pieces))
    return np.asarray(parts.transpose(2, 1, 0), np.int64)


def _distance(mask: Mask, case: Case) -> Volume:
    """In mm to the nearest voxel of a mask; far where it is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e3, np.float32)
    image = to_itk(mask.astype(np.uint8), case.affine)
    distance = SimpleITK.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    return np.asarray(SimpleITK.GetArrayFromImage(distance).transpose(2, 1, 0), np.float32)


def _box(lesion: Mask, case: Case) -> tuple[slice, ...]:
    """The part of the volume that a lesion and its surroundings lie in."""
    margins = np.ceil((_NEAR_MM + 1) / case.spacing).astype(int)
    places = np.argwhere(lesion)
    ends = zip(places.min(axis=0), places.max(axis=0), margins, strict=True)
    return tuple(slice(max(0, int(low - margin)), int(high + margin) + 1) for low, high, margin in ends)


def report(lesions: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> str:
    """The tables of one model."""
    visible = [row for row in lesions if row["visible"]]
    hidden = [row for row in lesions if not row["visible"]]
    recovered = [row["synthetic_contrast"] / row["t2_contrast"] for row in visible if row["t2_contrast"] > 0]
    lines = [
        f"lesions {len(lesions)}, bright in the true T2w {_share(lesions, 'bright_in_truth')}",
        f"visible in T1w: bright in the synthetic T2w {_share(visible, 'bright')}, "
        f"contrast recovered {np.median(recovered) if recovered else float('nan'):.2f}",
        f"not visible in T1w: bright {_share(hidden, 'bright')}",
    ]
    groups: tuple[tuple[str, Any, Callable[[dict[str, Any]], float]], ...] = (
        ("diameter in mm", SIZES, lambda row: float(row["diameter_mm"])),
        ("darker in T1w by", CONTRASTS, lambda row: -float(row["t1_contrast"])),
    )
    for title, bounds, value in groups:
        for low, high in bounds:
            some = [row for row in visible if low <= value(row) < high]
            lines.append(f"  {title} {low:g} to {high:g}: {_share(some, 'bright')}")
    for kind in (True, False):
        counts = [row["false_positives"] for row in volumes if row["lesions"] is kind]
        if counts:
            name = "with" if kind else "without"
            lines.append(
                f"false positives per volume {name} lesions: {np.mean(counts):.2f} (most {max(counts)})"
            )
    return "\n".join(lines)


def _share(rows: list[dict[str, Any]], what: str) -> str:
    count = sum(bool(row[what]) for row in rows)
    return f"{count} of {len(rows)}" + (f" ({count / len(rows):.0%})" if rows else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each model, and print and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", nargs="+", required=True, metavar="[NAME=]PATH", help="run or model folders"
    )
    parser.add_argument(
        "--labels", nargs="+", type=Path, required=True, help="label maps kept out of training"
    )
    parser.add_argument(
        "--volumes", type=int, default=3, help="with lesions, and as many without, a label map"
    )
    parser.add_argument("--slice-mm", type=float, default=3.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except MedganError as error:
        raise SystemExit(str(error)) from error


def _run(options: argparse.Namespace) -> None:
    models = {
        name: Synthesizer(model, target="t2", device=options.device)
        for name, model in named_models(options.model).items()
    }
    lesions: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    volumes: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    for path in (found for given in options.labels for found in label_maps(given)):
        for case in simulated_cases(path, volumes=options.volumes, slice_mm=options.slice_mm):
            scan = made_scan(case.affine, case.t1 * _BRIGHTNESS, "t1")
            for name, synthesizer in models.items():
                synthetic = calibrated(case, canonical_voxels(synthesizer(scan).scan).astype(np.float32))
                lesions[name] += found_lesions(case, synthetic)
                count = false_positives(case, synthetic)
                row = {"case": case.name, "lesions": bool(case.lesions.any()), "false_positives": count}
                volumes[name].append(row)
            print(case.name, flush=True)
    for name in models:
        print(f"\n{name}\n{report(lesions[name], volumes[name])}")
    if options.json:
        write_json(options.json, {"Version": __version__, "Lesions": lesions, "Volumes": volumes})


if __name__ == "__main__":
    main()
