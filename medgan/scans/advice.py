"""What would hurt a training on a data set, or what its user has to choose: one rule for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medgan.contrasts import CONTRASTS
from medgan.files import kind_of
from medgan.scans.finding import SMALLEST_STACK, personal_places_of, picture_rank
from medgan.scans.inspection import Inspected
from medgan.scans.shown_paths import nameless

FEW_SLICES = 20
"""Axial slices of a contrast below which a training has next to nothing to learn from."""
"""Numbered pictures of one name from which training tells how far up the head each lies."""
_DIFFERENT_PIXELS = 1.5
_THICK = 2.0
_FLAT = 3


def advise(usable: Sequence[Inspected]) -> tuple[str, ...]:
    """One or two sentences for each thing that a user should know of these scans together."""
    return tuple(text for rule in _RULES if (text := rule(usable)))


def contrast_label(key: str | None) -> str:
    """`T1w` for `t1`; what is not known is called so."""
    return CONTRASTS[key].label if key in CONTRASTS else "unknown contrast"


def _mixed_contrasts(scans: Sequence[Inspected]) -> str:
    by_folder: dict[Path, list[Inspected]] = defaultdict(list)
    for scan in scans:
        path = scan.found.path
        if scan.contrast is not None:
            by_folder[path if kind_of(path) == "folder" else path.parent].append(scan)
    mixed = {folder: some for folder, some in by_folder.items() if len({one.contrast for one in some}) > 1}
    if not mixed:
        return ""
    folder, first = next(iter(mixed.items()))
    folder = folder.absolute()
    such = nameless(folder, personal_places_of(one.found for one in first), below=folder.parent)
    where = f"in {such}" if len(mixed) == 1 else f"in {len(mixed)} folders (such as {such})"
    labels = " and ".join(known.label for known in CONTRASTS.values())
    return f"{labels} lie side by side {where}. Training wants one folder for each contrast."


def _unknown_contrast(scans: Sequence[Inspected]) -> str:
    unknown = [scan for scan in scans if scan.contrast is None]
    if not unknown or len(scans) < 2:
        return ""
    return (
        f"No single contrast in name, sidecar or header: {_share(unknown, scans)}. "
        "medgan cannot warn of one in the wrong folder, so look at them before training."
    )


def _different_pixels(scans: Sequence[Inspected]) -> str:
    pixels = [
        min(scan.canonical_spacing[:2])
        for scan in scans
        if scan.canonical_spacing is not None and scan.found.kind != "picture"
    ]
    if not pixels or max(pixels) <= _DIFFERENT_PIXELS * min(pixels):
        return ""
    return (
        f"Pixels of axial slices range from {min(pixels):.3g} to {max(pixels):.3g} mm. Training should bring "
        f"them to one size: preparation.spacing auto, or a number such as {float(np.median(pixels)):.2g}."
    )


def _coarse_axial(scans: Sequence[Inspected]) -> str:
    coarse = []
    for scan in scans:
        spacing = scan.canonical_spacing
        if spacing is not None and max(spacing[:2]) > _THICK * min(spacing):
            coarse.append(scan)
    if not coarse:
        return ""
    return (
        f"Thick sagittal or coronal slices: {_share(coarse, scans)}. "
        "Networks see axial slices, and these are coarse in one direction."
    )


def _mixed_kinds(scans: Sequence[Inspected]) -> str:
    pictures = [scan for scan in scans if scan.found.kind == "picture"]
    if len(pictures) in (0, len(scans)):
        return ""
    return (
        f"Pictures among volumes: {_share(pictures, scans)}. Pictures carry neither spacing nor place, and "
        "their intensities have another scale: train on one kind."
    )


def _mixed_depths(scans: Sequence[Inspected]) -> str:
    types = Counter(scan.data_type for scan in scans if scan.found.kind == "picture")
    if len(types) < 2:
        return ""
    mixture = " and ".join(f"{count} of {name}" for name, count in types.most_common())
    return f"Pictures of different depths: {mixture}. Those of one folder should share one intensity scale."


def _unnumbered(scans: Sequence[Inspected]) -> str:
    pictures = [scan for scan in scans if scan.found.kind == "picture"]
    stacks: dict[str, list[Inspected]] = defaultdict(list)
    loose = []
    for scan in pictures:
        rank = picture_rank(scan.found.path)
        if rank is None:
            loose.append(scan)
        else:
            stacks[rank[0]].append(scan)
    loose += [scan for stack in stacks.values() if len(stack) < SMALLEST_STACK for scan in stack]
    if not loose or len(scans) < 2:
        return ""
    return (
        f"Pictures that are not one of {SMALLEST_STACK} or more numbered of one name: "
        f"{_share(loose, pictures)}. Nothing tells how far up the head they lie, so training cannot "
        "match heights."
    )


def _few_slices(scans: Sequence[Inspected]) -> str:
    slices: Counter[str | None] = Counter()
    for scan in scans:
        if scan.canonical_shape is not None:
            slices[scan.contrast] += scan.canonical_shape[2]
    few = [f"{count} of {contrast_label(key)}" for key, count in slices.items() if count < FEW_SLICES]
    if not few or len(scans) < 2:
        return ""
    return f"Few axial slices: {', '.join(few)}. A training wants at least {FEW_SLICES} of each contrast."


def _flat(scans: Sequence[Inspected]) -> str:
    flat = [
        scan
        for scan in scans
        if scan.found.kind != "picture" and scan.shape is not None and min(scan.shape) <= _FLAT
    ]
    if not flat or len(flat) == len(scans):
        return ""
    return (
        f"{_FLAT} slices or fewer: {_share(flat, scans)}. They may be localizers, and training takes "
        "every usable scan that it finds."
    )


def _synthetic(scans: Sequence[Inspected]) -> str:
    made = [scan for scan in scans if scan.facts.get("synthetic") is True]
    if not made:
        return ""
    return (
        f"Synthetic already: {_share(made, scans)}. Neither training nor synthesis takes them from a folder."
    )


def _other_modality(scans: Sequence[Inspected]) -> str:
    others = [scan for scan in scans if scan.facts.get("modality", "MR") != "MR"]
    names = ", ".join(sorted({str(scan.facts["modality"]) for scan in others}))
    return f"{names}, not MR: {_share(others, scans)}. medgan is made for MR." if others else ""


def _several_series(scans: Sequence[Inspected]) -> str:
    series = [scan for scan in scans if scan.found.series is not None]
    if len(series) < 2:
        return ""
    alone = [scan for scan in series if kind_of(scan.found.path) == "file"]
    uids = {scan.found.series.uid for scan in alone if scan.found.series is not None}
    if len(uids) < len(alone):
        return (
            f"{len(alone)} DICOM files were named one by one, so each counts as a scan. Name their folder, "
            "and the slices of a series come together."
        )
    in_folders = len({scan.found.path for scan in series}) > 1
    each = ", or give the folders one by one (DIR/*)" if in_folders else ""
    return (
        f"{len(series)} usable DICOM series. Synthesis takes one of a folder: choose it with "
        f"--series NUMBER{each}. Training takes them all."
    )


_RULES: tuple[Callable[[Sequence[Inspected]], str], ...] = (
    _mixed_contrasts,
    _unknown_contrast,
    _different_pixels,
    _coarse_axial,
    _mixed_kinds,
    _mixed_depths,
    _unnumbered,
    _few_slices,
    _flat,
    _synthetic,
    _other_modality,
    _several_series,
)


def _share(some: Sequence[Inspected], scans: Sequence[Inspected]) -> str:
    if len(some) == len(scans):
        return f"all {len(scans)}" if len(scans) > 1 else scans[0].label
    return f"{len(some)} of {len(scans)}, such as {some[0].label}"
