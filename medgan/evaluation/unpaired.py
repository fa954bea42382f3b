"""What can be said of a prediction without a reference: structure kept, and intensities like the target's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast
from medgan.errors import InputRefusedError
from medgan.evaluation.flicker import flicker
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.judging import Compared, contrast_of, foreground
from medgan.evaluation.matching import called
from medgan.evaluation.metrics import axial_slices, normalised_mutual_information
from medgan.evaluation.protocol import PROTOCOL, Mask, Volume, canonical_voxels, head, to_unit
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan

Quantiles = npt.NDArray[np.float64]

_WINDOW = 9
_FLAT = 2e-3  # of a window's sum of squares: below it there is no structure, but noise
_EDGES = 75  # percentile of the source's gradient above which there is an edge
_GRID = np.linspace(0, 1, 1001)

WITHOUT_REFERENCE: Mapping[str, str] = {
    "version": "1, without a reference",
    "foreground": PROTOCOL["foreground"].replace("reference", "source"),
    "scaling": PROTOCOL["scaling"],
    "nmi": "normalised mutual information with the source (64 bins). Says whether one intensity tells the other; "
    "the source copied has 2, so more is not better",
    "local_correlation": f"squared correlation with the source in windows of {_WINDOW} pixels of axial slices, mean: "
    "0 to 1, blind to the sign of contrast. Says whether local structure is kept; the source copied has nearly 1, and "
    "a lesion that was rightly made brighter counts as kept. Cannot say whether the contrast is right",
    "edge_agreement": "cosine squared of the angle between the gradients of source and prediction in axial slices, "
    "mean over the strongest quarter of the source's edges: 1 for the same edges, 0.5 for unrelated ones. "
    "Cannot see edges that were invented where the source has none",
    "wasserstein": "distance between the intensity distributions of the images' own foregrounds, scaled (Wasserstein "
    "1, 0 to 1), from the mean of the target scans; beside it the source's, and each target scan's from the mean of "
    "the others. Says whether grey values are as frequent as they should be; cannot say whether they are in "
    "the right places",
    "not_told": "Nothing here sees whether the image is true: whether a lesion was kept, lost or invented. That takes "
    "a scan that was acquired",
}
"""The figures without a reference, and for each what it can and cannot say."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Domain:
    """How the intensities of acquired scans of the target contrast are distributed.

    Attributes:
        mean: quantile function of the scaled foreground, mean over the scans (their Wasserstein barycentre).
        apart: the distance of each scan from the mean of the others; empty for a single one.
        count: scans.
    """

    mean: Quantiles
    apart: tuple[float, ...]
    count: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What is known of one prediction without a reference.

    Attributes:
        name, target, flicker, warnings: as in `Judged`.
        structure: `nmi`, `local_correlation` and `edge_agreement` with the source.
        wasserstein: of `prediction` and `source` from the target domain, and of its own scans `targets_mean` and
            `targets_most`; empty without target scans.
    """

    name: str
    target: str | None
    structure: Mapping[str, float]
    wasserstein: Mapping[str, float]
    flicker: Mapping[str, float]
    warnings: tuple[str, ...] = ()


def see(
    prediction: Scan,
    source: Scan,
    *,
    mask: Scan | None = None,
    domain: Domain | None = None,
    look: Callable[[Seen, Compared], None] = lambda seen, compared: None,
) -> Seen:
    """Judge a prediction by its source alone, and by scans of other people in the target contrast.

    Args:
        prediction: what a model made.
        source: what it was made from, on the same grid.
        mask: the foreground, where it is above 0; found in the source if not given.
        domain: of `domain_of`.
        look: shown what was found with the volumes.

    Raises:
        InputRefusedError: they are not on one grid, or there is no foreground.
    """
    for role, scan in {"source": source, "mask": mask}.items():
        if scan is not None:
            remedy = f"Give the {role} on the same grid as the prediction."
            refuse_other_grid(scan, prediction, called=role, beside="prediction", remedy=remedy)
    made, before = canonical_voxels(prediction), canonical_voxels(source)
    inside = foreground(source, before, mask, called="source")
    flickers = {"prediction": flicker(made, inside), "source": flicker(before, inside)}
    seen = Seen(
        name=called(prediction.source),
        target=contrast_of(prediction),
        structure=structure(made, before, inside),
        wasserstein={} if domain is None else distances(made, before, domain),
        flicker={key: value for key, value in flickers.items() if value is not None},
        warnings=tuple(_doubts(prediction, source)),
    )
    spacing = canonical(prediction)[1]
    look(seen, Compared(prediction=made, reference=None, source=before, mask=inside, spacing=spacing))
    return seen


def structure(prediction: Volume, source: Volume, mask: Mask) -> dict[str, float]:
    """The figures of `WITHOUT_REFERENCE` that compare with the source, of canonical volumes (X, Y, Z)."""
    p, s = to_unit(prediction, mask), to_unit(source, mask)
    return {
        "nmi": normalised_mutual_information(p[mask], s[mask]),
        "local_correlation": float(_local_correlation(p, s)[mask].mean()),
        "edge_agreement": edge_agreement(p, s, mask),
    }


def domain_of(scans: Iterable[Scan]) -> Domain:
    """The distribution of the target contrast.

    Args:
        scans: acquired, of other people; each is read, used and let go of.

    Raises:
        InputRefusedError: there is none with a head in it.
    """
    found: list[Quantiles] = []
    for scan in scans:
        voxels = canonical_voxels(scan)
        mask = head(voxels)
        if mask.any():
            found.append(quantiles(voxels, mask))
    if not found:
        raise InputRefusedError(
            "no scan of the target contrast has a head in it", remedy="Give other scans as --target-dir."
        )
    table = np.array(found)
    total = table.sum(axis=0)
    others = len(found) - 1
    apart = [_distance(one, (total - one) / others) for one in table] if others else []
    return Domain(mean=total / len(found), apart=tuple(apart), count=len(found))


def distances(prediction: Volume, source: Volume, domain: Domain) -> dict[str, float]:
    """`wasserstein` of `Seen`; each image in its own foreground, as the target scans."""
    found = {}
    for name, voxels in {"prediction": prediction, "source": source}.items():
        own = head(voxels)
        found[name] = _distance(quantiles(voxels, own if own.any() else np.ones_like(own)), domain.mean)
    if domain.apart:
        found |= {"targets_mean": float(np.mean(domain.apart)), "targets_most": max(domain.apart)}
    return found


def quantiles(voxels: Volume, mask: Mask) -> Quantiles:
    """The quantile function of the scaled foreground, at 1001 places."""
    found: Quantiles = np.quantile(to_unit(voxels, mask)[mask], _GRID)
    return found


def _distance(first: Quantiles, second: Quantiles) -> float:
    """Wasserstein 1 in one dimension: the area between the quantile functions."""
    return float(np.abs(first - second).mean())


def _local_correlation(p: Volume, s: Volume) -> Volume:
    from monai.losses.image_dissimilarity import LocalNormalizedCrossCorrelationLoss

    squared = LocalNormalizedCrossCorrelationLoss(
        spatial_dims=2, kernel_size=_WINDOW, reduction="none", smooth_nr=0.0, smooth_dr=_FLAT
    )
    found = np.empty(p.shape)
    for planes, stacks in axial_slices(p, s):
        found[:, :, planes] = np.moveaxis(-squared(*stacks)[:, 0].numpy(), 0, 2)
    return np.clip(found, 0, 1)


def edge_agreement(p: Volume, s: Volume, mask: Mask) -> float:
    """`edge_agreement` of `WITHOUT_REFERENCE`, of a prediction and its source (X, Y, slices) in [0, 1]."""
    here, there = (np.array(np.gradient(volume, axis=(0, 1))) for volume in (p, s))
    strength = np.sqrt((there**2).sum(axis=0))
    edges = mask & (strength >= np.percentile(strength[mask], _EDGES)) & (strength > 0)
    if not edges.any():
        return 0.0
    own = np.sqrt((here**2).sum(axis=0))[edges]
    cosines = (here * there).sum(axis=0)[edges] / np.maximum(own * strength[edges], 1e-12)
    return float(np.mean(np.where(own > 1e-6, cosines**2, 0)))


def _doubts(prediction: Scan, source: Scan) -> Sequence[str]:
    doubts = []
    if prediction.contrast is not None and prediction.contrast == source.contrast:
        doubts.append(
            f"prediction and source both look like {contrast(source.contrast).label}, from names or headers"
        )
    if source.source.facts.get("synthetic"):
        doubts.append("the source is itself synthetic: what is kept of it was not measured")
    return doubts
