"""`medgan train`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import TaskID

from medgan.cli.screen import NOTICE, PathType, Screen, common_options, device_option, duration
from medgan.contrasts import CONTRASTS, contrast
from medgan.launch import tells
from medgan.training.observer import Observer, Status

if TYPE_CHECKING:
    from medgan.training import Plan

_EPILOG = """\b
Examples:
  medgan train --t1-dir T1 --t2-dir T2
  medgan train --t1-dir T1 --t2-dir T2 -o run --recipe seeds --set preparation.size=128
  medgan train --t1-dir T1 --t2-dir T2 -o run --max-minutes 15
  medgan train --t1-dir T1 --t2-dir T2 -o run --resume

The model is in RUN/model; RUN/report.html tells how it goes, and previews of every epoch are in RUN/previews."""


@click.command(epilog=_EPILOG)
@click.option(
    "--t1-dir",
    required=True,
    type=PathType(),
    metavar="DIR",
    help="Folder of T1w scans: NIfTI, DICOM, PNG or JPEG, nested or not.",
)
@click.option("--t2-dir", required=True, type=PathType(), metavar="DIR", help="The same for T2w.")
@click.option(
    "-o",
    "--out",
    default="medgan-run",
    show_default=True,
    type=PathType(),
    metavar="RUN",
    help="Folder of the run; it must be new, but for --resume.",
)
@click.option("--recipe", metavar="NAME|FILE.yaml", help="slices (default), seeds, volumes, or a YAML file.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable."
)
@click.option(
    "--epochs", type=click.IntRange(min=1), metavar="N", help="Passes; the recipe's own if not given."
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Time limit. Given alone, the clock decides the length, and the schedule fits itself to it.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its newest checkpoint.")
@click.option(
    "--init",
    type=PathType(),
    metavar="NAME|DIR|none",
    help="Start from the weights of this model; none for fresh ones. If not given, from those of the model that "
    "comes with medgan, where the recipe's generator is like its own.",
)
@click.option(
    "--labels",
    type=PathType(),
    metavar="DIR",
    help="Label maps to simulate pairs from, for recipes that do so on the fly.",
)
@click.option(
    "--paired-dir",
    type=PathType(),
    metavar="DIR",
    help="Acquired pairs, for a supervised term: T1 and T2 folders with files of the same names, pairs on one grid.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Seed of weights and sampling.  [default: 0]"
)
@device_option
@click.option(
    "--max-memory",
    metavar="SIZE",
    help="What the training may take of the device's memory (CPU: of the machine's), such as 4GB; what is free if not "
    "given. Where that is little, the images of a step go through in parts.",
)
@common_options
def command(
    t1_dir: Path,
    t2_dir: Path,
    out: Path,
    recipe: str | None,
    changes: tuple[str, ...],
    epochs: int | None,
    max_minutes: float | None,
    resume: bool,
    init: Path | None,
    labels: Path | None,
    paired_dir: Path | None,
    seed: int | None,
    device: str,
    max_memory: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Train a CycleGAN on a folder of T1w and a folder of T2w scans, unpaired."""
    screen = Screen(quiet=quiet or not tells(), verbose=verbose and tells())
    from medgan.training import train

    with TrainingScreen(screen) if tells() else nullcontext() as observer:
        run = train(
            t1_dir,
            t2_dir,
            out=out,
            recipe=recipe,
            changes=changes,
            epochs=epochs,
            max_minutes=max_minutes,
            resume=resume,
            init=init,
            labels=labels,
            paired_dir=paired_dir,
            seed=seed,
            device=device,
            max_memory=max_memory,
            observer=observer,
        )
    screen.say(
        f"Done. The model is in {run / 'model'}; look at {run / 'report.html'} and {run / 'previews.gif'}."
    )
    screen.say(f"Next: medgan synthesize SCAN --target t2 --model {run}")
    screen.say(NOTICE)


class TrainingScreen(Observer):
    """Draws a training: its plan, bars with the time left, warnings."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.bars = screen.progress()
        self._preparing: dict[str, TaskID] = {}
        self._training: TaskID | None = None

    def __enter__(self) -> TrainingScreen:
        """Start drawing."""
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing, whatever happened."""
        self.bars.stop()

    def preparing(self, contrast: str, done: int, total: int) -> None:
        """A bar for each folder."""
        if contrast not in self._preparing:
            words = {
                "simulated": "Simulating pairs",
                "paired": "Preparing acquired pairs",
                "calibration": "Calibrating on held-out heads",
            }
            what = words.get(contrast, f"Preparing {contrast}")
            self._preparing[contrast] = self.bars.add_task(what, total=total)
        self.bars.update(self._preparing[contrast], completed=done)

    def planned(self, plan: Plan) -> None:
        """What was found and will be done."""
        from medgan.scans.shown_paths import shown_path

        for task in self._preparing.values():
            self.bars.remove_task(task)
        for line in plan_lines(plan):
            self.screen.say(line)
        for cases in plan.domains.values():
            for error in cases.refused:
                where = f"{shown_path(error.file)}: " if error.file is not None else ""
                self.screen.warn(f"not used: {where}{error.cause}")
            for case in cases.cases:
                for text in case.warnings:
                    self.screen.detail(f"{case.name}: {text}")
        self.screen.say(f"How it goes is in {plan.run / 'report.html'}, which is renewed as it goes on.")
        self._training = self.bars.add_task("Training", total=plan.steps or 1000)

    def stepped(self, status: Status) -> None:
        """Move the bar by steps, or by the clock where that decides."""
        if self._training is not None:
            size = f" at 1/{status.scale} size" if status.scale > 1 else ""
            total = status.steps or 1000
            self.bars.update(
                self._training, completed=int(status.progress * total), description=f"Training{size}"
            )

    def epoch_done(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """A line an epoch, with --verbose."""
        shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items() if name != "learning_rate")
        self.screen.detail(f"Epoch {epoch}: {shown}")

    def chose(self, text: str) -> None:
        """Which step it is."""
        self.screen.say(text)

    def warned(self, text: str) -> None:
        """Above the bars."""
        self.screen.warn(text)


def plan_lines(plan: Plan) -> list[str]:
    """The plan as it is printed."""
    lines = [f"Device: {plan.device.device} ({plan.device.reason}), {plan.precision}"]
    for key in CONTRASTS:
        cases = plan.domains[key]
        shapes = sorted({case.shape for case in cases.cases})
        sizes = " x ".join(map(str, shapes[0])) + (
            f" to {' x '.join(map(str, shapes[-1]))}" if shapes[1:] else ""
        )
        refused = f", {len(cases.refused)} refused" if cases.refused else ""
        lines.append(
            f"{contrast(key).label}: {len(cases.cases)} scans, {cases.slices} slices, prepared to {sizes}{refused}"
        )
    recipe = plan.recipe
    dims = "3D" if recipe.spatial_dims == 3 else "2D" if plan.slab == 1 else f"2.5D ({plan.slab} slices)"
    size = " x ".join(map(str, plan.frame))
    lines.append(
        f"Recipe {recipe.name}: {dims}, {recipe.generator.kind} of {plan.parameters[0] / 1e6:.2f} million parameters, "
        f"batches of {recipe.sampling.batch_size} at {size}"
    )
    if plan.processes > 1 or plan.division:
        lines.append(f"Images of each contrast in a step: {plan.batch}.")
    if recipe.simulation.heads:
        streamed, warmup = recipe.simulation.on_the_fly, plan.warmup
        heads = "heads drawn on the fly" if streamed else f"{recipe.simulation.heads} procedural heads"
        lines.append(
            f"The first {warmup:.0%} is a warm-up on simulated pairs of {heads}; they stay mixed in after that."
            if warmup
            else f"Simulated pairs of {heads} are mixed in."
        )
    lines.append(
        f"Acquired pairs: {plan.paired}, shown as such beside the unpaired scans."
        if plan.paired
        else "No real image is paired."
    )
    if recipe.training.coarse:
        parts = ", ".join(f"{stage.share:.0%} at 1/{stage.scale} size" for stage in recipe.training.coarse)
        lines.append(f"It begins with {parts}, then goes on at full size.")
    if recipe.sampling.match_position:
        lines.append(
            "Images are drawn unpaired from matching heights of the head."
            if plan.matched
            else "Positions are not known on both sides (pictures without numbers), so images are drawn at random."
        )
    length = (
        f"{plan.steps} steps ({plan.epoch_length} an epoch)"
        if plan.steps
        else f"{plan.epoch_length} steps an epoch"
    )
    limit = f", at most {plan.minutes:g} min" if plan.minutes else ""
    done = f", {plan.done} of them done" if plan.done else ""
    guess = plan.estimate
    memory = f", about {guess.memory / 2**30:.1f} GiB of memory" if guess.memory else ""
    lines.append(plan.start)
    lines.append(f"Training: {length}{limit}{done}.")
    lines.append(
        f"Estimate: {duration(guess.seconds)} ({guess.seconds_per_step:.2f} s a full-size step){memory}."
    )
    return lines
