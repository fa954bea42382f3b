"""What is drawn when a training ends: loss curves and an animation of the previews."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from medgan.reports.figures import save_animation, save_curves
from medgan.training.table import Table

PANELS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "Adversarial loss of the generators": (
        ("adversarial_t1", "adversarial_t2"),
        "Moves up and down as both sides learn; it is no measure of quality.",
    ),
    "Loss of the discriminators": (
        ("discriminator_t1", "discriminator_t2"),
        "Should neither go to 0, where they have won, nor stay where guessing is.",
    ),
    "Cycle error": (("cycle_t1", "cycle_t2"), "There and back again; should fall."),
    "Identity error": (
        ("identity_t1", "identity_t2"),
        "An image of the contrast that is made should come back as it is.",
    ),
    "Structure loss": (("structure_t1", "structure_t2"), "Edges of the source that the fake does not share."),
    "Error on simulated pairs": (
        ("simulated_t1", "simulated_t2"),
        "Should fall in the warm-up and stay low.",
    ),
    "Error on acquired pairs": (("paired_t1", "paired_t2"), "Should fall."),
    "Learning rate": (("learning_rate",), ""),
}
"""By title the losses of a panel, and what they should do."""


def loss_panels(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    """The panels that a table of losses has anything for, by title and loss; NaN where an epoch has no value."""
    known = set().union(*rows) if rows else set()
    panels = {
        title: {name: [row.get(name, math.nan) for row in rows] for name in names if name in known}
        for title, (names, _) in PANELS.items()
    }
    return {title: lines for title, lines in panels.items() if lines}


def previews_of(run: Path) -> list[Path]:
    """The pictures that a run has kept, the oldest first."""
    pictures = [run / "previews" / "untrained.png", *sorted((run / "previews").glob("epoch_*.png"))]
    return [file for file in pictures if file.is_file()]


def draw_summary(run: Path) -> None:
    """Write `losses.png` and `previews.gif` from what the run has recorded so far."""
    rows = Table(run / "metrics.csv").numbers()
    if panels := loss_panels(rows):
        save_curves(panels, [row["step"] for row in rows], run / "losses.png")
    if previews := previews_of(run):
        save_animation(previews, run / "previews.gif")
