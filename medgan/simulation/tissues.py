"""What the tissues of a head are made of: relaxation times, proton density and how far people differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgan.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """One tissue at one field strength.

    Attributes:
        name: the key in `TISSUES`.
        t1_ms: longitudinal relaxation time in ms.
        t2_ms: transverse relaxation time in ms.
        proton_density: visible protons relative to water, 0 to 1.
        spread: relative standard deviation of T1 and T2 between people.
        source: where the values are from (see `TISSUES`).
    """

    name: str
    t1_ms: float
    t2_ms: float
    proton_density: float
    spread: float
    source: str


# name, T1 and T2 at 1.5 T, T1 and T2 at 3 T, proton density, spread, source
_ROWS: tuple[tuple[str, float, float, float, float, float, float, str], ...] = (
    ("air", 1000.0, 1.0, 1000.0, 1.0, 0.0, 0.0, "no protons"),
    ("csf", 4200.0, 1600.0, 4300.0, 1500.0, 1.00, 0.04, "Rooney 2007; Bojorquez 2017"),
    ("grey_matter", 1180.0, 95.0, 1550.0, 95.0, 0.82, 0.05, "Stanisz 2005; Rooney 2007"),
    ("white_matter", 660.0, 74.0, 880.0, 70.0, 0.70, 0.04, "Stanisz 2005; Rooney 2007; Wansapura 1999"),
    ("deep_grey", 1000.0, 82.0, 1250.0, 76.0, 0.80, 0.05, "Rooney 2007; Gelman 1999"),
    ("pallidum", 760.0, 64.0, 970.0, 52.0, 0.74, 0.06, "Rooney 2007; Gelman 1999"),
    ("blood", 1480.0, 200.0, 1850.0, 120.0, 0.35, 0.15, "Stanisz 2005; flow void lowers the visible density"),
    ("bone", 240.0, 1.0, 220.0, 0.8, 0.15, 0.10, "Du 2013; too short a T2 to be seen"),
    ("marrow", 300.0, 130.0, 370.0, 110.0, 0.70, 0.12, "Gold 2004"),
    ("fat", 290.0, 130.0, 375.0, 110.0, 0.90, 0.08, "Gold 2004; de Bazelaire 2004"),
    ("muscle", 1050.0, 38.0, 1400.0, 34.0, 0.80, 0.06, "Stanisz 2005; Gold 2004"),
    ("skin", 700.0, 42.0, 880.0, 38.0, 0.70, 0.12, "Richard 1993, textbook"),
    ("mucosa", 1100.0, 95.0, 1400.0, 85.0, 0.90, 0.10, "textbook"),
    ("vitreous", 3900.0, 900.0, 4100.0, 800.0, 0.98, 0.04, "textbook; close to water"),
)

# What label maps tell apart and procedural heads do not.
_FINER_ROWS: tuple[tuple[str, float, float, float, float, float, float, str], ...] = (
    ("thalamus", 880.0, 81.0, 1120.0, 75.0, 0.78, 0.04, "Rooney 2007; Wansapura 1999"),
    (
        "hippocampus",
        1160.0,
        100.0,
        1500.0,
        96.0,
        0.83,
        0.05,
        "as cortex, T2 a little longer (Wansapura 1999)",
    ),
    ("cerebellar_grey", 1120.0, 94.0, 1480.0, 92.0, 0.82, 0.05, "as cortex (Stanisz 2005)"),
    ("cerebellar_white", 690.0, 77.0, 920.0, 72.0, 0.71, 0.04, "as white matter (Stanisz 2005)"),
    ("brain_stem", 740.0, 78.0, 980.0, 72.0, 0.73, 0.04, "between white and grey matter (Wansapura 1999)"),
    ("choroid_plexus", 1450.0, 200.0, 1750.0, 170.0, 0.90, 0.12, "textbook; blood and fluid"),
    ("gliosis", 1000.0, 125.0, 1300.0, 120.0, 0.82, 0.12, "Stevenson 2000"),
    ("nerve", 760.0, 80.0, 1000.0, 74.0, 0.72, 0.05, "as white matter, with its sheath"),
    ("dura", 850.0, 28.0, 1050.0, 25.0, 0.55, 0.12, "textbook; collagen"),
)

TISSUE_NAMES: tuple[str, ...] = tuple(row[0] for row in _ROWS)
"""What procedural heads are made of, in the order along the first axis of their `Head.fractions`."""

LABELLED_TISSUE_NAMES: tuple[str, ...] = (*TISSUE_NAMES, *(row[0] for row in _FINER_ROWS))
"""What heads of label maps are made of, in the order along the first axis of their `Head.fractions`."""


def tissues(field_strength: float = 1.5) -> dict[str, Tissue]:
    """The tissues of a head at a field strength, in the order of `LABELLED_TISSUE_NAMES`.

    The numbers are round ones within the ranges that the literature reports, which is wide: for T1 of white
    matter at 3 T alone, 600 to 1,100 ms (Assländer 2024, arXiv:2409.05318).

    - Stanisz et al. 2005, Magn Reson Med 54:507 (white and grey matter, muscle, blood at 1.5 and 3 T)
    - Rooney et al. 2007, Magn Reson Med 57:308 (T1 of brain tissues and CSF over field strength)
    - Bojorquez et al. 2017, Magn Reson Imaging 35:69 (review of values at 3 T)
    - Gelman et al. 1999, Radiology 210:759 (T2 of deep grey matter and iron at 3 T)
    - Wansapura et al. 1999, J Magn Reson Imaging 9:531 (brain at 3 T)
    - Gold et al. 2004, AJR 183:343 (fat, marrow, muscle at 1.5 and 3 T)
    - de Bazelaire et al. 2004, Radiology 230:652 (fat at 1.5 and 3 T)
    - Du and Bydder 2013, NMR Biomed 26:489 (cortical bone)
    - Richard et al. 1993, J Invest Dermatol 100:705 (skin)
    - Stevenson et al. 2000, AJNR 21:265 (multiple sclerosis: relaxation in lesions)

    Fat's T2 stands between what single echoes and what the refocusing trains of turbo spin echo show
    (J-coupling), because T2w scans of heads are nearly always the latter. Bone's visible density is what
    its few free protons give, and that of blood what flow leaves.

    Raises:
        UsageError: `field_strength` is neither 1.5 nor 3.0.
    """
    if field_strength not in (1.5, 3.0):
        raise UsageError(f"field strength {field_strength} T is not in the tables", remedy="Use 1.5 or 3.0.")
    second = field_strength == 3.0
    return {
        name: Tissue(
            name=name,
            t1_ms=t1_3 if second else t1,
            t2_ms=t2_3 if second else t2,
            proton_density=density,
            spread=spread,
            source=source,
        )
        for name, t1, t2, t1_3, t2_3, density, spread, source in (*_ROWS, *_FINER_ROWS)
    }


def personal_tissues(rng: np.random.Generator, table: dict[str, Tissue], spread: float) -> dict[str, Tissue]:
    """One draw for each tissue, left and right alike; T1 and T2 lengthen together (water content)."""
    personal = {}
    for name, tissue in table.items():
        common, own_1, own_2 = np.clip(rng.standard_normal(3), -2.2, 2.2)
        share = tissue.spread * spread
        personal[name] = Tissue(
            name=name,
            t1_ms=tissue.t1_ms * float(np.exp(share * (0.8 * common + 0.6 * own_1))),
            t2_ms=tissue.t2_ms * float(np.exp(share * (0.8 * common + 0.6 * own_2))),
            proton_density=tissue.proton_density,
            spread=tissue.spread,
            source=tissue.source,
        )
    return personal
