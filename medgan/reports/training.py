"""A training as one page that needs no network: what it sees, how it goes, what it has made so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medgan.files import write_text
from medgan.reports.charts import FOOT, HEIGHT, LEFT, WIDTH, Curves, Histograms
from medgan.reports.pages import embedded, render
from medgan.reports.tiles import Tile

_WIDEST = 1000  # pixels of a preview in the page
_QUALITY = 78


@dataclass(frozen=True, kw_only=True)
class TrainingPage:
    """What the page shows.

    Attributes:
        heading: the name of the recipe, and what for.
        state: where the training stands, in a sentence.
        running: whether it goes on.
        numbers: a few large ones, each with what it is.
        findings: what goes wrong, and what to do, a sentence or two each; empty where nothing does.
        watched: whether there was anything to judge yet.
        chosen: which step the model is of and why, in a sentence; empty while that is open.
        charts: curves over the epochs.
        previews: for each its name and a JPEG as base64, the oldest first.
        tiles: a slice of some scans as the networks see them.
        histograms: their intensities by contrast.
        data: of the scans, as headings and texts.
        facts: of the run, as headings and texts.
        recipe: the settings, as YAML.
    """

    heading: str
    state: str
    running: bool
    numbers: Sequence[tuple[str, str]]
    findings: Sequence[str]
    watched: bool
    chosen: str
    charts: Sequence[Curves]
    previews: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    histograms: Sequence[Histograms]
    data: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    recipe: str


def write_training(page: TrainingPage, path: Path) -> None:
    """Write the page: one HTML file without any reference to another, for light, dark and paper.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    size = (WIDTH, HEIGHT, FOOT, LEFT)
    write_text(path, render("training.html.j2", page=page, chart=size))


def preview_jpeg(path: Path) -> str:
    """A preview as it goes into the page: not as wide and not as exact as the file, and a fraction of its size."""
    from PIL import Image

    with Image.open(path) as picture:
        grey = picture.convert("L")
    grey.thumbnail((_WIDEST, _WIDEST), Image.Resampling.LANCZOS)
    return embedded(grey, format="JPEG", quality=_QUALITY)
