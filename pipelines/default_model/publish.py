"""Put a trained model into the package: under its name, with data, licences, and the figures of `validate.py`.

With pairs, which no training has seen either, or label maps, as `validate.py` takes them, the model also learns how far
off it is, for `medgan synthesize --uncertainty`; without them it keeps what it knew.

    python pipelines/default_model/publish.py --model refined/model --validation validation.json --subject refined \\
        --pair NAME T1.nii.gz T2.nii.gz MASK.nii.gz --labels head_labels/seg_19.nii.gz head_labels/seg_20.nii.gz
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from validate import pairs

from medgan.contrasts import contrast, other
from medgan.models import load_model
from medgan.models.calibration import MadeFrom
from medgan.models.catalogue import DEFAULT, WEIGHTS
from medgan.models.parts import About, Figures
from medgan.models.publishing import publish_model
from medgan.uncertainty import calibrate

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
    parser.add_argument("--pair", nargs="+", action="append", default=[], metavar="NAME T1 T2 [MASK]")
    parser.add_argument("--labels", nargs="+", type=Path, default=[], help="label maps kept out of training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=WEIGHTS / DEFAULT)
    options = parser.parse_args(arguments)
    rows = json.loads(options.validation.read_text(encoding="utf-8"))["Rows"]
    told = yaml.safe_load(_ABOUT.read_text(encoding="utf-8"))
    about = About.model_validate(told | {"figures": figures(rows, options.subject)})
    model = load_model(options.model)
    calibration = None
    if options.pair or options.labels:
        made_from: MadeFrom = (
            "both" if options.pair and options.labels else "acquired" if options.pair else "simulated"
        )
        scans = (pair.scans for pair in pairs(parser, options))
        calibration = calibrate(model, scans, made_from=made_from, device=options.device)
        for one in calibration:
            print(f"to {contrast(one.target).label}: {one.in_words}")
    publish_model(model, options.out, name=DEFAULT, about=about, calibration=calibration)


if __name__ == "__main__":
    main()
