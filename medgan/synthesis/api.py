"""`synthesize`: the Python call that does what the command does for one image."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from medgan.models import Model, load_model
from medgan.scans import read_scan, scan_from_image
from medgan.synthesis.image import synthetic_image
from medgan.synthesis.synthesizer import Synthesizer


def synthesize(
    image: str | Path | Any,
    *,
    target: str,
    model: str | Path | Model | None = None,
    series: str | None = None,
    volume: int | None = None,
    echo: float | None = None,
    nan_to_zero: bool = False,
    force: bool = False,
    device: str = "auto",
) -> Any:
    """Make the missing contrast of one scan.

    Args:
        image: a NIfTI, PNG or JPEG file, a DICOM folder, a zip archive of one, or a nibabel image.
        target: the contrast to make, `t1` or `t2`.
        model: a name that `medgan models` lists, a run or model folder, or what `load_model` returned; the model
            that comes with medgan where none is given. Unlike the command, this never looks for ./medgan-run.
        series: SeriesInstanceUID or SeriesNumber, where a DICOM folder holds several.
        volume: which volume of a 4D file, counted from 0.
        echo: echo time in ms, where a DICOM series holds several.
        nan_to_zero: take NaN and infinite voxels of NIfTI as 0 instead of refusing them.
        force: take an image that is synthetic itself.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        A nibabel image (`Nifti1Image`; `Nifti2Image` of a NIfTI-2 file) on the scan's own grid: float32, in the
        intensity range of the target contrast that was learnt in training. Notebooks show three planes of it below
        those of the source. It is synthetic: research only, not for diagnosis.

    Raises:
        InputRefusedError: the scan cannot be read or does not suit the model.
        ModelRefusedError: the model is missing, damaged or has no such direction.

    Example:
        >>> t2 = medgan.synthesize("scan.nii.gz", target="t2")
        >>> nibabel.save(t2, "t2.nii.gz")
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    synthesizer = Synthesizer(loaded, target=target, device=device, force=force)
    if isinstance(image, str | Path):
        scan = read_scan(Path(image), series=series, volume=volume, echo=echo, nan_to_zero=nan_to_zero)
    else:
        scan = scan_from_image(image, nan_to_zero=nan_to_zero)
    synthetic = synthesizer(scan)
    for text in synthetic.warnings:
        warnings.warn(text, stacklevel=2)
    return synthetic_image(synthetic)
