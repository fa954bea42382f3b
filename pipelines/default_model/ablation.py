"""What each part of the training is worth: short trainings that differ in one thing, for `validate.py` to judge.

All but the one from nothing begin with the same weights, those after the recipe `pretraining`, and do as many steps.

    python pipelines/default_model/ablation.py --init pretrained/model --t1-dir T1 --t2-dir T2 --paired-dir PAIRS \\
        --labels LABELS --steps 150 --out ablation
    python pipelines/default_model/validate.py --model ablation/*/model --pair ... --json ablation.json
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import medgan

RECIPE = Path(__file__).parent / "refinement.yaml"
VARIANTS: dict[str, dict[str, Any]] = {
    "both": {},
    "without_structure": {"changes": ["losses.structure=0"]},
    "without_adversarial": {"changes": ["losses.adversarial_weight=0"]},
    "without_simulation": {"changes": ["simulation.weight=0"]},
    "2d": {"changes": ["sampling.slab=1"]},
    "with_pairs": {"paired": True},
    "unpaired_from_nothing": {
        "init": "none",
        "changes": ["simulation.heads=0", "simulation.on_the_fly=false"],
    },
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the variants that are not there yet, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("init", "t1-dir", "t2-dir", "paired-dir", "labels", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument(
        "--cache", type=Path, help="anatomies that another run has made of the same label maps"
    )
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args(arguments)
    for name in options.only:
        run, variant = options.out / name, VARIANTS[name]
        if (run / "model").is_dir():
            continue
        changes = [
            "losses.ramp=0.1",
            f"training.steps_per_epoch={options.steps}",
            *variant.get("changes", []),
        ]
        streamed = "simulation.on_the_fly=false" not in changes
        if options.cache is not None and streamed:
            shutil.copytree(options.cache, run / "cache", dirs_exist_ok=True)
        print(name, flush=True)
        medgan.train(
            options.t1_dir,
            options.t2_dir,
            out=run,
            recipe=RECIPE,
            changes=changes,
            epochs=1,
            init=variant.get("init", options.init),
            labels=options.labels if streamed else None,
            paired_dir=options.paired_dir if variant.get("paired") else None,
        )


if __name__ == "__main__":
    main()
