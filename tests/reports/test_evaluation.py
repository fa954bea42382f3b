"""Claims about the page: it stands alone, tells the figures beside the baselines, and marks what is synthetic."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.evaluation import judge
from medgan.evaluation.document import to_document
from medgan.evaluation.judging import Judged
from medgan.reports.evaluation import charts, write_evaluation
from medgan.reports.evaluation_album import Album
from medgan.scans import Scan, read_nifti


@pytest.fixture
def made(head: Callable[..., Path], tmp_path: Path) -> Callable[..., Scan]:
    def make(contrast: str, noise: float = 0.0) -> Scan:
        scan = read_nifti(head(tmp_path / "made" / f"{contrast}.nii.gz", contrast, 1))
        spoilt = np.random.default_rng(0).normal(0, max(noise, 1e-9) * scan.voxels.std(), scan.voxels.shape)
        return replace(scan, voxels=scan.voxels + spoilt.astype(np.float32))

    return make


def judged_with(
    album: Album, made: Callable[..., Scan], noises: list[float], *, source: bool = True
) -> list[Judged]:
    truth, before = made("t2"), made("t1") if source else None
    return [
        judge(made("t2", noise), truth, source=before, name=f"noise <{noise}>", look=album)
        for noise in noises
    ]


def page(tmp_path: Path, judged: list[Judged], album: Album, left_out: list[str] | None = None) -> str:
    document = to_document(judged, left_out=left_out or ())
    write_evaluation(document, judged, tmp_path / "report.html", cases=album.cases)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_loads_nothing(
    wellformed: Any, tmp_path: Path, made: Callable[..., Scan]
) -> None:
    album = Album()
    text = page(
        tmp_path, judged_with(album, made, [0.1, 0.4, 0.2]), album, ["sub-9: no reference of that name"]
    )
    parser = wellformed(text)
    assert len(parser.loads) == 3 * (4 * 4 + 1)
    assert all(load.startswith("data:image/png;base64,") for load in parser.loads)
    assert not re.search(r"https?:|url\(|@import|<script", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "sub-9: no reference of that name" in text


def test_names_cannot_become_markup(tmp_path: Path, made: Callable[..., Scan]) -> None:
    album = Album()
    text = page(tmp_path, judged_with(album, made, [0.1]), album)
    assert "noise &lt;0.1&gt;" in text
    assert "noise <" not in text


def test_the_worst_comes_first_and_of_many_the_worst_and_best_are_kept(made: Callable[..., Scan]) -> None:
    album = Album(most=3)
    judged_with(album, made, [0.1, 0.3, 0.5, 0.2, 0.4])
    assert [case.name for case in album.cases] == ["noise <0.5>", "noise <0.4>", "noise <0.1>"]


def test_the_prediction_alone_is_marked_in_its_picture(made: Callable[..., Scan]) -> None:
    album = Album()
    truth = made("t2")
    judge(truth, truth, source=truth, look=album)
    columns = album.cases[0].columns
    assert columns == ("source", "prediction", "reference", "difference")
    for _, row in album.cases[0].rows:
        shown = dict(zip(columns, row, strict=True))
        assert shown["source"] == shown["reference"]
        assert shown["prediction"] != shown["reference"]
        difference = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["difference"]))))
        assert difference.max() == 0


def test_the_mark_is_seen_on_white_too(made: Callable[..., Scan]) -> None:
    album = Album()
    truth = made("t2")
    white = replace(truth, voxels=np.full_like(truth.voxels, truth.voxels.max()))
    white.voxels[::7, ::7] = 0  # which is not flat
    judge(white, truth, look=album)
    shown = dict(zip(album.cases[0].columns, album.cases[0].rows[0][1], strict=True))
    upper = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["prediction"]))))[:14, 4:60]
    assert (upper < 60).mean() > 0.2
    assert (upper > 200).mean() > 0.1


def test_what_is_too_bright_is_orange_and_what_is_too_dark_blue(made: Callable[..., Scan]) -> None:
    album = Album()
    truth = made("t2")
    voxels = truth.voxels.copy()
    inside = voxels > np.percentile(voxels, 60)
    voxels[16:][inside[16:]] += 0.3 * voxels.max()  # the patient's right
    judge(replace(truth, voxels=voxels), truth, look=album)
    _, row = album.cases[0].rows[1]
    difference = np.asarray(Image.open(io.BytesIO(base64.b64decode(row[-1])))).astype(float)
    half = difference.shape[1] // 2
    left, right = difference[:, :half].sum(axis=(0, 1)), difference[:, half:].sum(axis=(0, 1))
    assert left[0] > 2 * left[2]
    assert right[2] > 2 * right[0]


def test_a_page_without_baselines_says_so(tmp_path: Path, made: Callable[..., Scan]) -> None:
    album = Album()
    judged = judged_with(album, made, [0.1, 0.2], source=False)
    assert charts(judged) == []
    text = page(tmp_path, judged, album)
    assert "there are no baselines" in text
    assert album.cases[0].columns == ("prediction", "reference", "difference")


def test_charts_stay_inside_their_frame(made: Callable[..., Scan]) -> None:
    found = charts(judged_with(Album(), made, [0.1, 0.2]))
    assert [chart.title for chart in found] == ["SSIM", "PSNR, dB", "r"]
    for chart in found:
        assert len(chart.lines) == 2
        for x, y in (point for line in chart.lines for point in line):
            assert 0 < x < 300
            assert 0 < y < 180
        assert chart.ticks


def test_five_subjects_have_boxes_from_quartile_to_quartile(
    made: Callable[..., Scan], tmp_path: Path
) -> None:
    album = Album()
    judged = judged_with(album, made, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert all(not chart.boxes for chart in charts(judged[:4]))
    chart = charts(judged)[0]
    assert [x for x, _ in chart.boxes] == [x for x, _ in chart.places]
    for column, (_, heights) in enumerate(chart.boxes):
        own = sorted(line[column][1] for line in chart.lines)
        assert heights == pytest.approx(own)
    assert page(tmp_path, judged, album).count('class="box"') == 9


def test_a_picture_of_one_slice_has_a_page(tmp_path: Path, made: Callable[..., Scan]) -> None:
    album = Album()
    truth = made("t2")
    flat = replace(truth, voxels=truth.voxels[:, :, 8:9])
    judged = [judge(flat, flat, source=flat, look=album)]
    assert len(album.cases[0].rows) == 1
    assert "Pictures" in page(tmp_path, judged, album)
