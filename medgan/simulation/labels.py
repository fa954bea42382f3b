"""Heads from label maps: every voxel's label becomes soft fractions of tissues, as a scanner's voxels hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgan.errors import InputRefusedError
from medgan.simulation.fields import Field, Grid, smooth_noise
from medgan.simulation.heads import Head
from medgan.simulation.label_codes import BRAIN_TISSUES, HEAD_TISSUES, OUTER_CSF, TISSUE_OF_CODE
from medgan.simulation.shapes import ramp, smooth_step
from medgan.simulation.tissues import LABELLED_TISSUE_NAMES
from medgan.simulation.volumes import Mask, blurred, largest_body, outside, signed_distance

_MARGIN = 4
_LEAST_FLUID = 0.02
"""Fluid around the brain, relative to the brain: FreeSurfer's aseg has a few voxels of it, a whole map a tenth."""
_SULCUS_MM, _RIM_MM = 10.0, 1.5
"""The radius that sulci and cisterns are closed with, and how far fluid reaches around a brain without a skull."""
_SOFTNESS_MM, _LEAST_SOFTNESS = 0.55, 0.5
_INDEX = {name: index for index, name in enumerate(LABELLED_TISSUE_NAMES)}
_FEW_UNKNOWN = 12


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a label map leaves open about a person; lengths in mm.

    Attributes:
        skin: thickness of the skin.
        fat: thickness of the fat under it.
        dura: thickness of the dura that lines the bone, with what adheres to it.
        cortex: by how much the pial surface lies further out than the label's.
    """

    skin: float
    fat: float
    dura: float
    cortex: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Build:
        """Somebody."""
        return cls(
            skin=float(rng.uniform(1.4, 2.2)),
            fat=float(rng.uniform(3.0, 6.5)),
            dura=float(rng.uniform(0.4, 1.3)),
            cortex=float(rng.uniform(0.35, 0.9)),
        )


def labelled_head(
    labels: npt.NDArray[np.integer], *, spacing_mm: float = 1.0, seed: int = 0, build: Build | None = None
) -> Head:
    """Make a head of a label map with FreeSurfer's codes, as SynthSeg's whole-head maps have them.

    A label map says one tissue a voxel, and some of its labels are wider or vaguer than anatomy:

    - Edges become partial volumes, by a point spread of 0.55 mm or half a voxel.
    - Fluid around the brain (24) takes in the outermost cortex. The pial surface is moved out by `build.cortex` and
      the voxels that it crosses are shared by their distance to it, so that a sulcus one voxel wide keeps a
      part of its fluid. Where fluid meets bone there is dura.
    - A brain without fluid around it, as FreeSurfer's aseg has it, gets some: what lies in sulci and cisterns, and a
      rim, would else be air. Its cortex reaches the pial surface and stays as it is.
    - Muscle and fat are one label (507), and skin (511) is too thick. They are told apart by the depth below the
      surface: skin, fat, then muscle with planes and pads of fat; around eyes and optic nerves, fat.

    Args:
        labels: integers (X, Y, Z) on axes towards right, anterior and superior; 0 is air.
        spacing_mm: edge of the cubic voxels.
        seed: of what labels leave open.
        build: the same, instead of drawing it.

    Returns:
        A head over `LABELLED_TISSUE_NAMES`, cropped to the body with a margin of air. Its affine keeps its place
        in a grid that has its centre at the origin.

    Raises:
        InputRefusedError: not three axes of integers, codes that are not known, or no brain.
    """
    check_labels(labels)
    rng = np.random.default_rng([seed, 0x1ABE1])
    build = Build.draw(rng) if build is None else build
    body = largest_body(labels > 0)
    box = _box(body)
    padded = np.pad(np.where(body[box], labels[box], 0), _MARGIN)
    grid = Grid(_three(padded.shape), float(spacing_mm))
    fractions = _soft(_tissue_map(padded, grid, rng, build), spacing_mm)
    _thin_fluid(fractions, np.isin(padded, OUTER_CSF), spacing_mm, build)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    centre = (np.array(labels.shape) - 1) / 2
    affine[:3, 3] = (np.array([part.start for part in box]) - _MARGIN - centre) * spacing_mm
    return Head(fractions=fractions, affine=affine, tissue_names=LABELLED_TISSUE_NAMES, seed=seed)


def check_labels(labels: npt.NDArray[np.integer]) -> None:
    """Refuse what is no label map of a head.

    Raises:
        InputRefusedError: as `labelled_head`.
    """
    if labels.ndim != 3 or labels.dtype.kind not in "iu":
        raise InputRefusedError(
            f"a label map has three axes of integers, not {labels.ndim} of {labels.dtype}",
            remedy="Give label maps with FreeSurfer's codes, such as those of SynthSeg.",
        )
    present = np.unique(labels)
    unknown = [int(code) for code in present if int(code) not in TISSUE_OF_CODE]
    if unknown:
        named = ", ".join(map(str, unknown[:_FEW_UNKNOWN]))
        more = f" and {len(unknown) - _FEW_UNKNOWN} more" if len(unknown) > _FEW_UNKNOWN else ""
        raise InputRefusedError(
            f"has label codes that are not known: {named}{more}",
            remedy="Give label maps with FreeSurfer's codes, such as those of SynthSeg.",
        )
    tissues = {TISSUE_OF_CODE[int(code)] for code in present}
    if not {"white_matter", "grey_matter"} <= tissues:
        raise InputRefusedError(
            "has no white matter (2, 41) or no cortex (3, 42)",
            remedy="Give label maps of whole brains or heads.",
        )


def _box(body: Mask) -> tuple[slice, slice, slice]:
    slices = []
    for axis in range(3):
        (inside,) = np.where(body.any(axis=tuple(other for other in range(3) if other != axis)))
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return slices[0], slices[1], slices[2]


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = shape
    return x, y, z


def _tissue_map(
    labels: npt.NDArray[np.integer], grid: Grid, rng: np.random.Generator, build: Build
) -> npt.NDArray[np.uint8]:
    """The index of one tissue for each voxel, with skin, fat and muscle told apart."""
    table = np.zeros(max(TISSUE_OF_CODE) + 1, np.uint8)
    for code, tissue in TISSUE_OF_CODE.items():
        table[code] = _INDEX[tissue]
    tissue_map = np.asarray(table[labels], np.uint8)
    if _lacks_fluid(labels):
        tissue_map[_between(labels > 0, grid.spacing)] = _INDEX["csf"]
    soft = np.isin(tissue_map, (_INDEX["skin"], _INDEX["muscle"]))
    if not soft.any():
        return tissue_map
    depth = blurred(-signed_distance(~outside(labels > 0), grid.spacing), 0.6)
    fat = np.float32(build.fat) * (1 + np.float32(0.25) * smooth_noise(rng, grid, 40.0))
    low = _below_brain(tissue_map, grid)
    planes = np.abs(smooth_noise(rng, grid, 15.0)) < 0.05 + 0.14 * low
    pads = smooth_noise(rng, grid, 13.0) > 2.3 - 0.8 * low
    inner = np.where(planes | pads, _INDEX["fat"], _INDEX["muscle"]).astype(np.uint8)
    under = depth < build.skin + fat * (1 + np.float32(0.4) * low)
    layers = np.where(under | _orbital(labels, grid.spacing), np.uint8(_INDEX["fat"]), inner)
    layers[depth < build.skin] = _INDEX["skin"]
    # The label of skin reaches deeper than skin; what of it is deep is what lies there.
    return np.where(soft, layers, tissue_map)


def _lacks_fluid(labels: npt.NDArray[np.integer]) -> bool:
    """Whether a map is of a brain alone, without the fluid around it."""
    codes, counts = np.unique(labels, return_counts=True)
    tissues = [TISSUE_OF_CODE[int(code)] for code in codes]
    fluid = counts[np.isin(codes, OUTER_CSF)].sum()
    brain = counts[np.isin(tissues, BRAIN_TISSUES)].sum()
    return not set(tissues) & set(HEAD_TISSUES) and bool(fluid < _LEAST_FLUID * brain)


def _between(brain: Mask, spacing_mm: float) -> Mask:
    """Sulci, cisterns and a rim: what a closing of the brain takes in beyond it."""
    room = int(np.ceil(_SULCUS_MM / spacing_mm)) + 2
    reached = signed_distance(np.pad(brain, room), spacing_mm) < _SULCUS_MM
    closed = signed_distance(reached, spacing_mm) < _RIM_MM - _SULCUS_MM
    return np.asarray(closed[room:-room, room:-room, room:-room] & ~brain)


def _below_brain(tissue_map: npt.NDArray[np.uint8], grid: Grid) -> Field:
    """0 beside the cerebrum, rising to 1 in the face and the neck, as (1, 1, Z)."""
    white = (tissue_map == _INDEX["white_matter"]).sum(axis=(0, 1))
    (levels,) = np.where(white > 0.2 * white.max())
    height = (np.arange(grid.shape[2]) - levels[0]) * np.float32(grid.spacing)
    return smooth_step(np.asarray(height, np.float32), 5.0, -30.0)[None, None]


def _orbital(labels: npt.NDArray[np.integer], spacing_mm: float) -> Mask:
    """What lies around the eyeballs and the optic nerves."""
    eyes, nerves = labels == 506, labels == 508
    if not eyes.any():
        return np.zeros(labels.shape, bool)
    near = signed_distance(eyes, spacing_mm) < 9
    return np.asarray(near | (nerves.any() & (signed_distance(nerves, spacing_mm) < 6)))


def _soft(tissue_map: npt.NDArray[np.uint8], spacing_mm: float) -> Field:
    """Fractions (tissue, X, Y, Z) by a Gaussian point spread; they sum to 1."""
    fractions = np.zeros((len(LABELLED_TISSUE_NAMES), *tissue_map.shape), np.float32)
    sigma = max(_SOFTNESS_MM / spacing_mm, _LEAST_SOFTNESS)
    reach = int(np.ceil(3 * sigma)) + 1
    for index in np.unique(tissue_map):
        mask = tissue_map == index
        box = tuple(
            slice(max(part.start - reach, 0), part.stop + reach) for part in _box(mask)
        )  # many tissues fill a small part of the head
        fractions[int(index)][box] = blurred(mask[box].astype(np.float32), sigma)
    return fractions


def _thin_fluid(fractions: Field, outer: Mask, spacing_mm: float, build: Build) -> None:
    """Move the pial surface out into the fluid around the brain, and line the bone with dura; in place."""
    brain = [_INDEX[name] for name in BRAIN_TISSUES]
    fluid = fractions[_INDEX["csf"]]
    tissue = np.asarray(fractions[brain].sum(axis=0), np.float32)
    distance = blurred(signed_distance(tissue > 0.5, spacing_mm), 0.5)
    beyond = ramp(np.asarray(build.cortex - distance, np.float32), 1.4 * spacing_mm)
    near = blurred(outer.astype(np.float32), _SOFTNESS_MM / spacing_mm)
    taken = fluid * near * (1 - beyond) * (tissue > 1e-3)
    share = taken / np.maximum(tissue, 1e-3)
    for index in brain:
        fractions[index] += share * fractions[index]
    fluid -= taken

    wall = fractions[_INDEX["bone"]] + fractions[_INDEX["marrow"]]
    if wall.max() > 0.5:
        away = blurred(signed_distance(np.asarray(wall > 0.5), spacing_mm), 0.5)
        lining = fluid * near * ramp(np.asarray(away - build.dura, np.float32), 1.4 * spacing_mm)
        fluid -= lining
        fractions[_INDEX["dura"]] += lining
    fractions /= np.maximum(fractions.sum(axis=0), 1e-6)
