"""Metrics under a stated protocol, and the baselines beside which they are read. Needs no network."""

from medgan.evaluation.baselines import histogram_matched
from medgan.evaluation.metrics import Score, score, ssim_map
from medgan.evaluation.protocol import PROTOCOL, canonical_voxels, head, to_unit

__all__ = [
    "PROTOCOL",
    "Score",
    "canonical_voxels",
    "head",
    "histogram_matched",
    "score",
    "ssim_map",
    "to_unit",
]
