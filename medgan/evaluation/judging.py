"""One prediction against the real scan: what the figures are, and those of the baselines beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medgan.contrasts import contrast
from medgan.errors import InputRefusedError
from medgan.evaluation.baselines import baselines
from medgan.evaluation.flicker import flicker
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.matching import called
from medgan.evaluation.metrics import FIGURES, Score, score, score_whole
from medgan.evaluation.protocol import Mask, Volume, canonical_voxels, head, to_unit
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan

if TYPE_CHECKING:
    from medgan.evaluation.registration import Moved

LEAST_HEAD = 100
"""Voxels that a foreground has at least."""
_SYNTHETIC = "the {} is itself synthetic: agreement with it says nothing of a real scan"


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """The volumes behind a judgement, canonical and on one grid (X, Y, Z), for pictures of them.

    Attributes:
        prediction, reference, source: intensities as stored; None for what there is not.
        mask: the foreground.
        spacing: voxel size in mm.
    """

    prediction: Volume
    reference: Volume | None
    source: Volume | None
    mask: Mask
    spacing: tuple[float, float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """What is known of one prediction.

    Attributes:
        name: of the subject; names no patient.
        target: the label of the contrast that was to be made, where it is known.
        foreground: the score inside the foreground.
        whole: of all voxels.
        baselines: of `copy` and `histogram`, inside the foreground; empty without a source.
        flicker: of `prediction`, `reference` and, where given, `source`; empty for less than three slices.
        coverage: share of the foreground's voxels whose absolute error is at most the model's own bound on it; None
            where it states none.
        moved: how the reference was moved onto the prediction's grid, if it was.
        warnings: what speaks against the figures, one sentence each.
    """

    name: str
    target: str | None
    foreground: Score
    whole: Score
    baselines: Mapping[str, Score] = field(default_factory=dict)
    flicker: Mapping[str, float] = field(default_factory=dict)
    coverage: float | None = None
    moved: Moved | None = None
    warnings: tuple[str, ...] = ()

    @property
    def gains(self) -> dict[str, float]:
        """By figure, how much better than the better of the two baselines; empty without them."""
        gains = {}
        for key, higher in FIGURES.items() if self.baselines else ():
            sign = 1 if higher else -1
            best = max(sign * getattr(one, key) for one in self.baselines.values())
            gains[key] = sign * getattr(self.foreground, key) - best
        return gains


def judge(
    prediction: Scan,
    reference: Scan,
    *,
    source: Scan | None = None,
    mask: Scan | None = None,
    bound: Scan | None = None,
    register: bool = False,
    name: str | None = None,
    doubts: Sequence[str] = (),
    look: Callable[[Judged, Compared], None] = lambda judged, compared: None,
) -> Judged:
    """Compare a prediction with the scan that was acquired, under `PROTOCOL`.

    Args:
        prediction: what a model made.
        reference: the real scan of the same head in the same contrast, on the same grid.
        source: what the prediction was made from, on the same grid; gives the baselines.
        mask: the foreground, where it is above 0, on the grid of the prediction; found in the reference if not given.
        bound: what the model says that the absolute error is under, in shares of the scaled range, on the grid of the
            prediction; gives the coverage.
        register: move the reference rigidly onto the prediction's grid first.
        name: what the subject is called; as the prediction's file if not given.
        doubts: warnings about the prediction that are known already.
        look: shown the judgement with the volumes that were compared.

    Raises:
        InputRefusedError: they are not on one grid, there is no foreground, or the registration did not converge.
    """
    moved = None
    if register:
        from medgan.evaluation.registration import move_onto

        reference, moved = move_onto(reference, prediction)
    else:
        refuse_other_grid(
            prediction,
            reference,
            called="prediction",
            beside="reference",
            remedy="Give the reference on the prediction's grid, or let it be moved there with --register.",
        )
    for role, scan in {"source": source, "mask": mask, "bound": bound}.items():
        if scan is not None:
            refuse_other_grid(
                scan,
                prediction,
                called=role,
                beside="prediction",
                remedy=f"Give the {role} on the same grid as the prediction.",
            )
    return _judge(prediction, reference, source, mask, bound, moved, name=name, doubts=doubts, look=look)


def _judge(
    prediction: Scan,
    reference: Scan,
    source: Scan | None,
    mask: Scan | None,
    bound: Scan | None,
    moved: Moved | None,
    *,
    name: str | None,
    doubts: Sequence[str],
    look: Callable[[Judged, Compared], None],
) -> Judged:
    made, real = canonical_voxels(prediction), canonical_voxels(reference)
    before = None if source is None else canonical_voxels(source)
    reached = None if moved is None else moved.reached
    inside = foreground(reference, real, mask, reached=reached)
    within, whole = score_whole(made, real, inside, region=reached)
    beside = {} if before is None else baselines(before, real, inside)
    volumes = {"prediction": made, "reference": real, "source": before}
    flickers = {key: flicker(voxels, inside) for key, voxels in volumes.items() if voxels is not None}
    judged = Judged(
        name=name or called(prediction.source),
        target=contrast_of(prediction) or contrast_of(reference),
        foreground=within,
        whole=whole,
        baselines={key: score(voxels, real, inside) for key, voxels in beside.items()},
        flicker={key: value for key, value in flickers.items() if value is not None},
        coverage=None if bound is None else _coverage(made, real, inside, canonical_voxels(bound)),
        moved=moved,
        warnings=(*doubts, *_doubts(prediction, reference, source)),
    )
    spacing = canonical(prediction)[1]
    look(judged, Compared(prediction=made, reference=real, source=before, mask=inside, spacing=spacing))
    return judged


def _coverage(made: Volume, real: Volume, inside: Mask, bound: Volume) -> float:
    error = np.abs(to_unit(made, inside) - to_unit(real, inside))
    return float((error <= bound)[inside].mean())


def contrast_of(scan: Scan) -> str | None:
    """The label of a scan's contrast, where it is known."""
    return None if scan.contrast is None else contrast(scan.contrast).label


def foreground(
    reference: Scan,
    real: Volume,
    mask: Scan | None,
    *,
    reached: Mask | None = None,
    called: str = "reference",
) -> Mask:
    """The mask that was given, or the head in a scan.

    Args:
        reference: in which the head is looked for.
        real: its canonical voxels.
        mask: the mask, on the same grid.
        reached: what counts at most.
        called: what the scan is, for the message.

    Raises:
        InputRefusedError: it has less than `LEAST_HEAD` voxels.
    """
    found = head(real) if mask is None else canonical_voxels(mask) > 0
    if reached is not None:
        found &= reached
    if np.count_nonzero(found) >= LEAST_HEAD:
        return found
    if mask is not None:
        raise InputRefusedError(
            f"marks {np.count_nonzero(found)} voxels, which is no head",
            file=mask.source.path,
            remedy="Give a mask that is above 0 in the head.",
        )
    raise InputRefusedError(
        f"no head was found in the {called}, whose foreground the protocol scales by",
        file=reference.source.path,
        remedy="Check that it is the scan you meant, or give the foreground with --mask.",
    )


def _doubts(prediction: Scan, reference: Scan, source: Scan | None) -> list[str]:
    doubts = []
    made, real = contrast_of(prediction), contrast_of(reference)
    if None not in (made, real) and made != real:
        doubts.append(
            f"the prediction looks like {made} and the reference like {real}, from their names or headers"
        )
    if np.array_equal(prediction.voxels, reference.voxels):
        doubts.append("prediction and reference are the same image: the figures say nothing")
    if reference.source.facts.get("synthetic"):
        doubts.append(_SYNTHETIC.format("reference"))
    if source is not None and source.source.facts.get("synthetic"):
        doubts.append("the source is itself synthetic: the baselines rest on nothing that was measured")
    return doubts
