"""What the documentation says is so."""

from __future__ import annotations

import re
from pathlib import Path

from snippets import docs_module

ROOT = Path(__file__).parents[2]


def test_the_page_of_recipes_is_what_the_settings_say() -> None:
    module = docs_module("make_recipes_page")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_recipes_page.py"


def test_every_line_of_the_robustness_page_is_proved_by_tests_and_every_such_test_has_a_line() -> None:
    module = docs_module("make_robustness_page")
    entries = {row: text for section in module.rows().values() for row, text in section.items()}
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    marked = set(re.findall(r'robustness\("([^"]+)"', tests))
    assert marked - entries.keys() == set()
    unproved = {row for row, text in entries.items() if "count" not in text and f'"{row}"' not in tests}
    assert unproved == set()
    page = module.PAGE.read_text(encoding="utf-8")
    for row, text in entries.items():
        assert f"| `{row}` | {text['tried']} |" in page, "run python docs/make_robustness_page.py"


def test_the_plan_for_a_large_cohort_follows_from_what_was_measured_and_assumed() -> None:
    module = docs_module("make_planning_page")
    rows = [
        {"command": "medgan synthesize, 1 mm head", "seconds": 9.0, "peak_bytes": 2**30},
        {
            "command": "medgan synthesize, 11 heads of 1 mm, --workers 2",
            "seconds": 44.0,
            "scans": 11,
            "input_bytes": 110e6,
            "output_bytes": 66e6,
        },
    ]
    commands = {"where": "a machine", "cores": 2, "rows": rows}
    options = module.parsed(
        ["-", "--scans", "9000", "--slower", "1", "--price", "0.1", "--spot", "0.5", "--lost", "0.5"]
    )
    page = module.page(commands, options)
    assert "start included | 4.0 s each |" in page
    assert "| start of a worker (libraries, model) and its first scan | 9.0 s |" in page
    assert "20 core-hours: 9,000 x 4.0 s x 2 cores x 1" in page
    assert "They cost 2; on spot machines 2, with 50% lost" in page
    assert "| 10 | 1.0 | 2.0 |" in page
    assert "Scans take 0.09 TB, results 0.05 TB" in page


def test_the_page_of_speeds_follows_from_what_the_benchmarks_wrote() -> None:
    module = docs_module("make_speed_page")
    step = {"batch": 2, "seconds_per_step": 1.0, "times_the_floor": 7.0, "peak_bytes": 2**30, "slab": 1}
    steps = [
        {**step, "what": "cyclegan_2017", "size": 64, "seconds_per_image": 3.0},
        {**step, "what": "slices", "size": 64, "seconds_per_image": 0.25},
        {**step, "what": "notebooks", "size": 64, "seconds_per_image": 0.5},
        {**step, "what": "seeds", "size": 64, "seconds_per_image": 0.2},
    ]
    scores = {"ssim_to_t2": 0.5, "r_to_t2": 0.6, "ssim_to_t1": 0.7, "r_to_t1": 0.8}
    judged = {"method": "slices", "minutes": 4.0, "heads": 3, "steps": 90, **scores}
    prepared = dict.fromkeys(("reading", "reading_plainly", "preparing", "prepared_before", "floor"), 0.125)
    found = {
        "training_step": {"where": "a machine", "device": "cpu", "threads": 2, "rows": steps},
        "quality": {"rows": [judged]},
        "preparing": {"rows": [{"kind": "dicom", "peak_bytes": None, **prepared}]},
        "synthesis": {
            "rows": [{"command": "medgan x", "seconds": 30.0, "scans": 10, "peak_bytes": 2**31}],
            "parts": {"network": 2.151},
        },
    }
    page = module.page(found, "TOLD")
    assert "| `slices` | 64² | 2 | 1.000 | 0.250 | 12.0 | - | 7.0 | 1.00 GiB |" in page
    assert "| `seeds` | 64² | 2 | 1.000 | 0.200 | 15.0 | 2.5 |" in page
    assert "| slices | 90 | 0.500 (0.60) | 0.700 (0.80) |" in page
    assert "| dicom | 0.125 | 0.125 | 0.125 | 0.125 | 0.125 | ? |" in page
    assert "| `medgan x` | 30.0 | 3.0 | 2.00 GiB |" in page
    assert "| network | 2.15 |" in page and page.endswith("TOLD")
