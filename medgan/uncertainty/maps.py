"""Maps of how far a synthetic image may be off, on the grid of the scan that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medgan.models.calibration import Calibration, Floats
from medgan.preparation import Prepared
from medgan.preparation.foreground import dilate_in_plane
from medgan.scans import Scan
from medgan.uncertainty.signs import Signs


@dataclass(frozen=True, eq=False)
class Maps:
    """How far a synthetic image may be off, by voxel.

    Values are shares of the range between the percentiles 0.5 and 99.5 of the head, as in
    `medgan.evaluation.PROTOCOL`; around the head, where nothing is synthesised, they are 0.

    Attributes:
        expected: the absolute error to expect.
        bound: what the error is under in a share `calibration.level` of the voxels.
        calibration: what both rest on.
    """

    expected: Scan
    bound: Scan
    calibration: Calibration


def error_maps(prepared: Prepared, signs: Signs, calibration: Calibration) -> Maps:
    """Turn the signs of trouble into errors, by what was learnt of them."""
    score = calibration.score(signs.flip, signs.cycle)
    painted = dilate_in_plane(dilate_in_plane(prepared.head))  # as far as `restore` paints

    def scan(values: Floats) -> Scan:
        voxels = prepared.frame.turn_back(np.where(painted, values, np.float32(0)))
        return replace(prepared.scan, voxels=voxels, contrast=None, warnings=())

    return Maps(
        expected=scan(calibration.expected(score)),
        bound=scan(calibration.bound(score)),
        calibration=calibration,
    )
