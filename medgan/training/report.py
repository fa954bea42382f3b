"""The page that a run keeps of itself, renewed as it goes on; and what the monitor has to say, told once."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from ignite.engine import Events

from medgan import __version__
from medgan.contrasts import CONTRASTS, contrast
from medgan.memory import peak_memory
from medgan.reports.charts import Curves, Histograms, curves, histograms
from medgan.reports.tiles import Tile, axial_png, evenly
from medgan.reports.training import TrainingPage, preview_jpeg, write_training
from medgan.training.cases import Case
from medgan.training.engine import CycleGANTrainer
from medgan.training.monitor import Finding, Row, look
from medgan.training.observer import Observer
from medgan.training.plan import Plan
from medgan.training.summary import PANELS, loss_panels, previews_of
from medgan.training.table import Table

_SECONDS = 30.0  # between two pages, at least
_SHARE = 100  # times what a page takes to write, between two of them: it costs at most a hundredth
_PREVIEWS = 24  # in the page, evenly chosen
_TILES, _LINES = 6, 20  # of a contrast: slices, and histograms
_SLICES, _BINS = 6, 64  # of a histogram
_JUDGED = {
    "Distance of the grey values": (
        "distance",
        "From the target contrast's, in the same part of the head; 1 is as far as the source copied.",
    ),
    "Structure lost": ("structure", "Edges of the source that the fake does not share; 1 is as by chance."),
}


class Report:
    """Writes `report.html` into the run folder: at the start, as epochs end, and at the end.

    Args:
        plan: of the training.
        observer: told what the monitor finds, once until it is mended.
    """

    def __init__(self, plan: Plan, observer: Observer) -> None:
        self.plan, self.observer = plan, observer
        self._losses = Table(plan.run / "metrics.csv")
        self._judged = Table(plan.run / "judgements.csv")
        self._said: set[str] = set()
        self._pictures: dict[Path, str] = {}
        self._last, self._cost, self._before = -float("inf"), 0.0, 0.0

    def attach(self, engine: CycleGANTrainer) -> None:
        """Register with the engine, after what writes the tables and the previews."""
        self._before = engine.training.elapsed
        engine.add_event_handler(Events.STARTED, self._write)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: CycleGANTrainer) -> None:
        """After an epoch."""
        if time.monotonic() - self._last >= max(_SECONDS, _SHARE * self._cost):
            self._write(engine)

    def finish(self, engine: CycleGANTrainer, *, ended: str, chosen: str = "") -> None:
        """Write the page of a training that has ended.

        Args:
            engine: the training.
            ended: how, such as `Finished`.
            chosen: which step the model is of, and why.
        """
        self._write(engine, ended=ended, chosen=chosen)

    def _write(self, engine: CycleGANTrainer, *, ended: str = "", chosen: str = "") -> None:
        started = time.monotonic()
        losses, judged = self._losses.numbers(), self._judged.numbers()
        findings = look(losses, judged)
        self._tell(engine, findings)
        plan = self.plan
        page = TrainingPage(
            heading=f"Training with the recipe {plan.recipe.name}",
            state=self._state(engine, ended),
            running=not ended,
            numbers=self._numbers(engine),
            findings=[*_doubts(plan), *(finding.text for finding in findings)],
            watched=len(losses) > 0 and len(judged) > 0,
            chosen=chosen,
            charts=_charts(losses, judged),
            previews=list(self._previews()),
            tiles=self._tiles,
            histograms=self._histograms,
            data=_data(plan),
            facts=_facts(plan),
            recipe=(plan.run / "recipe.yaml").read_text(encoding="utf-8"),
        )
        write_training(page, plan.run / "report.html")
        self._last, self._cost = time.monotonic(), time.monotonic() - started

    def _tell(self, engine: CycleGANTrainer, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.key not in self._said:
                self.observer.warned(f"step {engine.training.step}: {finding.text}")
        self._said = {finding.key for finding in findings}

    def _state(self, engine: CycleGANTrainer, ended: str) -> str:
        step, now = engine.training.step, datetime.datetime.now(datetime.timezone.utc)
        of = f" of {self.plan.steps:,}" if self.plan.steps else ""
        how = ended or ("Running" if step else "Beginning")
        stamp = f"as of {now:%Y-%m-%d %H:%M:%S} UTC"
        return f"{how}: step {step:,}{of}, {engine.progress:.0%} of the training, {stamp}."

    def _numbers(self, engine: CycleGANTrainer) -> list[tuple[str, str]]:
        training = engine.training
        minutes, left = training.elapsed / 60, ""
        if 0.02 < engine.progress < 1:
            left = f", about {minutes * (1 / engine.progress - 1):.0f} left"
        found = [
            (f"{engine.progress:.0%}", f"done, {training.step:,} steps"),
            (f"{training.step / self.plan.epoch_length:.4g}", f"epochs of {self.plan.epoch_length} steps"),
            (f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}", f"minutes of training{left}"),
        ]
        if done := training.step - self.plan.done:
            spent = training.elapsed - self._before
            found.append((f"{spent / done:.2g}", "seconds a step, previews and all"))
        if memory := peak_memory(engine.torch_device):
            found.append((f"{memory / 2**30:.1f}", "GiB of memory at most"))
        return found

    def _previews(self) -> Iterator[tuple[str, str]]:
        chosen = evenly(previews_of(self.plan.run), _PREVIEWS)
        self._pictures = {file: self._pictures.get(file) or preview_jpeg(file) for file in chosen}
        for file, jpeg in self._pictures.items():
            name, _, number = file.stem.partition("_")
            yield (f"{name} {int(number)}" if number else name), jpeg

    @cached_property
    def _tiles(self) -> list[Tile]:
        tiles = []
        for key in CONTRASTS:
            cases = self.plan.domains[key].cases
            for case in evenly(cases, _TILES):
                low, high = case.head[2]
                plane = case.voxels()[:, :, (low + high) // 2].astype(np.float32)
                png = axial_png(plane, case.spacing, low=-1.0, high=1.0)
                label = f"{contrast(key).label} scan {cases.index(case) + 1}"
                tiles.append(Tile(label, key, png, sided=case.kind != "picture"))
        return tiles

    @cached_property
    def _histograms(self) -> list[Histograms]:
        found = []
        for key in CONTRASTS:
            cases = self.plan.domains[key].cases
            shown = evenly(cases, _LINES)
            some = f", {len(shown)} of them shown" if len(shown) < len(cases) else ""
            title = f"{contrast(key).label}: {len(cases)} scan{'s' if len(cases) > 1 else ''}{some}"
            found.append(histograms(key, title, [((-1.0, 1.0), _counted(case)) for case in shown]))
        return found


def _counted(case: Case) -> list[float]:
    """How often each intensity is in the head, on a few slices."""
    voxels, chosen = case.voxels(), evenly(case.slices, _SLICES)
    seen = np.stack([voxels[:, :, index] for index in chosen]).astype(np.float32)
    counts, _ = np.histogram(seen[seen > -0.95], bins=_BINS, range=(-1, 1))
    return [float(count) for count in counts]


def _charts(losses: Sequence[Row], judged: Sequence[Row]) -> list[Curves]:
    drawn = []
    epochs = [row["epoch"] for row in losses]
    for title, lines in loss_panels(losses).items():
        named = {_label(name): (_colour(name), values) for name, values in lines.items()}
        drawn.append(curves(title, PANELS[title][1], epochs, named))
    if judged:
        epochs = [row["epoch"] for row in judged]
        for title, (name, note) in _JUDGED.items():
            found = {
                contrast(key).label: (key, [row[f"{name}_{key}"] for row in judged]) for key in CONTRASTS
            }
            drawn.append(curves(title, note, epochs, found))
    return [chart for chart in drawn if chart is not None]


def _label(name: str) -> str:
    key = name.rpartition("_")[2]
    return contrast(key).label if key in CONTRASTS else ""


def _colour(name: str) -> str:
    key = name.rpartition("_")[2]
    return key if key in CONTRASTS else "none"


def _data(plan: Plan) -> list[tuple[str, str]]:
    rows = []
    for key, cases in plan.domains.items():
        shapes = sorted({case.shape for case in cases.cases})
        sizes = " to ".join(" × ".join(map(str, shape)) for shape in dict.fromkeys((shapes[0], shapes[-1])))
        kinds = ", ".join(sorted({case.kind for case in cases.cases}))
        refused = f"; {len(cases.refused)} refused (medgan inspect says why)" if cases.refused else ""
        rows.append(
            (
                contrast(key).label,
                f"{len(cases.cases)} scans ({kinds}), {cases.slices} slices, prepared to {sizes}{refused}",
            )
        )
    simulation = plan.recipe.simulation
    if simulation.heads:
        use = f"the first {plan.warmup:.0%} is a warm-up on them" if plan.warmup else "mixed in"
        rows.append(("Simulated pairs", f"of {simulation.heads} heads; {use}"))
    rows.append(("Acquired pairs", f"{plan.paired}" if plan.paired else "none: no real image is paired"))
    heights = "from matching heights of the head" if plan.matched else "at random"
    return [*rows, ("Drawn", f"{heights}, at {' × '.join(map(str, plan.frame))}")]


def _doubts(plan: Plan) -> list[str]:
    """What was warned of the scans, without the names that the command line gives."""
    return [
        f"Warnings of scans in the {contrast(key).label} folder: {len(cases.warnings)}, such as one that looks like "
        "the other contrast. `medgan inspect` on the folder says which."
        for key, cases in plan.domains.items()
        if cases.warnings
    ]


def _facts(plan: Plan) -> list[tuple[str, str]]:
    generator, discriminator = plan.parameters
    limit = f"at most {plan.minutes:g} min" if plan.minutes else ""
    length = f"{plan.steps:,} steps" if plan.steps else ""
    return [
        ("Begins with", plan.start),
        ("Length", ", ".join(filter(None, (length, limit)))),
        ("Device", f"{plan.device.device} ({plan.device.reason}), {plan.precision}"),
        ("Generators", f"{plan.recipe.generator.kind}, {generator:,} parameters each"),
        ("Discriminators", f"{discriminator:,} parameters each"),
        ("Slices seen at once", str(plan.slab)),
        ("Images of each contrast in a step", plan.batch),
        (
            "Estimate",
            f"{plan.estimate.seconds / 60:.1f} min ({plan.estimate.seconds_per_step:.2g} s a step of full size)",
        ),
        ("medgan", __version__),
    ]
