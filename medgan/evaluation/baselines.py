"""What a result must beat: the source copied, and the source with the reference's histogram."""

from __future__ import annotations

import numpy as np

from medgan.evaluation.metrics import psnr
from medgan.evaluation.protocol import Mask, Volume


def baselines(source: Volume, reference: Volume, mask: Mask) -> dict[str, Volume]:
    """`copy` and `histogram`: what takes no learning at all."""
    return {"copy": source, "histogram": histogram_matched(source, reference, mask)}


def histogram_matched(source: Volume, reference: Volume, mask: Mask) -> Volume:
    """The source with its intensities inside the mask given the reference's distribution, and 0 outside.

    Both the source and its negative are tried, and the one nearer to the reference (PSNR) is returned: about the
    most that a look-up by intensity can do. It has seen the reference, which no model has.
    """
    candidates = []
    for values in (source[mask], -source[mask]):
        matched = np.zeros(source.shape)
        matched[mask] = _matched(values, reference[mask])
        candidates.append(matched)
    return max(candidates, key=lambda volume: psnr(volume, reference, mask))


def _matched(values: Volume, template: Volume) -> Volume:
    """Each value's quantile looked up in the template; equal values stay equal."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    levels, there = np.unique(template, return_counts=True)
    looked_up = np.interp(np.cumsum(counts) / values.size, np.cumsum(there) / template.size, levels)
    found: Volume = looked_up[places]
    return found
