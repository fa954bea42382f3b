"""One training after its arguments are settled: what it consists of, and how it runs to its end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medgan import __version__
from medgan.devices import DeviceChoice
from medgan.errors import (
    InputRefusedError,
    ModelRefusedError,
)
from medgan.files import write_json
from medgan.recipe import Recipe, save_recipe
from medgan.training.anatomies import Anatomies
from medgan.training.cases import Cases
from medgan.training.checkpoints import load_newest
from medgan.training.course import follow, lead
from medgan.training.division import WHOLE, Division, choose_division, steps_shown
from medgan.training.engine import CycleGANTrainer
from medgan.training.memory import find_limit
from medgan.training.observer import Observer
from medgan.training.pace import Pace, choose_pace, usual_pace
from medgan.training.plan import Plan, estimate
from medgan.training.sampling import Batches
from medgan.training.schedule import Schedule
from medgan.training.start import Start, begin
from medgan.training.state import TrainingState
from medgan.training.streaming import PairStream
from medgan.training.team import Team

_SEEDS = 2**31


@dataclass
class Job:
    """One call of `train`, after its arguments are settled."""

    folder: Path
    recipe: Recipe
    domains: dict[str, Cases]
    simulated: dict[str, Cases] | Anatomies
    paired: dict[str, Cases] | None
    device: DeviceChoice
    schedule: Schedule
    epoch_length: int
    seed: int
    start: Start
    observer: Observer
    team: Team = field(default_factory=Team)
    processes: int = 1
    max_memory: int | None = None
    division: Division = WHOLE
    known_pace: Pace | None = None

    def __post_init__(self) -> None:
        self.slab = _slab(self.recipe, self.domains)
        self.batches = self._batches(self.domains)
        self.pairs = self._pairs()
        self.acquired: Batches | None = None
        if self.paired is not None:
            self.acquired = self._batches(self.paired, paired=True)
        self.known = {key: cases.domain() for key, cases in self.domains.items()}
        self.pace = self.known_pace or usual_pace(self.recipe, self.device.device)

    def _batches(self, cases: dict[str, Cases], *, paired: bool = False) -> Batches:
        return Batches(
            cases,
            self.recipe,
            slab=self.slab,
            seed=self.seed,
            paired=paired,
            share=self.team.share,
            device=self.device.device,
        )

    def _settle(self) -> None:
        """How to compute, and in how many parts: as the run began, or as the first process measures it.

        Measured is only where a whole batch fits: where memory is short, what is usual on such a device has to do.
        """
        self.division, counted = self.divide(), self.pace.precision
        if self.known_pace is None and self.team.first and self.division == WHOLE:
            shape = (self.own_batch, self.slab, *self.batches.frame.cut)
            self.pace = choose_pace(self.recipe, shape, self.device.device)
        self.pace = Pace(**self.team.same(asdict(self.pace)))
        if self.pace.precision != counted:
            self.division = self.divide()

    def _pairs(self) -> Batches | PairStream | None:
        if isinstance(self.simulated, Anatomies):
            return PairStream(
                self.simulated.items, self.recipe, slab=self.slab, seed=self.seed, share=self.team.share
            )
        return self._batches(self.simulated, paired=True) if self.recipe.simulation.heads else None

    def facts(self) -> dict[str, Any]:
        """What a resumed training must find again."""
        return {
            "format": "medgan-run-1",
            "medgan_version": __version__,
            "seed": self.seed,
            "slab": self.slab,
            "precision": self.pace.precision,
            "channels_last": self.pace.channels_last,
            "pace": self.pace.why,
            "origin": self.start.origin.model_dump() if self.start.origin else None,
            "epochs": self.recipe.training.epochs if self.schedule.steps else None,
            "max_minutes": self.schedule.seconds / 60 if self.schedule.seconds else None,
            "processes": self.processes,
            "division": self.division.text(self.own_batch) or None,
            "data": {key: domain.fingerprint for key, domain in self.known.items()}
            | ({"simulated": self.simulated.fingerprint} if isinstance(self.simulated, Anatomies) else {})
            | {f"paired {key}": cases.domain().fingerprint for key, cases in (self.paired or {}).items()},
        }

    @property
    def identity(self) -> str:
        """Digest of everything that must be the same for a training to go on as if it had not stopped."""
        settings = self.recipe.model_dump(mode="json")
        settings["training"] = {"coarse": settings["training"]["coarse"]}
        settings.pop("optimiser")
        facts = {key: self.facts()[key] for key in ("seed", "slab", "precision", "data", "origin")}
        if facts["origin"] is None:  # as it was before there was any
            del facts["origin"]
        return hashlib.sha256(json.dumps([settings, facts], sort_keys=True).encode()).hexdigest()

    def run(self, *, resume: bool) -> None:
        """Say what will be done, and train to the end or to a signal; what was reached is kept either way.

        Args:
            resume: go on from the newest checkpoint.
        """
        self._settle()
        self._agree()
        trainer = self.trainer()
        warnings = [text for cases in self.domains.values() for text in cases.warnings]
        if resume:
            warnings += self.resume(trainer)
        if trainer.training.step == 0:
            begin(trainer.training, self.start, run=self.folder, slab=self.slab)
        for text in warnings:
            self.observer.warned(text)
        if not resume and self.team.first:
            save_recipe(self.recipe, self.folder / "recipe.yaml")
            write_json(self.folder / "run.json", self.facts())
        plan = self.plan(trainer)
        self.observer.planned(plan)
        (lead if self.team.first else follow)(self, trainer, plan)

    def _agree(self) -> None:
        """Refuse to train together on what is not the same."""
        if self.team.same(self.identity) != self.identity:
            raise InputRefusedError(
                f"process {self.team.launch.rank} finds other scans, or another medgan, than the first one",
                remedy="All processes need the same folders, the run's among them, at the same paths.",
            )

    def trainer(self) -> CycleGANTrainer:
        """A trainer with fresh weights."""
        state = TrainingState(self.recipe, slab=self.slab, seed=self.seed, device=self.device.device)
        state.lay_out(self.pace)
        return CycleGANTrainer(
            state,
            self.batches,
            self.schedule,
            pairs=self.pairs,
            acquired=self.acquired,
            epoch_length=self.epoch_length,
            seed=self.seed,
            pace=self.pace,
            team=self.team,
            parts=self.division.parts,
            recompute=self.division.recompute,
        )

    @property
    def own_batch(self) -> int:
        """Images of each contrast that a process shows in a step, at most."""
        return -(-self.recipe.sampling.batch_size // self.team.launch.size)

    def divide(self) -> Division:
        """In how many parts each step goes, by the memory that there is."""
        limit = find_limit(self.device.device, asked=self.max_memory, sharing=self.team.launch.local_size)
        return choose_division(
            self.recipe,
            steps_shown(self.batches, self.pairs, self.acquired, processes=self.team.launch.size),
            slab=self.slab,
            precision=self.pace.dtype,
            device=self.device.device,
            limit=limit,
        )

    def resume(self, trainer: CycleGANTrainer) -> list[str]:
        """Bring a fresh trainer to the newest checkpoint; returns warnings."""
        loaded = load_newest(self.folder / "checkpoints")
        if loaded is None:
            return ["there is no checkpoint yet, so the training starts from its beginning"]
        checkpoint, tensors, warnings = loaded
        if checkpoint.identity != self.identity:
            raise ModelRefusedError(
                "was trained with other data, settings, seed or precision, so it cannot be gone on with",
                file=self.folder,
                remedy="Give the same folders and no other recipe, or train into another folder with --init "
                f"{self.folder}.",
            )
        try:
            trainer.training.restore(tensors, step=checkpoint.step, elapsed=checkpoint.elapsed)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelRefusedError(f"does not fit the run: {error}", file=checkpoint.file) from error
        trainer.state.iteration = checkpoint.step
        trainer.state.epoch = checkpoint.step // self.epoch_length
        return warnings

    def plan(self, trainer: CycleGANTrainer) -> Plan:
        """What will be done, with an estimate measured on a throw-away copy."""
        done = trainer.training.step
        networks = trainer.training.gan.generators["t2"], trainer.training.gan.discriminators["t2"]
        counts = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
        return Plan(
            run=self.folder,
            recipe=self.recipe,
            domains=self.domains,
            device=self.device,
            precision=self.pace.text,
            slab=self.slab,
            matched=self.batches.matched,
            paired=len(self.paired["t1"].cases) if self.paired else 0,
            frame=self.batches.frame.cut,
            epoch_length=self.epoch_length,
            steps=self.schedule.steps,
            minutes=self.schedule.seconds / 60 if self.schedule.seconds else None,
            done=done,
            parameters=(counts[0], counts[1]),
            estimate=estimate(self.trainer(), first_step=done),
            start=self.start.text,
            processes=self.team.launch.size,
            division=self.division.text(self.own_batch),
        )


def _slab(recipe: Recipe, domains: dict[str, Cases]) -> int:
    """Three neighbouring slices where volumes are given, one where pictures are."""
    if recipe.sampling.slab != "auto":
        return recipe.sampling.slab
    flat = any(case.shape[2] == 1 for cases in domains.values() for case in cases.cases)
    return 1 if flat else 3
