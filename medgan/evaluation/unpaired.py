"""What can be said of a prediction without a reference: structure kept, intensities and features like the target's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast
from medgan.errors import InputRefusedError
from medgan.evaluation.flicker import flicker
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.judging import Compared, contrast_of, foreground
from medgan.evaluation.kernel import Crowd, Rows
from medgan.evaluation.matching import called
from medgan.evaluation.metrics import axial_slices, normalised_mutual_information
from medgan.evaluation.protocol import PROTOCOL, Mask, Volume, canonical_voxels, head, to_unit
from medgan.scans.orientation import canonical
from medgan.scans.scan import Scan

Quantiles = npt.NDArray[np.float64]
Features = Callable[[Scan], Rows]

_WINDOW = 9
_FLAT = 2e-3  # of a window's sum of squares: below it there is no structure, but noise
_EDGES = 75  # percentile of the source's gradient above which there is an edge
_GRID = np.linspace(0, 1, 1001)
_FEWEST = 8  # feature vectors that a scan has, to be compared by them

WITHOUT_REFERENCE: Mapping[str, str] = {
    "version": "2, without a reference",
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
    "kernel": "distance of the image's features from those of the target scans (squared maximum mean discrepancy, "
    "cubic kernel): what the network in the model that comes with medgan sees at its coarsest level, in up to 256 "
    "places of the head; 0 for images of one kind. Beside it the source's, and each target scan's from the others. "
    "Says whether the image's parts look like those of the target contrast; cannot say whether they belong there. Kind "
    "to images that this network makes",
    "cycle": "the source against what the model named makes of the prediction, in the foreground: mean absolute error "
    "and Pearson correlation. Says whether the source can be found again; a copy of the source, and detail "
    "that is hidden for the way back (Chu 2017), do well, too. Cannot say that the prediction is right",
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
        crowd: their features, where a network was at hand.
    """

    mean: Quantiles
    apart: tuple[float, ...]
    count: int
    crowd: Crowd | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What is known of one prediction without a reference.

    Attributes:
        name, target, flicker, warnings: as in `Judged`.
        structure: `nmi`, `local_correlation` and `edge_agreement` with the source.
        wasserstein: of `prediction` and `source` from the target domain, and of its own scans `targets_mean` and
            `targets_most`; empty without target scans.
        kernel: the same of features; empty without a network that sees them, too.
        cycle: `mae` and `r` of the source and what leads back to it; empty without a model.
        target_scans: how many there were.
    """

    name: str
    target: str | None
    structure: Mapping[str, float]
    wasserstein: Mapping[str, float]
    flicker: Mapping[str, float]
    kernel: Mapping[str, float] = field(default_factory=dict)
    cycle: Mapping[str, float] = field(default_factory=dict)
    target_scans: int = 0
    warnings: tuple[str, ...] = ()


def see(
    prediction: Scan,
    source: Scan,
    *,
    mask: Scan | None = None,
    domain: Domain | None = None,
    features: Features | None = None,
    way_back: Callable[[Scan], Scan] | None = None,
    name: str | None = None,
    look: Callable[[Seen, Compared], None] = lambda seen, compared: None,
) -> Seen:
    """Judge a prediction by its source alone, and by scans of other people in the target contrast.

    Args:
        prediction: what a model made.
        source: what it was made from, on the same grid.
        mask: the foreground, where it is above 0; found in the source if not given.
        domain: of `domain_of`.
        features: as for `domain_of`.
        way_back: makes the source's contrast of the prediction, on its grid; gives the cycle error.
        name: what the subject is called; as the prediction's file if not given.
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
        name=name or called(prediction.source),
        target=contrast_of(prediction),
        structure=structure(made, before, inside),
        wasserstein={} if domain is None else distances(made, before, domain),
        flicker={key: value for key, value in flickers.items() if value is not None},
        kernel={} if domain is None else _kernels(prediction, source, domain.crowd, features),
        cycle={} if way_back is None else _cycle(canonical_voxels(way_back(prediction)), before, inside),
        target_scans=0 if domain is None else domain.count,
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


def domain_of(scans: Iterable[Scan], *, features: Features | None = None) -> Domain:
    """The distribution of the target contrast.

    Args:
        scans: acquired, of other people; each is read, used and let go of.
        features: gives feature vectors of a scan, such as `models.features.feature_reader` returns.

    Raises:
        InputRefusedError: there is none with a head in it.
    """
    found: list[Quantiles] = []
    vectors: list[Rows] = []
    for scan in scans:
        voxels = canonical_voxels(scan)
        mask = head(voxels)
        if mask.any():
            found.append(quantiles(voxels, mask))
            if features is not None and len(rows := features(scan)) >= _FEWEST:
                vectors.append(rows)
    if not found:
        raise InputRefusedError(
            "no scan of the contrast that was made, with a head in it, is among the target scans",
            remedy="Give acquired scans of that contrast as --target-dir.",
        )
    table = np.array(found)
    total = table.sum(axis=0)
    others = len(found) - 1
    apart = [_distance(one, (total - one) / others) for one in table] if others else []
    crowd = Crowd.of(vectors) if vectors else None
    return Domain(mean=total / len(found), apart=tuple(apart), count=len(found), crowd=crowd)


def distances(prediction: Volume, source: Volume, domain: Domain) -> dict[str, float]:
    """`wasserstein` of `Seen`; each image in its own foreground, as the target scans."""
    found = {}
    for name, voxels in {"prediction": prediction, "source": source}.items():
        own = head(voxels)
        found[name] = _distance(quantiles(voxels, own if own.any() else np.ones_like(own)), domain.mean)
    return found | _of_targets(domain.apart)


def _of_targets(apart: Sequence[float]) -> dict[str, float]:
    return {"targets_mean": float(np.mean(apart)), "targets_most": max(apart)} if apart else {}


def _kernels(
    prediction: Scan, source: Scan, crowd: Crowd | None, features: Features | None
) -> dict[str, float]:
    """`kernel` of `Seen`."""
    if crowd is None or features is None:
        return {}
    rows = {"prediction": features(prediction), "source": features(source)}
    if any(len(one) < _FEWEST for one in rows.values()):
        return {}
    return {name: crowd.distance(one) for name, one in rows.items()} | _of_targets(crowd.apart)


def _cycle(cycled: Volume, source: Volume, mask: Mask) -> dict[str, float]:
    """`cycle` of `Seen`."""
    here, there = to_unit(cycled, mask)[mask], to_unit(source, mask)[mask]
    flat = here.std() == 0 or there.std() == 0
    return {
        "mae": float(np.abs(here - there).mean()),
        "r": 0.0 if flat else float(np.corrcoef(here, there)[0, 1]),
    }


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
