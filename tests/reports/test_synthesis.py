"""The page of a result: it stands alone, shows source and result in a viewer where it can, and names no one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.reports.side_by_side import SideBySide
from medgan.reports.synthesis import niivue, steps_in_words, write_synthesis
from medgan.scans import Scan, Source, build_sidecar, read_nifti, read_picture
from medgan.scans.marks import is_synthetic_image

READY = "document.getElementById('viewer').dataset.state == 'ready'"
RECORD: dict[str, Any] = {
    "steps": [
        {"step": "orientation", "from": "LPS", "to": "RAS"},
        {"step": "foreground", "found": True, "share": 0.31},
        {"step": "n4", "shrink": 4, "iterations": [50, 40]},
        {"step": "intensity", "percentiles": [0.5, 99.5], "range": {"low": 3.0, "high": 812.0}},
        {
            "step": "resampling",
            "from_shape": [32, 40, 36],
            "to_shape": [64, 80, 36],
            "from_spacing": [2.0, 2.0, 5.0],
            "to_spacing": [1.0, 1.0, 5.0],
            "interpolation": "bicubic",
        },
        {"step": "padding", "shape": [64, 96, 36]},
        {"step": "new one", "strength": 3},
    ]
}


def sidecar_of(source: Scan, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    return build_sidecar(
        source=source.source,
        from_contrast="t1",
        to_contrast="t2",
        model_name="a <model>",
        model_sha256="ab" * 32,
        preparation=RECORD,
        device="cpu",
        warnings=warnings,
        extra={"InputSHA256": "cd" * 32, "OutputSHA256": {"result.nii.gz": "ef" * 32}},
    )


def write(path: Path, source: Scan, result: Scan, **more: Any) -> Path:
    high = float(source.voxels.max()), float(result.voxels.max())
    shown = SideBySide(
        source,
        replace(result, contrast="t2", source=source.source),
        source_window=(0.0, high[0]),
        result_window=(0.0, high[1]),
        source_contrast="t1",
    )
    write_synthesis(
        shown,
        path,
        sidecar=sidecar_of(source, more.pop("warnings", ())),
        description="medgan 1.0 synthetic T2w from T1w",
        learnt=(2.0, 345.0),
        **more,
    )
    return path


@pytest.fixture(scope="session")
def heads(head: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, Scan]:
    """T1w and T2w of one person."""
    folder = tmp_path_factory.mktemp("heads")
    return read_nifti(head(folder / "t1.nii.gz", "t1", 1)), read_nifti(head(folder / "t2.nii.gz", "t2", 1))


@pytest.fixture(scope="session")
def page(heads: tuple[Scan, Scan], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a map of the uncertainty."""
    source, result = heads
    spread = replace(result, voxels=np.abs(result.voxels) / 10)
    path = tmp_path_factory.mktemp("page") / "sub-1_desc-medganFromT1w_T2w.html"
    return write(path, source, result, warnings=("this model <expects> T1w",), uncertainty=spread)


def test_the_page_is_well_formed_and_loads_nothing(wellformed: Any, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser = wellformed(text)
    assert parser.loads
    assert all(load.startswith("data:image/png;base64,") for load in parser.loads)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_page_tells_what_was_done_by_what_and_the_warnings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for said in (
        "SYNTHETIC - research only, not for diagnosis",
        "this model &lt;expects&gt; T1w",
        "a &lt;model&gt;",
        "ab" * 32,
        "cd" * 32,
        "ef" * 32,
        "axes turned from LPS to RAS",
        "3 to 812 became the network&#39;s range",
        "2 to 345",
        "sub-1_desc-medganFromT1w_T2w",
    ):
        assert said in text, said
    assert is_synthetic_image(page)


def test_the_page_holds_the_licences_of_the_code_in_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "NiiVue 0.69.0 (BSD-2-Clause)" in text
    assert "Copyright (c) 2021, Niivue" in text
    assert text.count("Permission is hereby granted, free of charge") >= 9


def test_the_page_says_what_the_colours_of_the_uncertainty_mean(
    page: Path, heads: tuple[Scan, Scan], tmp_path: Path
) -> None:
    highest = float(np.percentile(heads[1].voxels / 10, 99.9))
    assert f"</i>{highest:.3g} of the range" in page.read_text(encoding="utf-8")
    without = write(tmp_path / "page.html", *heads).read_text(encoding="utf-8")
    assert "of the range</span>" not in without


def test_each_step_is_told_in_words_and_a_new_one_by_its_entries() -> None:
    told = dict(steps_in_words(RECORD))
    assert told["foreground"] == "the head was found: 31 % of the image"
    assert told["resampling"].startswith(
        "32 × 40 × 36 voxels of 2 × 2 × 5 mm to 64 × 80 × 36 voxels of 1 × 1 × 5 mm"
    )
    assert told["new one"] == "strength 3"
    assert len(told) == len(RECORD["steps"])


def test_the_library_in_the_package_is_the_one_that_its_record_states() -> None:
    vendor = files("medgan.reports").joinpath("vendor/niivue")
    code = vendor.joinpath("niivue.umd.js").read_bytes()
    stated = json.loads(vendor.joinpath("niivue.json").read_text())
    assert hashlib.sha256(code).hexdigest() == stated["sha256"]
    assert len(code) < 4 * 2**20
    assert "Redistribution and use" in vendor.joinpath("LICENSE").read_text()
    packed = niivue()
    assert gzip.decompress(base64.b64decode(packed.packed)) == code
    assert stated["version"] in packed.about
    assert base64.b64encode(hashlib.sha256(code).digest()).decode() in packed.checksum


def test_the_viewer_draws_both_without_a_complaint_or_a_request(page: Path, browser: Any) -> None:
    browser.open(page, until=READY)
    for canvas in ("#view-source", "#view-result"):
        picture = browser.picture(of=canvas).astype(float)
        assert picture.std() > 20, f"{canvas} is not drawn"
    feet = [browser.picture(of=canvas)[-24:, 20:-20] for canvas in ("#view-source", "#view-result")]
    assert (feet[0] > 200).sum() == 0
    assert (feet[1] > 200).sum() > 100, "the result alone is marked, in the canvas itself"
    assert browser.complaints == []
    assert browser.requests == []


def test_a_click_in_one_view_moves_the_crosshair_of_both(page: Path, browser: Any) -> None:
    browser.open(page, until=READY)
    browser.value("document.querySelector('[data-show=axial]').click()")
    places = "viewers.map(one => Array.from(one.scene.crosshairPos))"
    before = browser.value(places)
    for canvas in ("#view-result", "#view-source"):
        down = 0.4 if canvas == "#view-result" else 0.55
        browser.click(canvas, across=0.55, down=down)
        browser.until(f"JSON.stringify({places}) != {json.dumps(json.dumps(before, separators=(',', ':')))}")
        here, there = before = browser.value(places)
        assert np.allclose(here, there, atol=1e-5)
    said = browser.value("[...document.querySelectorAll('#viewer output')].map(one => one.textContent)")
    assert re.fullmatch(r"-?[\d.]+", said[0])
    assert "uncertainty" in said[1]
    assert browser.complaints == []


def test_the_uncertainty_is_laid_over_the_result_by_a_slider(page: Path, browser: Any) -> None:
    browser.open(page, until=READY)
    before = browser.picture(of="#view-result").astype(float)
    browser.value(
        "(() => { const s = document.getElementById('viewer-uncertainty'); s.value = 80;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    browser.until("viewers[1].volumes[1].opacity == 0.8")
    after = browser.picture(of="#view-result").astype(float)
    colour = [np.ptp(picture, axis=2).mean() for picture in (before, after)]
    assert colour[1] > 3 * colour[0]


def test_the_page_follows_the_scheme_and_prints_without_the_viewer(page: Path, browser: Any) -> None:
    browser.open(page, until=READY)
    for scheme in ("dark", "light"):
        browser.appear(scheme=scheme)
        assert (browser.picture()[5, 5].mean() < 60) == (scheme == "dark")
        browser.appear(scheme=scheme, medium="print")
        assert browser.picture()[5, 5].mean() > 250
        assert browser.value("document.getElementById('viewer').getBoundingClientRect().right") < 0
    browser.appear()
    assert browser.complaints == []


def test_without_webgl_the_page_says_so_and_keeps_its_slices(
    page: Path, start_browser: Callable[..., Any]
) -> None:
    browser = start_browser("--disable-3d-apis")
    browser.open(page, until="document.getElementById('viewer').dataset.state != 'starting'")
    said = browser.value("document.querySelector('#viewer .without').innerText")
    assert "has no WebGL 2. The slices below show the same images." in said
    assert browser.value("document.getElementById('view-source').offsetHeight") == 0
    assert browser.value("document.querySelectorAll('.strip img').length") > 20
    assert browser.complaints == []
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    said = browser.value("document.querySelector('#viewer .without').innerText")
    assert "scripts are not run here" in said


def test_the_viewer_shows_the_patients_right_on_the_left_as_the_slices_do(
    tmp_path: Path, browser: Any
) -> None:
    voxels = np.full((20, 24, 12), 0.2, np.float32)
    voxels[:6] = 1.0  # in LPS, the patient's right
    source = Scan(
        voxels=voxels,
        affine=np.diag([-4.0, -4.0, 6.0, 1.0]),
        source=Source(path=Path("scan.nii.gz"), kind="nifti", stem="scan"),
    )
    path = write(tmp_path / "turned.html", source, source)
    browser.open(path, until=READY)
    browser.value("document.querySelector('[data-show=axial]').click()")
    browser.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    viewer = browser.picture(of="#view-source").astype(float)
    slices = browser.value("document.querySelector('.strip img').src").partition(",")[2]
    slices = np.asarray(Image.open(io.BytesIO(base64.b64decode(slices)))).astype(float)
    for picture in (viewer.mean(axis=2), slices):
        left, right = np.array_split(picture, 2, axis=1)
        assert left.mean() > 1.5 * right.mean()
    assert browser.value("document.querySelector('.side.left').textContent") == "R"


def test_a_picture_is_shown_flat_and_without_sides(tmp_path: Path, browser: Any) -> None:
    ramp = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    Image.fromarray(ramp).save(tmp_path / "slice_T1.png")
    source = read_picture(tmp_path / "slice_T1.png")
    path = write(tmp_path / "slice.html", source, source)
    assert 'class="side' not in path.read_text(encoding="utf-8")
    browser.open(path, until=READY)
    assert browser.value("document.querySelectorAll('[data-show]').length") == 0
    seen = browser.picture(of="#view-source").mean(axis=(0, 2))
    inside = np.flatnonzero(seen > 10)
    assert inside.size > 100
    assert seen[inside[-3]] > seen[inside[len(inside) // 2]] > seen[inside[3]], "as it lies in its file"
    assert browser.complaints == []
