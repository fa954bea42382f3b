"""A model that is calibrated states a bound that nine of ten voxels of other heads stay under."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medgan.errors import InputRefusedError, ModelRefusedError
from medgan.evaluation import canonical_voxels, head, judge, to_unit
from medgan.models import load_model
from medgan.models.outline import read_outline
from medgan.scans import Scan
from medgan.synthesis import Synthesizer
from medgan.uncertainty import calibrate

MakePairs = Callable[[Iterable[int]], Iterator[dict[str, Scan]]]


def test_nine_of_ten_voxels_of_heads_held_out_are_under_the_bound(
    calibrated: Path, pairs_of: MakePairs
) -> None:
    synthesizers = [
        Synthesizer(load_model(calibrated), target=key, device="cpu", uncertainty=True)
        for key in ("t2", "t1")
    ]
    shares: dict[str, list[float]] = {"t1": [], "t2": []}
    expected, met = [], []
    for pair in pairs_of(range(2000, 2012)):
        for one in synthesizers:
            made, truth = one(pair[one.source.key]), pair[one.target.key]
            assert made.maps is not None
            judged = judge(made.scan, truth, bound=made.maps.bound)
            assert judged.coverage is not None
            shares[one.target.key].append(judged.coverage)
            inside = head(canonical_voxels(truth))
            unit = [to_unit(canonical_voxels(scan), inside) for scan in (made.scan, truth)]
            met.append(float(np.abs(unit[0] - unit[1])[inside].mean()))
            expected.append(float(canonical_voxels(made.maps.expected)[inside].mean()))
    for key in shares:
        assert np.mean(shares[key]) == pytest.approx(0.9, abs=0.03), key
    assert np.mean(expected) == pytest.approx(np.mean(met), rel=0.15)


def test_the_calibration_is_in_the_model_with_what_it_rests_on(calibrated: Path) -> None:
    manifest = load_model(calibrated).manifest
    assert [one.target for one in manifest.calibration] == [one.target for one in manifest.directions]
    for one in manifest.calibration:
        assert (one.made_from, one.pairs, one.level) == ("simulated", 12, 0.9)
        assert one.weights == manifest.weights_of(one.target)
        assert one.shares[0] <= one.shares[1] <= one.shares[2]
        assert one.shares[1] == pytest.approx(0.9, abs=0.01)
    card = read_outline(calibrated).card
    assert "on 12 simulated heads, each left out in turn" in card
    assert "Acquired scans differ" in card


def test_the_same_pairs_give_the_same_calibration(tiny_run: Path, pairs_of: MakePairs) -> None:
    model = load_model(tiny_run)
    first, second = (
        calibrate(model, pairs_of((7, 8)), made_from="simulated", device="cpu", planes=3) for _ in range(2)
    )
    assert first == second


def test_one_pair_is_refused_with_the_way_out(tiny_run: Path, pairs_of: MakePairs) -> None:
    with pytest.raises(InputRefusedError, match="two pairs at least"):
        calibrate(load_model(tiny_run), pairs_of([7]), made_from="acquired", device="cpu")


def test_scans_of_other_grids_are_no_pair(tiny_run: Path, pairs_of: MakePairs) -> None:
    (pair,) = pairs_of([7])
    moved = replace(pair["t2"], affine=pair["t2"].affine @ np.diag([1.1, 1, 1, 1]))
    with pytest.raises(InputRefusedError, match="T2w scan is not on the grid"):
        calibrate(load_model(tiny_run), [pair | {"t2": moved}], made_from="acquired", device="cpu")


def test_a_model_with_one_direction_has_no_way_back(
    tiny_run: Path, tmp_path: Path, pairs_of: MakePairs
) -> None:
    folder = Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))
    content = json.loads((folder / "model.json").read_text())
    content["directions"] = content["directions"][:1]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelRefusedError, match="no generator"):
        calibrate(load_model(folder), pairs_of((7, 8)), made_from="acquired", device="cpu")
