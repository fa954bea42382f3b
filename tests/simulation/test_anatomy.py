"""A head made small holds what images are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medgan.errors import UsageError
from medgan.simulation import Anatomy, Head, procedural_head
from medgan.simulation.anatomy import brain_distance


def unpacked(anatomy: Anatomy) -> np.ndarray:
    """Fractions (tissue, X, Y, Z) of the two tissues that each voxel keeps."""
    first, second, share = anatomy.palette[anatomy.codes.numpy()].transpose(3, 0, 1, 2)
    fractions = np.zeros((len(anatomy.tissue_names), *anatomy.shape), np.float32)
    np.put_along_axis(fractions, second.astype(int)[None], 1 - share[None], 0)
    part = np.take_along_axis(fractions, first.astype(int)[None], 0)
    np.put_along_axis(fractions, first.astype(int)[None], part + share[None], 0)
    return fractions


def test_two_tissues_a_voxel_are_nearly_all_there_is(labelled: Head, anatomy: Anatomy) -> None:
    kept = np.abs(unpacked(anatomy) - labelled.fractions).max(axis=0)
    two = np.sort(labelled.fractions, axis=0)[-2:].sum(axis=0) > 0.999
    assert kept[two].max() < 0.01
    assert kept.mean() < 0.02


def test_a_voxel_takes_three_bytes(anatomy: Anatomy) -> None:
    assert anatomy.codes.dtype == torch.int16
    assert anatomy.nbytes < 4 * anatomy.codes.numel() + 1_000_000


def test_ventricles_lie_within_the_brain_and_scalp_without(labelled: Head, anatomy: Anatomy) -> None:
    distance = brain_distance(anatomy.brain.float()).numpy()
    assert np.percentile(distance[labelled.fraction("white_matter") > 0.9], 99.5) < 0
    centre = np.argwhere(labelled.fraction("white_matter") > 0.9).mean(axis=0).astype(int)
    middle = tuple(slice(part - 8, part + 8) for part in centre)
    assert (labelled.fraction("csf")[middle] > 0.9).any()
    assert distance[middle].max() < 0
    assert np.percentile(distance[labelled.fraction("skin", "fat") > 0.9], 0.5) > 2


def test_wide_ventricles_are_no_hole_either() -> None:
    labels = np.zeros((60, 60, 60), np.int32)
    labels[5:55, 5:55, 5:55] = 3
    labels[9:51, 9:51, 9:51] = 2
    labels[18:42, 18:42, 18:42] = 4
    from medgan.simulation import labelled_head

    distance = brain_distance(Anatomy.of(labelled_head(labels)).brain.float())
    assert distance[20:40, 20:40, 20:40].max() < 0


def test_lesions_may_lie_in_white_matter_and_know_how_far_the_ventricles_are(anatomy: Anatomy) -> None:
    assert len(anatomy.candidates) > 1000
    low, high = np.array(anatomy.low), np.array(anatomy.high)
    assert (anatomy.candidates[:, :3] >= low).all() and (anatomy.candidates[:, :3] <= high).all()
    assert anatomy.candidates[:, 3].min() < 4
    assert 10 < anatomy.candidates[:, 3].max() < 80


def test_a_procedural_head_will_do_as_well() -> None:
    anatomy = Anatomy.of(procedural_head(1, shape=(40, 48, 40), spacing_mm=4.0))
    assert anatomy.has_skull
    assert len(anatomy.candidates) > 100


def test_a_head_without_skull_is_known_as_such(label_map: np.ndarray) -> None:
    from medgan.simulation import labelled_head

    brain = np.where(label_map < 500, label_map, 0)
    assert not Anatomy.of(labelled_head(brain, spacing_mm=2.0)).has_skull


def test_a_head_without_a_brain_and_voxels_that_are_no_cubes_are_refused(labelled: Head) -> None:
    empty = np.zeros_like(labelled.fractions[:, :8, :8, :8])
    empty[0] = 1
    with pytest.raises(UsageError, match="no brain"):
        Anatomy.of(replace(labelled, fractions=empty))
    with pytest.raises(UsageError, match="cubes"):
        Anatomy.of(replace(labelled, affine=np.diag([1.0, 1.0, 3.0, 1.0])))
