"""A prediction is judged beside what takes no learning, and refused where a comparison means nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medgan.errors import InputRefusedError
from medgan.evaluation import canonical_voxels, judge
from medgan.evaluation.judging import Compared, Judged
from medgan.scans import Scan

Made = Callable[..., Scan]


def test_the_truth_itself_beats_both_baselines(made: Made) -> None:
    truth = made("t2")
    judged = judge(truth, truth, source=made("t1"))
    assert judged.foreground.ssim == pytest.approx(1)
    assert set(judged.baselines) == {"copy", "histogram"}
    for key in ("psnr", "ssim", "mae", "nrmse", "r", "nmi"):
        assert judged.gains[key] > 0, key
    assert judged.target == "T2w"


def test_the_source_given_back_gains_nothing(made: Made) -> None:
    source = made("t1")
    judged = judge(replace(source, contrast="t2"), made("t2"), source=source)
    assert judged.baselines["copy"] == judged.foreground
    assert all(gain <= 0 for gain in judged.gains.values())


def test_a_negative_is_what_the_histogram_baseline_finds(made: Made) -> None:
    truth = made("t2")
    source = replace(truth, voxels=truth.voxels.max() - truth.voxels)
    judged = judge(truth, truth, source=source)
    assert judged.baselines["histogram"].r > 0.99
    assert judged.baselines["copy"].r < 0


def test_without_a_source_there_are_neither_baselines_nor_gains(made: Made) -> None:
    judged = judge(made("t2", noise=0.1), made("t2"))
    assert judged.baselines == {}
    assert judged.gains == {}
    assert set(judged.flicker) == {"prediction", "reference"}


def test_more_noise_is_worse_in_every_figure(made: Made) -> None:
    truth = made("t2")
    little, much = (judge(made("t2", noise=noise), truth).foreground.as_dict() for noise in (0.1, 0.5))
    for key in ("psnr", "ssim", "r", "nmi"):
        assert little[key] > much[key]
    assert little["mae"] < much["mae"]


def test_an_oblique_order_of_axes_changes_no_figure(made: Made) -> None:
    truth, spoilt = made("t2"), made("t2", noise=0.2)
    flipped = replace(
        spoilt,
        voxels=np.ascontiguousarray(spoilt.voxels.transpose(2, 0, 1)),
        affine=spoilt.affine[:, [2, 0, 1, 3]],
    )
    assert judge(flipped, truth).foreground == judge(spoilt, truth).foreground


def test_a_mask_decides_where_it_is_scored(made: Made) -> None:
    truth = made("t2")
    spoilt = truth.voxels.copy()
    spoilt[16:] = 0
    left = np.zeros_like(truth.voxels)
    left[8:16, 8:30, 4:12] = 1
    prediction, mask = replace(truth, voxels=spoilt), replace(truth, voxels=left)
    assert judge(prediction, truth, mask=mask).foreground.mae == 0
    assert judge(prediction, truth).foreground.mae > 0.01


def test_other_grids_are_refused_with_a_way_out(made: Made) -> None:
    truth = made("t2")
    cut = replace(truth, voxels=truth.voxels[:-2])
    with pytest.raises(InputRefusedError, match="30 x 40 x 16 voxels against 32 x 40 x 16") as refused:
        judge(cut, truth)
    assert "--register" in refused.value.remedy
    with pytest.raises(InputRefusedError, match="the source is not on the grid of the prediction"):
        judge(truth, truth, source=cut)
    with pytest.raises(InputRefusedError, match="the mask is not on the grid of the prediction"):
        judge(truth, truth, mask=cut)


def test_no_head_is_refused(made: Made) -> None:
    truth = made("t2")
    dark = replace(truth, voxels=-truth.voxels)
    with pytest.raises(InputRefusedError, match="no head was found in the reference"):
        judge(truth, dark)
    few = np.zeros_like(truth.voxels)
    few[:3, :3, :3] = 1
    with pytest.raises(InputRefusedError, match="marks 27 voxels"):
        judge(truth, truth, mask=replace(truth, voxels=few))


def test_what_speaks_against_the_figures_is_told(made: Made) -> None:
    truth = made("t2")
    synthetic = replace(made("t2", noise=0.1), source=replace(truth.source, facts={"synthetic": True}))
    assert judge(synthetic, truth).warnings == ()
    assert any("reference is itself synthetic" in text for text in judge(truth, synthetic).warnings)
    assert any(
        "source is itself synthetic" in text for text in judge(truth, truth, source=synthetic).warnings
    )
    assert any("looks like T1w" in text for text in judge(made("t1"), truth).warnings)
    assert judge(synthetic, truth, doubts=["doubt"]).warnings == ("doubt",)
    assert any("are the same image" in text for text in judge(truth, truth).warnings)


def test_who_looks_sees_the_volumes_that_were_compared(made: Made) -> None:
    seen: list[tuple[Judged, Compared]] = []
    truth, source = made("t2"), made("t1")
    judged = judge(truth, truth, source=source, name="someone", look=lambda *both: seen.append(both))
    assert seen[0][0] is judged
    assert judged.name == "someone"
    np.testing.assert_array_equal(seen[0][1].source, canonical_voxels(source))
    assert seen[0][1].spacing == (5, 5, 5)
