"""Tissue properties, sequence equations and procedural heads: T1w/T2w pairs made by code, no data needed."""

from medgan.simulation.acquisition import simulate_contrast, simulate_pair
from medgan.simulation.heads import Head, procedural_head
from medgan.simulation.sequences import (
    SequenceSettings,
    draw_settings,
    mprage,
    spin_echo,
    spoiled_gradient_echo,
    turbo_spin_echo,
)
from medgan.simulation.tissues import TISSUE_NAMES, Tissue, tissues

__all__ = [
    "TISSUE_NAMES",
    "Head",
    "SequenceSettings",
    "Tissue",
    "draw_settings",
    "mprage",
    "procedural_head",
    "simulate_contrast",
    "simulate_pair",
    "spin_echo",
    "spoiled_gradient_echo",
    "tissues",
    "turbo_spin_echo",
]
