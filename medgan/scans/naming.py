"""What a synthetic image is called after its source."""

from __future__ import annotations

import re

from medgan.contrasts import contrast


def output_stem(stem: str, *, source_contrast: str, target: str) -> str:
    """`<stem>_desc-medganFromT1w_T2w`; in a BIDS name the source's suffix makes way for the new one.

    `sub-01_ses-2_T1w` gives `sub-01_ses-2_desc-medganFromT1w_T2w` (BIDS derivatives).
    """
    here, there = contrast(source_contrast).label, contrast(target).label
    if re.match(r"sub-[A-Za-z0-9]+_", stem):
        stem = stem.removesuffix(f"_{here}")
    return f"{stem}_desc-medganFrom{here}_{there}"
