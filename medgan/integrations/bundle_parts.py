"""What the inference of a MONAI Bundle is assembled from: MONAI transforms and an inferer over medgan's own flow.

A bundle carries a copy of this module and of all that it imports (see `runtime`), so that it runs where no medgan is.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.transforms import MapTransform

from medgan import __version__
from medgan.contrasts import contrast
from medgan.devices import choose_precision
from medgan.errors import InputRefusedError, UsageError
from medgan.files import sha256
from medgan.models.scope import Scope, out_of_scope, wrong_contrast
from medgan.models.translator import Translator
from medgan.preparation.intensity import IntensityRange
from medgan.preparation.prepare import Prepared, prepare, restore
from medgan.preparation.settings import PreparationSettings
from medgan.preparation.slabs import slab_step
from medgan.scans.hints import is_result, read_sidecar
from medgan.scans.identity import holds_any, told_identifiers
from medgan.scans.naming import output_stem
from medgan.scans.nifti import read_nifti
from medgan.scans.nifti_file import nifti_suffix
from medgan.scans.nifti_writing import write_nifti
from medgan.scans.scan import Scan
from medgan.scans.sidecar import write_sidecar

_SUFFIXES = (".nii", ".nii.gz")
_log = logging.getLogger(__name__)


def scans_in(folder: str | Path) -> list[dict[str, Path]]:
    """The NIfTI files in a folder, one `image` each, in order of their names; results of medgan are passed over.

    Raises:
        UsageError: there is none, no such folder, or two would give results of one name.
    """
    place = Path(folder)
    files = sorted(
        path
        for path in place.glob("[!.]*")  # what is hidden is another program's, or half written
        if path.name.lower().endswith(_SUFFIXES) and path.is_file()
    )
    files = [path for path in files if not is_result(path.name, {}, "")]
    if not files:
        raise UsageError(
            "holds no NIfTI file", file=place, remedy="Give --dataset_dir a folder of .nii or .nii.gz."
        )
    names = Counter(name for path in files for name in _names(path))
    twice = [path for path in files if any(names[name] > 1 for name in _names(path))]
    if twice:
        raise UsageError(
            f"would give a result of the same name as another scan does ({len(twice)} such scans)",
            file=twice[0],
            remedy="Rename one, or take it away; .nii and .nii.gz of one name are such, and sub-01_T1w and sub-01.",
        )
    return [{"image": path} for path in files]


def _names(path: Path) -> set[str]:
    """What a result may be called, whichever contrast the scan is of, on whatever file system."""
    pairs = (("t1", "t2"), ("t2", "t1"))
    return {output_stem(_stem(path), source_contrast=a, target=b).casefold() for a, b in pairs}


def one_scan(items: Sequence[Mapping[Hashable, Any]]) -> dict[Hashable, Any]:
    """A batch of one scan: its image with a batch axis, all else in a list of one.

    Evaluators take it with `decollate` off: MONAI takes no batch apart that holds more than tensors and texts.
    """
    (item,) = items
    return {
        key: value.unsqueeze(0) if isinstance(value, torch.Tensor) else [value] for key, value in item.items()
    }


class ReadScand(MapTransform):  # type: ignore[misc]
    """A NIfTI path becomes a `Scan`, as medgan reads it; refusals included."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read what lies under each key.

        Raises:
            InputRefusedError: as `read_nifti`, or the scan is synthetic itself.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            scan = read_nifti(Path(item[key]))
            if scan.source.facts.get("synthetic"):
                raise InputRefusedError(
                    "is itself synthetic", file=scan.source.path, remedy="Give the scan that was acquired."
                )
            item[key] = scan
        return item


class PrepareScand(MapTransform):  # type: ignore[misc]
    """A `Scan` becomes what the network sees, (1, X, Y, Z) in [-1, 1]; what is needed to go back is `prepared`.

    Args:
        keys: of the scans.
        settings: entries of `PreparationSettings`.
        spatial_dims: of the network.
        target: key of the contrast that is to be made, which the scan must not be of.
        slab_spacing: mm between the slices of a slab; None for neighbours.
        scope: entries of `Scope`, what scans the model learnt from; None where it does not say.
    """

    def __init__(
        self,
        keys: Any,
        *,
        settings: Mapping[str, Any],
        spatial_dims: int,
        target: str,
        slab_spacing: float | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(keys)
        self.settings, self.target = PreparationSettings.model_validate(settings), contrast(target).key
        self.scope = None if scope is None else Scope.model_validate(scope)
        self.spatial_dims, self.slab_spacing = spatial_dims, slab_spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Prepare the scan under the key; warnings are logged, without the file's name."""
        item = dict(data)
        for key in self.key_iterator(item):
            prepared = prepare(item[key], self.settings, spatial_dims=3 if self.spatial_dims == 3 else 2)
            doubts = (*wrong_contrast(prepared, self.target), *out_of_scope(prepared, self.scope))
            prepared = replace(prepared, warnings=(*prepared.warnings, *doubts))
            for warning in (*prepared.scan.warnings, *prepared.warnings):
                _log.warning(warning)
            item[key] = MetaTensor(prepared.image, affine=torch.from_numpy(prepared.affine.copy()))
            item["prepared"] = prepared
            item["slab_step"] = slab_step(self.slab_spacing, prepared.spacing[2])
        return item


class VolumeInferer(Inferer):  # type: ignore[misc]
    """A prepared volume through the network: slab by slab, or in blended 3D patches, as medgan does.

    Args:
        spatial_dims: of the network.
        slab: slices that it sees at once.
        patch: side of a 3D network's patches.
        precision: `auto` for bfloat16 where the hardware multiplies it natively, `float32` or `bfloat16`.
    """

    def __init__(
        self, *, spatial_dims: int, slab: int, patch: int | None = None, precision: str = "auto"
    ) -> None:
        super().__init__()
        self.spatial_dims, self.slab, self.patch, self.precision = spatial_dims, slab, patch, precision

    def __call__(self, inputs: torch.Tensor, network: Any, slab_step: Sequence[int] = (1,)) -> torch.Tensor:
        """(1, 1, X, Y, Z) in [-1, 1] -> the same of the target contrast, on the device of `inputs`.

        Args:
            inputs: the prepared volume.
            network: the generator.
            slab_step: one number: how many slices lie between two of a slab.
        """
        device = inputs.device
        translator = Translator(
            network,
            spatial_dims=self.spatial_dims,
            slab=self.slab,
            patch=self.patch,
            device=device,
            precision=choose_precision(self.precision, device),  # type: ignore[arg-type]
        )
        image = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        return translator(image[0].cpu(), slab_step=int(slab_step[0])).unsqueeze(0).to(device)


class RestoreScand(MapTransform):  # type: ignore[misc]
    """The network's volume becomes a `Scan` on the source's own grid, in the target contrast's intensities.

    Args:
        keys: of the network's volumes, (1, 1, X, Y, Z) in [-1, 1].
        target: key of the contrast.
        intensity: entries of `IntensityRange`: those of -1, 1 and the background.
    """

    def __init__(self, keys: Any, *, target: str, intensity: Mapping[str, float]) -> None:
        super().__init__(keys)
        self.target, self.intensity = contrast(target).key, IntensityRange.model_validate(intensity)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Undo the preparation of `prepared`."""
        item = dict(data)
        for key in self.key_iterator(item):
            (made,), (prepared,) = item[key], item["prepared"]
            if isinstance(made, MetaTensor):
                made = made.as_tensor()
            item[key] = [replace(restore(prepared, made, self.intensity), contrast=self.target)]
        return item


class WriteScand(MapTransform):  # type: ignore[misc]
    """A synthetic `Scan` becomes a NIfTI file with its JSON, named and marked as `medgan synthesize` does.

    Args:
        keys: of the scans.
        output_dir: where they are written.
        source: key of the contrast that they were made from.
        model: name and SHA-256 of the model, for the JSON.
        notice: what the JSON says of what the image is for.
    """

    def __init__(
        self, keys: Any, *, output_dir: str | Path, source: str, model: Mapping[str, str], notice: str
    ) -> None:
        super().__init__(keys)
        self.output_dir, self.source = Path(output_dir), contrast(source).key
        self.model, self.notice = model, notice

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write, image first.

        Raises:
            OutputNotWrittenError: the disk refuses.
            UsageError: a file is in the way that is not such a result.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            for scan, prepared in zip(item[key], item["prepared"], strict=True):
                self._write(scan, prepared)
        return item

    def _write(self, scan: Scan, prepared: Prepared) -> None:
        assert scan.contrast is not None  # noqa: S101 - set by RestoreScand
        here, there = contrast(self.source).label, contrast(scan.contrast).label
        stem, called = _called(scan.source.path)
        name = output_stem(stem, source_contrast=self.source, target=scan.contrast)
        image, sidecar = self.output_dir / f"{name}.nii.gz", self.output_dir / f"{name}.json"
        told, _ = read_sidecar(sidecar)
        in_the_way = next((file for file in (image, sidecar) if os.path.lexists(file)), None)
        if in_the_way is not None and not is_result("", told, ""):
            raise UsageError(
                "is there already, and no JSON says that it is such a result",
                file=in_the_way,
                remedy="Give another --output_dir.",
            )
        write_nifti(scan, image, description=f"medgan {__version__} synthetic {there} from {here}")
        write_sidecar(
            sidecar,
            source=scan.source,
            called=called,
            from_contrast=self.source,
            to_contrast=scan.contrast,
            model_name=self.model["name"],
            model_sha256=self.model["sha256"],
            preparation=prepared.record,
            device="MONAI Bundle",
            warnings=scan.warnings,
            extra={"Notice": self.notice, "OutputSHA256": {image.name: sha256(image)}},
        )


def _called(path: Path) -> tuple[str, str | None]:
    """What the result is called after, and what its JSON calls the scan where its own name gives away the patient."""
    told = told_identifiers(read_sidecar(path.with_name(f"{_stem(path)}.json"))[0])
    if not holds_any(_stem(path), told):
        return _stem(path), None
    digest = sha256(path)
    return f"image-{digest[:8]}", f"sha256:{digest}"


def _stem(path: Path) -> str:
    return path.name.removesuffix(nifti_suffix(path))
