"""FreeSurfer's label codes, and those of SynthSeg's whole-head maps: which tissue each stands for.

Codes inside the brain are those of FreeSurferColorLUT.txt. The codes from 502 on are of the label maps that
SynthSeg was trained with (Billot et al. 2023, Med Image Anal 86:102789); what they hold was seen by looking.
"""

from __future__ import annotations

_CODES: dict[str, tuple[int, ...]] = {
    "air": (0, 130),
    "white_matter": (2, 41, 192, 250, 251, 252, 253, 254, 255),
    "grey_matter": (3, 42, 19, 55),
    "csf": (4, 43, 5, 44, 14, 15, 24, 72, 30, 62, 221, 257),
    "cerebellar_white": (7, 46),
    "cerebellar_grey": (8, 47, 172),
    "thalamus": (9, 10, 48, 49),
    "deep_grey": (11, 12, 26, 50, 51, 58, 27, 59),
    "pallidum": (13, 52),
    "brain_stem": (16, 28, 60, 170, 173, 174, 175),
    "hippocampus": (17, 53, 18, 54),
    "choroid_plexus": (31, 63, 136, 163, 137, 164),
    "gliosis": (25, 57, 77, 78, 79, 80, 81, 82),
    "nerve": (85, 508, 512, 530),
    "vitreous": (506,),
    "muscle": (507,),
    "mucosa": (509,),
    "skin": (511, 258),
    "blood": (502, 514),
    "bone": (515, 165),
    "marrow": (516,),
}

#: Parcels of one tissue, left and right: cortex of aparc+aseg and of aparc.a2009s+aseg, the white matter under them
#: of wmparc.
_PARCELS = {
    "grey_matter": (range(1000, 1036), range(2000, 2036), range(11100, 11176), range(12100, 12176)),
    "white_matter": (
        range(3000, 3036),
        range(4000, 4036),
        range(13100, 13176),
        range(14100, 14176),
        (5001, 5002),
    ),
}

TISSUE_OF_CODE: dict[int, str] = {
    **{code: tissue for tissue, codes in _CODES.items() for code in codes},
    **{code: tissue for tissue, parcels in _PARCELS.items() for codes in parcels for code in codes},
}
"""The tissue of `LABELLED_TISSUE_NAMES` that a label code stands for, before `labels` refines it."""

OUTER_CSF = (24, 257)
"""The codes of fluid around the brain, which are drawn too wide."""

BRAIN_TISSUES: tuple[str, ...] = (
    "white_matter",
    "grey_matter",
    "cerebellar_white",
    "cerebellar_grey",
    "thalamus",
    "deep_grey",
    "pallidum",
    "brain_stem",
    "hippocampus",
    "choroid_plexus",
    "gliosis",
)
"""What the brain is of, besides fluid."""

HEAD_TISSUES: tuple[str, ...] = ("skin", "muscle", "bone", "marrow", "mucosa", "vitreous")
"""What only a map of a whole head has."""
