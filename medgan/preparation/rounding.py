"""Rounding that the last digits of a header cannot decide."""

from __future__ import annotations

import math

_SLACK = 1e-3
"""More than float32 headers and decimal strings of 16 letters lose, even times a thousand voxels."""


def whole(number: float) -> int:
    """The nearest whole number; a half goes down, also where rounding in a header has left a little more of it.

    One scan stored in two ways (an sform or a qform, other axes first, DICOM or NIfTI) has one spacing but
    for the last digits, and 17 voxels of 1.5 mm are 25.5 of 1 mm: these digits must not decide on the frame.
    """
    return math.ceil(number - 0.5 - _SLACK)
