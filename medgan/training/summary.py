"""What is drawn when a training ends: loss curves and an animation of the previews."""

from __future__ import annotations

import csv
from pathlib import Path

from medgan.reports.figures import save_animation, save_curves

_PANELS = {
    "adversarial (generators)": ("adversarial_t1", "adversarial_t2"),
    "discriminators": ("discriminator_t1", "discriminator_t2"),
    "cycle": ("cycle_t1", "cycle_t2"),
    "identity": ("identity_t1", "identity_t2"),
    "structure": ("structure_t1", "structure_t2"),
}


def draw_summary(run: Path) -> None:
    """Write `losses.png` and `previews.gif` from what the run has recorded so far."""
    metrics = run / "metrics.csv"
    if metrics.is_file():
        with metrics.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        panels = {
            title: {name: [float(row[name] or "nan") for row in rows] for name in names if name in rows[0]}
            for title, names in _PANELS.items()
            if rows
        }
        panels = {title: lines for title, lines in panels.items() if lines}
        if panels:
            save_curves(panels, [float(row["step"]) for row in rows], run / "losses.png")
    previews = [run / "previews" / "untrained.png", *sorted((run / "previews").glob("epoch_*.png"))]
    previews = [file for file in previews if file.is_file()]
    if previews:
        save_animation(previews, run / "previews.gif")
