"""Metrics under a stated protocol, and the baselines beside which they are read. Needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.evaluation.baselines import histogram_matched
    from medgan.evaluation.judging import Judged, judge
    from medgan.evaluation.metrics import Score, score, ssim_map
    from medgan.evaluation.protocol import PROTOCOL, canonical_voxels, head, to_unit

__all__ = [
    "PROTOCOL",
    "Judged",
    "Score",
    "canonical_voxels",
    "head",
    "histogram_matched",
    "judge",
    "score",
    "ssim_map",
    "to_unit",
]

__getattr__ = lazy_names(
    __name__,
    {
        "PROTOCOL": "medgan.evaluation.protocol",
        "Judged": "medgan.evaluation.judging",
        "Score": "medgan.evaluation.metrics",
        "canonical_voxels": "medgan.evaluation.protocol",
        "head": "medgan.evaluation.protocol",
        "histogram_matched": "medgan.evaluation.baselines",
        "judge": "medgan.evaluation.judging",
        "score": "medgan.evaluation.metrics",
        "ssim_map": "medgan.evaluation.metrics",
        "to_unit": "medgan.evaluation.protocol",
    },
)
