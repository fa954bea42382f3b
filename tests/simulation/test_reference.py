"""The page on simulation says what the tables say."""

from __future__ import annotations

from pathlib import Path

from medgan.simulation import tissues

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulation.md"


def test_the_page_has_every_tissue_with_its_values() -> None:
    page = PAGE.read_text(encoding="utf-8")
    low, high = tissues(1.5), tissues(3.0)
    for name, tissue in low.items():
        values = f"{tissue.t1_ms:g} / {tissue.t2_ms:g} | {high[name].t1_ms:g} / {high[name].t2_ms:g}"
        assert f"| `{name}` | {values} | {tissue.proton_density:g} | {tissue.spread:.0%} |" in page
