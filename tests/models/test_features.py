"""What a network sees in scans: vectors of places in the head, by which scans of one contrast are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from medgan.evaluation.kernel import Crowd
from medgan.models import load_model
from medgan.models.catalogue import has_default
from medgan.models.features import feature_reader
from medgan.scans import Scan

Pairs = Callable[[Iterable[int]], Iterator[dict[str, Scan]]]
CPU = torch.device("cpu")


@pytest.mark.skipif(not has_default(), reason="this checkout came without weights")
def test_scans_of_the_contrast_lie_nearer_to_each_other_than_those_of_another(pairs_of: Pairs) -> None:
    read = feature_reader(load_model(), "t2", CPU)
    assert read is not None
    heads = list(pairs_of(range(5)))
    crowd = Crowd.of([read(one["t2"]) for one in heads[:3]])
    for one in heads[3:]:
        assert crowd.distance(read(one["t2"])) < 0.5 * crowd.distance(read(one["t1"]))


def test_vectors_are_few_and_do_not_depend_on_the_scale_of_the_intensities(
    tiny_run: object, pairs_of: Pairs
) -> None:
    read = feature_reader(load_model(str(tiny_run)), "t1", CPU)
    assert read is not None
    (pair,) = pairs_of([3])
    rows = read(pair["t1"])
    assert 8 <= len(rows) <= 256
    brighter = replace(pair["t1"], voxels=pair["t1"].voxels * 2)
    np.testing.assert_allclose(read(brighter), rows, atol=0.05)
