"""Claims about a training's page: it stands alone, one script moves its slider, and what it is told stays text."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.reports.charts import curves, histograms, ticks
from medgan.reports.training import TrainingPage, preview_jpeg, write_training


def page(tmp_path: Path, **changes: Any) -> str:
    previews = []
    for number in range(3):
        Image.fromarray(np.full((40, 60), 80 * number, np.uint8)).save(tmp_path / f"{number}.png")
        previews.append((f"epoch {number}", preview_jpeg(tmp_path / f"{number}.png")))
    chart = curves("Cycle error", "Should fall.", [1, 2, 3], {"T1w": ("t1", [3, 2, 1])})
    assert chart is not None
    given: dict[str, Any] = {
        "heading": "Training with the recipe <made>",
        "state": "Running: step 3.",
        "running": True,
        "numbers": [("10%", "done")],
        "findings": ["The T1w discriminator has won since epoch 40: lower its rate."],
        "watched": True,
        "chosen": "",
        "charts": [chart],
        "previews": previews,
        "tiles": [],
        "histograms": [histograms("t1", "T1w: 2 scans", [((-1.0, 1.0), [1, 2, 3, 4])] * 2)],
        "data": [("T1w", "2 scans")],
        "facts": [("Device", "cpu")],
        "recipe": "name: </pre><script>alert(1)</script>",
    }
    write_training(TrainingPage(**{**given, **changes}), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_loads_nothing(wellformed: Any, tmp_path: Path) -> None:
    text = page(tmp_path)
    parser = wellformed(text)
    assert len(parser.loads) == 3
    assert all(load.startswith("data:image/") for load in parser.loads)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_one_script_is_the_one_that_the_policy_allows(tmp_path: Path) -> None:
    text = page(tmp_path)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
        == policy
    )
    assert "script" not in page(tmp_path, previews=[], recipe=""), "none where there is nothing to move"


def test_what_it_is_told_cannot_become_markup(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "alert(1)</script>" not in text
    assert "the recipe &lt;made&gt;" in text


def test_findings_are_told_and_their_absence_too(tmp_path: Path) -> None:
    assert "has won since epoch 40" in page(tmp_path)
    assert "Nothing that is watched goes wrong" in page(tmp_path, findings=[])
    assert "too early" in page(tmp_path, findings=[], watched=False)
    assert "Reload" not in page(tmp_path, running=False)


def test_a_preview_in_the_page_is_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1500, 3000)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "big.png")
    assert len(preview_jpeg(tmp_path / "big.png")) < 0.15 * (tmp_path / "big.png").stat().st_size


def test_curves_leave_gaps_where_there_is_no_value_and_stay_within_the_chart() -> None:
    values = [5.0, 4.0, math.nan, 2.0, 1.0]
    chart = curves("x", "", [1, 2, 3, 4, 5], {"a": ("t1", values), "none": ("t2", [math.nan] * 5)})
    assert chart is not None
    ((key, name, path),) = chart.lines
    assert (key, name) == ("t1", "a")
    assert path.count("M") == 2
    assert "nan" not in path
    places = [tuple(map(float, place.split(","))) for place in re.findall(r"[\d.]+,[\d.]+", path)]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted(y for _, y in places), "what falls goes down"
    assert all(0 <= x <= 460 and 0 <= y <= 190 for x, y in places)
    assert curves("x", "", [1], {"a": ("t1", [1.0])}) is None, "one point is no curve"


def test_long_curves_are_thinned() -> None:
    many = list(np.linspace(1, 0, 5000))
    chart = curves("x", "", list(range(5000)), {"a": ("t1", many)})
    assert chart is not None
    assert chart.lines[0][2].count(",") == 400


def test_ticks_are_round_and_few() -> None:
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(1, 1) == [1]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_runs_the_script_without_an_error(tmp_path: Path) -> None:
    """The slider is hidden until the script runs, which a wrong checksum would forbid."""
    page(tmp_path)
    browser, profile = str(shutil.which("chromium")), f"--user-data-dir={tmp_path / 'profile'}"
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom")
    done = subprocess.run(
        [browser, *options, profile, (tmp_path / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert '<div class="slide">' in done.stdout
    assert re.search(r'<img class="shown" data-name="epoch 2"', done.stdout)
    assert '<output id="shown" for="epoch">epoch 2</output>' in done.stdout
