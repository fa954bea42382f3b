"""A model and pairs that it was not trained on -> what it may expect of its own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from medgan.contrasts import contrast, other
from medgan.devices import choose_device, memory_errors
from medgan.errors import InputRefusedError
from medgan.evaluation import canonical_voxels, to_unit
from medgan.evaluation.grids import refuse_other_grid
from medgan.evaluation.judging import foreground
from medgan.files import write_json, write_text
from medgan.models import Model, load_model
from medgan.models.calibration import Calibration, MadeFrom
from medgan.models.card import model_card
from medgan.models.content import MANIFEST
from medgan.models.loading import load_translator
from medgan.models.manifest import Manifest
from medgan.models.translator import Translator
from medgan.preparation import prepare, restore
from medgan.preparation.slabs import slab_step
from medgan.scans import Scan
from medgan.uncertainty.fitting import LEVEL, Sample, fit
from medgan.uncertainty.signs import find_signs

Pair = Mapping[str, Scan]
"""Scans of one head on one grid, by contrast: `t1` and `t2`."""

PLANES = 16
"""Axial slices of each pair that are looked at, evenly chosen over the head."""
_VOXELS = 20_000
_REMEDY = "Close other programs, or use another --device."


def calibrate(
    model: Model,
    pairs: Iterable[Pair],
    *,
    made_from: MadeFrom,
    device: str = "auto",
    planes: int = PLANES,
    advance: Callable[[int], None] = lambda done: None,
) -> tuple[Calibration, ...]:
    """Learn how far a model is off where its signs of trouble are strong or weak, in each direction.

    Args:
        model: what `load_model` returns.
        pairs: of people that the model was not trained on, both scans of one head on one grid; each is let go before
            the next.
        made_from: what the pairs are: `acquired`, `simulated` or `both`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        planes: axial slices of each pair that are looked at.
        advance: told how many pairs are done.

    Returns:
        A calibration for each direction; `keep_calibration` and `publish_model` put them into a model.

    Raises:
        InputRefusedError: there are fewer than two pairs, or one is not on one grid or shows no head.
        ModelRefusedError: the model lacks a direction, is damaged, or makes what is not finite.
        ResourceError: no such device, or memory runs out.
    """
    where = choose_device(device).device
    targets = [weights.target for weights in model.manifest.directions]
    translators = {key: load_translator(model, key, where) for key in {*targets, *map(_source, targets)}}
    samples: dict[str, list[Sample]] = {target: [] for target in targets}
    for done, pair in enumerate(pairs, start=1):
        refuse_other_grid(
            pair["t2"],
            pair["t1"],
            called="T2w scan",
            beside="T1w scan",
            remedy="Give pairs that lie on one grid each.",
        )
        with memory_errors(_REMEDY):
            for target in targets:
                samples[target].append(_sample(model, translators, pair, target, planes))
        advance(done)
    if any(len(met) < 2 for met in samples.values()):
        raise InputRefusedError(
            "a calibration takes two pairs at least: each is judged by what the others taught",
            remedy="Give more T1w and T2w scans of the same heads, each pair on one grid.",
        )
    return tuple(_calibration(model, target, met, made_from) for target, met in samples.items())


def keep_calibration(model: Model, calibration: tuple[Calibration, ...]) -> Model:
    """Put a calibration into the model's own folder, in the place of an older one; returns the model as it is then.

    Raises:
        OutputNotWrittenError: the folder cannot be written.
    """
    content = model.manifest.model_dump(mode="json")
    content["calibration"] = [one.model_dump(mode="json") for one in calibration]
    manifest = Manifest.model_validate(content)
    write_json(model.folder / MANIFEST, manifest.model_dump(mode="json"))
    write_text(model.folder / "README.md", model_card(manifest))
    return load_model(model.folder)


def _source(target: str) -> str:
    return other(target).key


def _calibration(model: Model, target: str, samples: list[Sample], made_from: MadeFrom) -> Calibration:
    found = fit(samples)
    weights = model.manifest.weights_of(target)
    assert weights is not None  # noqa: S101 - their networks were loaded
    return Calibration(
        target=target,
        weights=weights,
        flip=found.flip,
        cycle=found.cycle,
        expected=found.expected,
        bound=found.bound,
        level=LEVEL,
        made_from=made_from,
        pairs=len(samples),
        shares=found.shares,
        error=found.error,
    )


def _sample(
    model: Model, translators: Mapping[str, Translator], pair: Pair, target: str, planes: int
) -> Sample:
    """The signs and the errors in some voxels of one pair's head."""
    recipe, source = model.manifest.recipe, _source(target)
    truth = canonical_voxels(pair[target])
    head = foreground(pair[target], truth, None, called=f"{contrast(target).label} scan")
    chosen = _evenly(np.flatnonzero(head.any(axis=(0, 1))), planes)
    prepared = prepare(pair[source], recipe.preparation, spatial_dims=recipe.spatial_dims)
    there, back = translators[target], translators[source]
    step, wanted = slab_step(recipe.sampling.slab_spacing, prepared.spacing[2]), chosen.tolist()
    seen = there.seen(wanted, prepared.image.shape[3], step)
    made = there(prepared.image, slab_step=step, planes=seen)
    signs = find_signs(prepared, made, there=there, back=back, slab_step=step, planes=wanted)
    restored = restore(prepared, made, model.manifest.domains[target].intensity)
    head = head[:, :, chosen]
    unit = [to_unit(volume[:, :, chosen], head) for volume in (canonical_voxels(restored), truth)]
    inside = _evenly(np.flatnonzero(head), _VOXELS)
    return Sample(
        flip=signs.flip[:, :, chosen].ravel()[inside].astype(np.float64),
        cycle=signs.cycle[:, :, chosen].ravel()[inside].astype(np.float64),
        error=np.abs(unit[0] - unit[1]).ravel()[inside],
    )


def _evenly(values: np.ndarray, count: int) -> np.ndarray:
    """At most so many of them, evenly chosen and the ends as far away as each other."""
    if len(values) <= count:
        return values
    places = ((np.arange(count) + 0.5) * len(values) / count).astype(int)
    return np.asarray(values[places])
