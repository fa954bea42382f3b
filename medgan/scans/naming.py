"""What a synthetic image is called after its source, and where BIDS has it lie."""

from __future__ import annotations

import re
from pathlib import PurePath

from medgan.contrasts import contrast

_BIDS = re.compile(r"(sub-[A-Za-z0-9+]+)_(?:(ses-[A-Za-z0-9+]+)_)?")


def output_stem(stem: str, *, source_contrast: str, target: str) -> str:
    """`<stem>_desc-medganFromT1w_T2w`; in a BIDS name the source's suffix makes way for the new one.

    `sub-01_ses-2_T1w` gives `sub-01_ses-2_desc-medganFromT1w_T2w` (BIDS derivatives).
    """
    here, there = contrast(source_contrast).label, contrast(target).label
    if _BIDS.match(stem):
        stem = stem.removesuffix(f"_{here}")
    return f"{stem}_desc-medganFrom{here}_{there}"


def bids_folder(stem: str) -> PurePath | None:
    """Where an anatomical image of that name lies in a BIDS data set (`sub-01/ses-2/anat`); None of other names."""
    named = _BIDS.match(stem)
    return None if named is None else PurePath(*filter(None, named.groups()), "anat")
