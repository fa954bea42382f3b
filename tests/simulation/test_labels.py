"""Heads of label maps: soft fractions, thin fluid, fat under the skin, nothing lost, wrong maps refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from medgan.errors import InputRefusedError
from medgan.simulation import LABELLED_TISSUE_NAMES, Head, labelled_head, tissues
from medgan.simulation.label_codes import BRAIN_TISSUES, TISSUE_OF_CODE
from medgan.simulation.labels import Build
from medgan.simulation.volumes import outside, signed_distance

Labels = npt.NDArray[np.int32]
PLAIN = Build(skin=2.0, fat=4.0, dura=0.5, cortex=0.4)


def test_every_code_stands_for_a_tissue_that_has_values() -> None:
    assert set(TISSUE_OF_CODE.values()) <= set(tissues(1.5))
    assert set(BRAIN_TISSUES) <= set(LABELLED_TISSUE_NAMES)
    assert tuple(tissues(3.0)) == LABELLED_TISSUE_NAMES


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (2, 41),
        (3, 42),
        (4, 43),
        (8, 47),
        (10, 49),
        (12, 51),
        (25, 57),
        (1003, 2003),
        (11101, 12101),
        (3001, 5002),
    ],
)
def test_left_and_right_of_one_tissue_are_one(left: int, right: int) -> None:
    assert TISSUE_OF_CODE[left] == TISSUE_OF_CODE[right]


def test_fractions_fill_every_voxel(labelled: Head) -> None:
    assert labelled.tissue_names == LABELLED_TISSUE_NAMES
    assert labelled.fractions.min() >= 0
    np.testing.assert_allclose(labelled.fractions.sum(axis=0), 1, atol=1e-5)


def test_the_crop_keeps_its_place(label_map: Labels, labelled: Head) -> None:
    white = np.isin(label_map, (2, 41))
    there = (np.argwhere(white).mean(axis=0) - (np.array(label_map.shape) - 1) / 2) * 2.0
    found = np.argwhere(labelled.fraction("white_matter") > 0.5).mean(axis=0)
    np.testing.assert_allclose(labelled.affine[:3, :3] @ found + labelled.affine[:3, 3], there, atol=0.6)


def test_the_edges_of_tissues_are_soft(labelled: Head) -> None:
    white = labelled.fraction("white_matter")
    assert ((white > 0.1) & (white < 0.9)).sum() > 0.2 * (white > 0.5).sum()


def test_fluid_around_the_brain_is_thinner_than_its_label_and_does_not_vanish(
    label_map: Labels, labelled: Head
) -> None:
    label = np.isin(label_map, (24, 4, 43, 30, 62, 72)).sum()
    fluid = labelled.fraction("csf").sum()
    assert 0.35 * label < fluid < 0.85 * label


def test_what_the_fluid_loses_the_cortex_gains(label_map: Labels) -> None:
    narrow, wide = (
        labelled_head(label_map, spacing_mm=2.0, build=Build(skin=2, fat=4, dura=0.5, cortex=cortex))
        for cortex in (0.0, 0.8)
    )
    gained = wide.fraction("grey_matter").sum() - narrow.fraction("grey_matter").sum()
    lost = narrow.fraction("csf").sum() - wide.fraction("csf").sum()
    assert gained > 0.8 * lost > 0


def test_a_sulcus_one_voxel_wide_keeps_a_part_of_its_fluid() -> None:
    labels = np.zeros((30, 30, 30), np.int32)
    labels[5:25, 5:25, 5:25] = 3
    labels[7:14, 7:23, 7:23] = 2
    labels[17, 5:25, 5:25] = 24
    fluid = labelled_head(labels, build=PLAIN).fraction("csf")
    slit = fluid[:, 12, 12].max()
    assert 0.1 < slit < 0.7
    assert fluid[:, 12, 12].sum() < 1


def test_skin_then_fat_then_muscle_lie_under_the_surface(label_map: Labels) -> None:
    head = labelled_head(label_map, spacing_mm=2.0, build=PLAIN)
    depth = -signed_distance(~outside(head.fraction("air") < 0.5), 2.0)
    labels = head.labels()
    skin, fat, muscle = (
        np.median(depth[labels == head.tissue_names.index(name)]) for name in ("skin", "fat", "muscle")
    )
    assert skin < 2.5 < fat < muscle
    shallow = (
        (depth > 2.5) & (depth < 5) & np.isin(labels, [head.tissue_names.index(n) for n in ("fat", "muscle")])
    )
    assert (labels[shallow] == head.tissue_names.index("fat")).mean() > 0.9


def test_eyes_lie_in_fat(label_map: Labels) -> None:
    head = labelled_head(label_map, spacing_mm=2.0, build=PLAIN)
    eyes = head.fraction("vitreous") > 0.5
    near = signed_distance(eyes, 2.0)
    shell = (near > 1) & (near < 6) & (head.fraction("fat", "muscle") > 0.7)
    assert head.fraction("fat")[shell].mean() > 0.8


def test_small_labels_leave_no_hole_in_the_brain(label_map: Labels) -> None:
    for code in (25, 30, 57, 62, 72, 85):
        assert (label_map == code).any()
    head = labelled_head(label_map, spacing_mm=2.0)
    deep = signed_distance(head.fraction(*BRAIN_TISSUES, "csf", "nerve") > 0.5, 2.0) < -15
    assert deep.sum() > 1000
    assert head.fraction("air", "bone")[deep].max() < 0.01


def test_specks_apart_from_the_head_are_left_out(label_map: Labels) -> None:
    specked = label_map.copy()
    specked[0, 0, 0] = 24
    assert labelled_head(specked, spacing_mm=2.0).shape == labelled_head(label_map, spacing_mm=2.0).shape


def test_the_seed_decides_what_labels_leave_open(label_map: Labels, labelled: Head) -> None:
    again, other = (labelled_head(label_map, spacing_mm=2.0, seed=seed) for seed in (1, 2))
    assert np.array_equal(again.fractions, labelled.fractions)
    assert not np.allclose(other.fractions, labelled.fractions, atol=0.1)


def test_a_brain_without_a_head_is_taken_too(label_map: Labels) -> None:
    brain = np.where(label_map < 500, label_map, 0)
    assert labelled_head(brain, spacing_mm=2.0).fraction("grey_matter").sum() > 10_000


def test_sulci_of_a_brain_without_fluid_hold_fluid_and_its_cortex_stays(label_map: Labels) -> None:
    whole = np.where((label_map < 500), label_map, 0)
    bare = np.where(whole == 24, 0, whole)
    outer = (whole == 24) & (signed_distance(bare > 0, 2.0) < 2.5)
    head = labelled_head(bare, spacing_mm=2.0, build=PLAIN)
    fluid = head.fraction("csf")
    inside = signed_distance(bare > 0, 2.0)[outer].size
    assert fluid.sum() > 0.6 * inside
    cortex = np.isin(bare, (3, 42)).sum()
    assert head.fraction("grey_matter").sum() == pytest.approx(cortex, rel=0.05)


def test_a_sulcus_of_a_brain_alone_is_no_air() -> None:
    labels = np.zeros((30, 30, 30), np.int32)
    labels[5:25, 5:25, 5:25] = 3
    labels[7:14, 7:23, 7:23] = 2
    labels[16:18, 10:25, 5:25] = 0
    head = labelled_head(labels, build=PLAIN)
    at = tuple(np.rint(np.linalg.solve(head.affine, [2.5, 3.5, 0.5, 1])[:3]).astype(int))
    assert head.fraction("csf")[at] > 0.8
    assert head.fraction("air")[at] < 0.01
    assert head.fraction("air")[0, 0, 0] == 1


def test_a_map_that_has_its_fluid_or_its_head_gets_no_more(label_map: Labels) -> None:
    brain = np.where(label_map < 500, label_map, 0)
    assert labelled_head(brain, spacing_mm=2.0, build=PLAIN).fraction("csf").sum() < (
        np.isin(brain, (24, 4, 43, 30, 62, 72)).sum()
    )
    dry = np.where(label_map == 24, 515, label_map)
    assert labelled_head(dry, spacing_mm=2.0, build=PLAIN).fraction("csf").sum() < 1.2 * (
        np.isin(dry, (4, 43, 30, 62, 72)).sum()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels.astype(np.float32), "float32"),
        (lambda labels: labels[:, :, 0], "three axes"),
        (lambda labels: np.where(labels == 24, 9999, labels), "9999"),
        (lambda labels: np.where(labels == 3, -1, labels), "-1"),
        (lambda labels: np.where(np.isin(labels, (2, 41)), 24, labels), "no white matter"),
        (lambda labels: np.arange(labels.size).reshape(labels.shape), "more"),
    ],
)
def test_what_is_no_label_map_of_a_head_is_refused(label_map: Labels, change: Any, said: str) -> None:
    with pytest.raises(InputRefusedError, match=said):
        labelled_head(change(label_map))


def test_real_label_maps_have_known_codes_and_the_right_amount_of_fluid(real_data: Path) -> None:
    files = sorted((real_data / "head_labels").glob("*.nii.gz"))[6:8]
    for file in files:
        image = nibabel.as_closest_canonical(nibabel.load(file))
        labels = np.asarray(image.dataobj[::2, ::2, ::2]).astype(np.int32)
        head = labelled_head(labels, spacing_mm=2.0)
        brain, fluid = head.fraction(*BRAIN_TISSUES).sum() * 8e-3, head.fraction("csf").sum() * 8e-3
        assert 1000 < brain < 1700
        assert 0.08 < fluid / (brain + fluid) < 0.28
