"""Tissue properties, sequence equations, heads made by code or of label maps: T1w/T2w pairs without any scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names
from medgan.simulation.acquisition import simulate_contrast, simulate_pair
from medgan.simulation.heads import Head, procedural_head
from medgan.simulation.sequences import (
    SequenceSettings,
    draw_settings,
    inversion_recovery,
    mprage,
    spin_echo,
    spoiled_gradient_echo,
    turbo_spin_echo,
)
from medgan.simulation.tissues import LABELLED_TISSUE_NAMES, TISSUE_NAMES, Tissue, tissues

if TYPE_CHECKING:
    from medgan.simulation.anatomy import Anatomy
    from medgan.simulation.labels import labelled_head
    from medgan.simulation.pairs import Pairs, VolumePair, simulate_batch, simulate_volume
    from medgan.simulation.variety import Variety

__all__ = [
    "LABELLED_TISSUE_NAMES",
    "TISSUE_NAMES",
    "Anatomy",
    "Head",
    "Pairs",
    "SequenceSettings",
    "Tissue",
    "Variety",
    "VolumePair",
    "draw_settings",
    "inversion_recovery",
    "labelled_head",
    "mprage",
    "procedural_head",
    "simulate_batch",
    "simulate_contrast",
    "simulate_pair",
    "simulate_volume",
    "spin_echo",
    "spoiled_gradient_echo",
    "tissues",
    "turbo_spin_echo",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Anatomy": "medgan.simulation.anatomy",
        "Pairs": "medgan.simulation.pairs",
        "Variety": "medgan.simulation.variety",
        "VolumePair": "medgan.simulation.pairs",
        "labelled_head": "medgan.simulation.labels",
        "simulate_batch": "medgan.simulation.pairs",
        "simulate_volume": "medgan.simulation.pairs",
    },
)
