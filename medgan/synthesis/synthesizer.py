"""A model and a scan -> a scan of the other contrast, on the scan's own grid."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from medgan import __version__
from medgan.contrasts import contrast, other
from medgan.devices import DeviceChoice, choose_device, memory_errors
from medgan.errors import InputRefusedError, ModelRefusedError
from medgan.lazy import import_ahead
from medgan.models import Model
from medgan.models.calibration import Calibration
from medgan.models.compiled import may_be_compiled
from medgan.models.loading import load_translator
from medgan.models.scope import out_of_scope, wrong_contrast
from medgan.models.translator import Translator
from medgan.preparation import IntensityRange, Prepared, prepare, restore
from medgan.preparation.slabs import slab_step
from medgan.scans import Scan
from medgan.uncertainty import Maps, error_maps
from medgan.uncertainty.signs import find_signs

MEMORY_REMEDY = "Close other programs, or use another --device."
"""What to do where memory runs out."""


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A synthetic scan and how it came about.

    Attributes:
        scan: on the source's grid, float32, in the target contrast's learnt intensity range.
        source: the scan that it was made from.
        source_range: the source's intensities that became a network's -1 and 1, for windows of pictures.
        source_contrast: key, such as `t1`.
        range: the learnt range, for windows of pictures.
        bits: bits per pixel of the pictures that the range was learnt from, if it was.
        record: each step of the preparation and its parameters, ready for JSON.
        warnings: what a user should know.
        maps: how far it may be off, where that was asked for.
    """

    scan: Scan
    source: Scan
    source_range: IntensityRange
    source_contrast: str
    range: IntensityRange
    bits: int | None
    record: dict[str, Any]
    warnings: tuple[str, ...]
    maps: Maps | None = None

    @property
    def description(self) -> str:
        """What the image is, in a line that names no person."""
        return f"medgan {__version__} {self.direction}"

    @property
    def direction(self) -> str:
        """Such as `synthetic T2w from T1w`."""
        assert self.scan.contrast is not None  # noqa: S101 - set by Synthesizer
        return f"synthetic {contrast(self.scan.contrast).label} from {contrast(self.source_contrast).label}"


class Synthesizer:
    """One direction of a model on a device, for any number of scans.

    Args:
        model: what `load_model` returns.
        target: contrast to make, `t1` or `t2`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        force: take scans that are synthetic themselves.
        uncertainty: tell of each voxel how far it may be off, too; takes three times as long.

    Raises:
        UsageError: no such contrast or device name.
        ModelRefusedError: the model has no such direction, is damaged, or does not know its errors.
        ResourceError: no such device.
    """

    def __init__(
        self,
        model: Model,
        *,
        target: str,
        device: str = "auto",
        force: bool = False,
        uncertainty: bool = False,
    ) -> None:
        self.model, self.force = model, force
        self.target = contrast(target)
        self.source = other(target)
        self.device: DeviceChoice = choose_device(device)
        model.check(self.target.key)
        self.calibration = known_errors(model, target) if uncertainty else None
        self._translators: dict[str, Translator] = {}
        self._loading, self._threads = threading.Lock(), torch.get_num_threads()
        if not may_be_compiled(self.device.device):
            # MONAI takes seconds to load; scans are read meanwhile
            import_ahead("medgan.models.architecture")

    @property
    def translator(self) -> Translator:
        """The network on its device, loaded when the first scan has been read and prepared."""
        return self._loaded(self.target.key)

    @property
    def way_back(self) -> Translator:
        """The network that leads back, for the cycle error."""
        return self._loaded(self.source.key)

    def _loaded(self, target: str) -> Translator:
        with self._loading:
            if target not in self._translators:
                self._translators[target] = load_translator(
                    self.model, target, self.device.device, compiled_for=self._threads
                )
            return self._translators[target]

    def settle(self) -> None:
        """Load what may have to be compiled and timed first: alone, before several threads share the machine."""
        if may_be_compiled(self.device.device):
            self._loaded(self.target.key)
            if self.calibration is not None:
                self._loaded(self.source.key)

    @property
    def is_loaded(self) -> bool:
        """Whether all networks have been loaded: what the model refuses then, it refuses of one scan alone."""
        return len(self._translators) == (1 if self.calibration is None else 2)

    def __call__(
        self, scan: Scan, *, advance: Callable[[int, int], None] = lambda done, total: None
    ) -> Synthetic:
        """Synthesise one scan.

        Args:
            scan: of the source contrast.
            advance: told how many of how many slices are done.

        Raises:
            InputRefusedError: the scan does not suit the model, or is synthetic itself.
        """
        if scan.source.facts.get("synthetic") and not self.force:
            raise InputRefusedError(
                "is itself synthetic, so what would be made from it rests on nothing that was measured",
                file=scan.source.path,
                remedy="Give the scan that was acquired, or insist with --force.",
            )
        manifest = self.model.manifest
        recipe, domains = manifest.recipe, manifest.domains
        prepared = prepare(
            scan,
            recipe.preparation,
            spatial_dims=recipe.spatial_dims,
            intensity=self._shared_picture_range(scan),
        )
        step = slab_step(recipe.sampling.slab_spacing, prepared.spacing[2])
        with memory_errors(MEMORY_REMEDY):
            planes = self.translator.seen(_with_head(prepared), prepared.image.shape[3], step)
            made = self.translator(prepared.image, slab_step=step, planes=planes, advance=advance)
            maps = None if self.calibration is None else self._maps(prepared, made, step, self.calibration)
        learnt = domains[self.target.key]
        restored = replace(restore(prepared, made, learnt.intensity), contrast=self.target.key)
        return Synthetic(
            scan=restored,
            source=scan,
            source_range=prepared.intensity,
            source_contrast=self.source.key,
            range=learnt.intensity,
            bits=learnt.bits,
            record=prepared.record,
            warnings=(*restored.warnings, *self._doubts(prepared)),
            maps=maps,
        )

    def _maps(self, prepared: Prepared, made: torch.Tensor, step: int, calibration: Calibration) -> Maps:
        signs = find_signs(
            prepared,
            made,
            there=self.translator,
            back=self.way_back,
            slab_step=step,
            planes=_with_head(prepared),
        )
        return error_maps(prepared, signs, calibration)

    def _shared_picture_range(self, scan: Scan) -> IntensityRange | None:
        """Pictures of one depth share one scale: that of the pictures that the model was trained on.

        One that is plainly on another scale is scaled by its own percentiles, as volumes are.
        """
        learnt = self.model.manifest.domains[self.source.key]
        same = scan.source.kind == "picture" and learnt.bits == scan.source.bits
        return learnt.intensity if same and not self._on_another_scale(scan) else None

    def _on_another_scale(self, scan: Scan) -> bool:
        high = float(np.percentile(scan.voxels, 99.5))
        return not 0.5 <= high / max(self.model.manifest.domains[self.source.key].intensity.high, 1e-9) <= 2

    def _doubts(self, prepared: Prepared) -> list[str]:
        """What speaks against this scan as an input."""
        scan, doubts = prepared.scan, wrong_contrast(prepared, self.target.key)
        learnt = self.model.manifest.domains[self.source.key]
        if scan.source.kind == "picture" and learnt.bits == scan.source.bits and self._on_another_scale(scan):
            doubts.append(
                "its intensities are on another scale than the pictures that the model was trained on, so it was "
                "scaled by its own percentiles"
            )
        return doubts + out_of_scope(prepared, learnt.scope)


def known_errors(model: Model, target: str) -> Calibration:
    """What a model knows of the errors of its images of `target`.

    Raises:
        ModelRefusedError: nothing.
    """
    known = model.manifest.calibration_of(target)
    if known is None:
        raise ModelRefusedError(
            f"does not know how far off its {contrast(target).label} images are, so --uncertainty has nothing to tell",
            file=model.folder,
            remedy="Calibrate it on T1w and T2w scans of people that it was not trained on (medgan calibrate "
            "--model MODEL --t1-dir T1 --t2-dir T2), or leave out --uncertainty.",
        )
    return known


def _with_head(prepared: Prepared) -> list[int]:
    """The slices that show some of the head; the others become background, whatever a 2D network makes of them."""
    planes: list[int] = np.flatnonzero(prepared.head.any(axis=(0, 1))).tolist()
    return planes
