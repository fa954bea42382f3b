"""Whether a model knows its errors: the share of voxels under its 90 % bound, on heads that neither training nor
calibration has seen.

Trains on procedural heads for a few minutes, which calibrates it at the end, and judges other heads of the same making
in both directions, whole, under `medgan.evaluation.PROTOCOL`. A model that was trained before can be given instead.

    python pipelines/benchmarks/calibration.py [--minutes 3] [--heads 8] [--model RUN] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_FIRST, _SPACING = 500, 2.2
"""Number of the first head, beyond those of a calibration; the sample data's pixel size."""


def judge(model: Any, heads: int) -> list[dict[str, Any]]:
    """One row for each head and direction."""
    from medgan.evaluation import canonical_voxels, head, to_unit
    from medgan.synthesis import Synthesizer
    from medgan.training.simulated import held_out_pair

    synthesizers = [Synthesizer(model, target=key, uncertainty=True) for key in ("t2", "t1")]
    rows = []
    for number in range(_FIRST, _FIRST + heads):
        scans = held_out_pair(number, spacing=_SPACING, thickness=1)
        for one in synthesizers:
            made = one(scans[one.source.key])
            truth = canonical_voxels(scans[one.target.key])
            inside = head(truth)
            error = np.abs(to_unit(canonical_voxels(made.scan), inside) - to_unit(truth, inside))[inside]
            expected, bound = (
                canonical_voxels(scan)[inside] for scan in (made.maps.expected, made.maps.bound)
            )
            rows.append(
                {
                    "head": number - _FIRST,
                    "target": one.target.label,
                    "coverage": float((error <= bound).mean()),
                    "error": float(error.mean()),
                    "expected": float(expected.mean()),
                    "bound": float(bound.mean()),
                    "rank_correlation": rank_correlation(expected, error),
                    "worst_tenth": float(error[expected >= np.quantile(expected, 0.9)].mean()),
                }
            )
    return rows


def rank_correlation(one: Any, other: Any) -> float:
    """Spearman's, ties in order."""
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or take a model, and print what its bound is worth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--model", type=Path, help="a run or model folder, trained on heads such as these")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    from medgan.files import write_json
    from medgan.models import load_model
    from medgan.sample_data import make_sample_data
    from medgan.training import train

    with tempfile.TemporaryDirectory() as name:
        run = options.model
        if run is None:
            data = make_sample_data(Path(name) / "data")
            run = train(
                data.t1,
                data.t2,
                out=Path(name) / "run",
                changes=("sampling.crop=null",),
                max_minutes=options.minutes,
                init="none",
            )
        model = load_model(run)
        for one in model.manifest.calibration:
            print(f"calibration of {one.target}: {one.in_words}", flush=True)
        rows = judge(model, options.heads)
    for row in rows:
        print(json.dumps({key: round(v, 3) if isinstance(v, float) else v for key, v in row.items()}))
    for target in dict.fromkeys(row["target"] for row in rows):
        mean = {
            key: float(np.mean([row[key] for row in rows if row["target"] == target]))
            for key in rows[0]
            if key not in ("head", "target")
        }
        print(f"to {target}, {options.heads} heads: " + ", ".join(f"{k} {v:.3f}" for k, v in mean.items()))
    if options.json:
        write_json(options.json, {"Rows": rows})


if __name__ == "__main__":
    main()
