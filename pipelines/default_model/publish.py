"""Put a trained model into the package: under its name, with data, licences, and the figures of `validate.py`.

python pipelines/default_model/publish.py --model refined/model --validation validation.json --subject refined
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from medgan.contrasts import contrast, other
from medgan.models import load_model
from medgan.models.catalogue import DEFAULT, WEIGHTS
from medgan.models.parts import About, Figures
from medgan.models.publishing import publish_model

_ABOUT = Path(__file__).parent / "about.yaml"
_SHOWN = {"ssim": "SSIM", "r": "r", "psnr": "PSNR"}
GROUPS = {
    "MS longitudinal patient 01, two examinations, whole heads": ("p01", "head"),
    "the same, stripped": ("p01", "stripped"),
    "simulated heads of label maps 19 and 20": ("simulated", "head"),
    "simulated stripped brains of label maps 19 and 20": ("simulated", "stripped"),
}
"""What is said of the scans: how the names of their pairs begin, and their kinds."""


def figures(rows: Sequence[dict[str, Any]], subject: str) -> list[Figures]:
    """Means over each group and direction, with those of the histogram baseline."""
    made = []
    for scans, (pair, kind) in GROUPS.items():
        for target in ("t2", "t1"):
            source = other(target).key
            direction = f"{contrast(source).label} to {contrast(target).label}"

            def mean(
                whose: str, group: tuple[str, str] = (pair, kind), direction: str = direction
            ) -> dict[str, float]:
                found = [
                    row
                    for row in rows
                    if row["subject"] == whose
                    and row["direction"] == direction
                    and row["pair"].startswith(group[0])
                    and row["kind"].startswith(group[1])
                ]
                return {
                    shown: round(float(np.mean([row[key] for row in found])), 3)
                    for key, shown in _SHOWN.items()
                }

            if any(row["pair"].startswith(pair) for row in rows):
                made.append(
                    Figures(
                        source=source,
                        target=target,
                        scans=scans,
                        scores=mean(subject),
                        baseline=mean("histogram"),
                    )
                )
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish a model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True, help="what validate.py wrote")
    parser.add_argument("--subject", required=True, help="the model's name in it")
    parser.add_argument("--out", type=Path, default=WEIGHTS / DEFAULT)
    options = parser.parse_args(arguments)
    rows = json.loads(options.validation.read_text(encoding="utf-8"))["Rows"]
    told = yaml.safe_load(_ABOUT.read_text(encoding="utf-8"))
    about = About.model_validate(told | {"figures": figures(rows, options.subject)})
    publish_model(load_model(options.model), options.out, name=DEFAULT, about=about)


if __name__ == "__main__":
    main()
