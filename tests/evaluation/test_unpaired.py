"""Without a reference, structure and intensities are judged, and each figure answers to what it claims to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.evaluation import canonical_voxels, head
from medgan.evaluation.unpaired import WITHOUT_REFERENCE, domain_of, quantiles, see, structure
from medgan.scans import Scan

Made = Callable[..., Scan]


def figures(prediction: Scan, source: Scan) -> dict[str, float]:
    before = canonical_voxels(source)
    return structure(canonical_voxels(prediction), before, head(before))


def test_the_source_itself_keeps_everything(made: Made) -> None:
    source = made("t1")
    found = figures(source, source)
    assert found["nmi"] == pytest.approx(2)
    assert found["edge_agreement"] == pytest.approx(1)
    assert found["local_correlation"] > 0.95


def test_a_negative_keeps_everything_too(made: Made) -> None:
    source = made("t1")
    before = canonical_voxels(source)
    mask = head(before)
    kept = structure(before.max() - before, before, mask)
    assert kept["edge_agreement"] > 0.97
    assert kept["local_correlation"] > 0.85


def test_the_true_other_contrast_keeps_more_than_another_persons(made: Made) -> None:
    source = made("t1", 1)
    own, others = figures(made("t2", 1), source), figures(made("t2", 2), source)
    for key in own:
        assert own[key] > others[key] + 0.02, key


def test_unrelated_edges_agree_by_a_half(made: Made) -> None:
    source = made("t1", shape=(64, 72, 40), spacing=3.0)
    noise = np.random.default_rng(0).random(source.voxels.shape).astype(np.float32)
    found = figures(replace(source, voxels=noise), source)
    assert found["edge_agreement"] == pytest.approx(0.5, abs=0.02)
    assert found["nmi"] == pytest.approx(1, abs=0.02)
    assert found["local_correlation"] < 0.1


def test_the_distance_of_two_shifted_distributions_is_the_shift() -> None:
    from medgan.evaluation.unpaired import _distance

    even = np.linspace(0, 1, 1001)
    assert _distance(even, even + 0.25) == pytest.approx(0.25)
    assert _distance(even, even**2) == pytest.approx(1 / 6, abs=1e-3)


def test_a_prediction_like_the_targets_is_nearer_to_them_than_its_source_is(made: Made) -> None:
    domain = domain_of(made("t2", noise=0.1, seed=seed) for seed in (2, 3, 4))
    assert domain.count == 3
    found = see(made("t2", noise=0.1, seed=1), made("t1"), domain=domain)
    assert found.wasserstein["prediction"] < 0.1 * found.wasserstein["source"]
    assert (
        found.wasserstein["targets_mean"] <= found.wasserstein["targets_most"] < found.wasserstein["source"]
    )
    assert found.target == "T2w"


def test_each_target_scan_is_measured_from_the_others(made: Made) -> None:
    voxels = canonical_voxels(made("t2"))
    first = quantiles(voxels, head(voxels))
    domain = domain_of([made("t2"), made("t2")])
    np.testing.assert_allclose(domain.mean, first)
    np.testing.assert_allclose(domain.apart, 0, atol=1e-9)
    assert domain_of([made("t2")]).apart == ()


def test_no_head_among_the_targets_is_refused(made: Made) -> None:
    dark = made("t2")
    with pytest.raises(InputRefusedError, match="no scan of the contrast that was made"):
        domain_of([replace(dark, voxels=-dark.voxels)])


def test_another_grid_and_a_synthetic_source_are_told(made: Made) -> None:
    source, prediction = made("t1"), made("t2")
    with pytest.raises(InputRefusedError, match="the source is not on the grid of the prediction"):
        see(prediction, replace(source, voxels=source.voxels[:-1]))
    synthetic = replace(source, source=replace(source.source, facts={"synthetic": True}))
    assert any("itself synthetic" in text for text in see(prediction, synthetic).warnings)
    assert any("both look like T1w" in text for text in see(source, source).warnings)


def test_every_figure_says_what_it_can_and_cannot_say(made: Made) -> None:
    found = see(made("t2"), made("t1"))
    for key in (*found.structure, "wasserstein"):
        assert "Says" in WITHOUT_REFERENCE[key] or "Cannot" in WITHOUT_REFERENCE[key]
    assert found.wasserstein == {}
