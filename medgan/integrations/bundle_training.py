"""A bundle's training: medgan's own, and the bundle written anew with what was learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medgan.integrations.exporting import export_model
from medgan.models import load_model
from medgan.training import train


@dataclass(frozen=True, kw_only=True)
class UnpairedFolders:
    """The two folders that a training reads.

    Attributes:
        t1_dir: of T1w scans.
        t2_dir: of T2w scans.
    """

    t1_dir: str
    t2_dir: str


@dataclass(frozen=True, kw_only=True)
class BundleTrainer:
    """`medgan train`, called by a bundle's `train.json`.

    Attributes:
        dataset: the two folders.
        bundle_root: the bundle, which is written anew.
        target: the contrast that it makes.
        run_dir: the run folder, as for `medgan.train`.
        recipe: a recipe's YAML file or name.
        max_epochs: passes; those of the recipe where it is None.
        max_minutes: time limit; none where it is None.
        init: weights to start from, as for `medgan.train`.
        device: as for `medgan.train`.
    """

    dataset: UnpairedFolders
    bundle_root: str
    target: str
    run_dir: str
    recipe: str
    max_epochs: int | None = None
    max_minutes: float | None = None
    init: str | None = None
    device: str = "auto"

    def run(self) -> Path:
        """Train, and export what was learnt to the bundle; returns the run folder.

        Raises:
            MedganError: as `medgan.train` and `export_model`.
        """
        run = train(
            self.dataset.t1_dir,
            self.dataset.t2_dir,
            out=self.run_dir,
            recipe=self.recipe,
            epochs=None if self.max_minutes is not None else self.max_epochs,
            max_minutes=self.max_minutes,
            init=self.init,
            device=self.device,
        )
        export_model(
            load_model(run), target=self.target, format="bundle", out=self.bundle_root, overwrite=True
        )
        return run
