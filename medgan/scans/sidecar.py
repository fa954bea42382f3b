"""The JSON beside an output: BIDS's words for a derived image, and how medgan made it.

Fields after BIDS 1.10, "Common data types and metadata for derivatives". Nothing of the source's acquisition
(EchoTime, RepetitionTime) is carried on, since the result was not acquired; no name, no absolute path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from medgan import __version__
from medgan.contrasts import contrast
from medgan.files import kind_of, write_json
from medgan.scans.scan import Source

_DESCRIPTION_LIMIT = 2**20
_NEVER = ("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "PatientName", "PatientID")


def build_sidecar(
    *,
    source: Source,
    called: str | None = None,
    from_contrast: str,
    to_contrast: str,
    model_name: str,
    model_sha256: str,
    preparation: Mapping[str, Any],
    device: str,
    warnings: Sequence[str] = (),
    skull_stripped: bool | None = None,
    spatial_reference: str = "orig",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the JSON beside a synthetic image says, as a plain dictionary.

    Args:
        source: where the input came from. It is named by a BIDS URI where it lies in a BIDS raw dataset,
            else by its file name alone; DICOM by its stem, since exports are called after patients.
        called: what `Sources` says instead, where that would give away the patient.
        from_contrast: key or label of the input's contrast (`t1`).
        to_contrast: key or label of the result's.
        model_name: the model's name.
        model_sha256: hexadecimal digest of its weights.
        preparation: what was done to the voxels (normalisation, resampling), as settings.
        device: such as `cpu` or `cuda:0`.
        warnings: what the user was warned of.
        skull_stripped: left out where it is not known.
        spatial_reference: the image whose grid the result lies on, by its BIDS URI; its own, where none is given.
        extra: further entries for the `Medgan` object.

    Raises:
        ValueError: an entry that must never be carried on, such as EchoTime.
        UsageError: a contrast that medgan does not know.
    """
    here, there = contrast(from_contrast).label, contrast(to_contrast).label
    sidecar: dict[str, Any] = {
        "Description": f"Synthetic {there} image made from a {here} image by medgan, an image-to-image "
        "translation model. Not acquired by a scanner. Research only; not for diagnosis.",
        "Sources": [called or source_name(source)],
        "SpatialReference": spatial_reference,
        "SkullStripped": skull_stripped,
        "SyntheticData": True,
        "Medgan": {
            "Version": __version__,
            "Model": model_name,
            "ModelSHA256": model_sha256,
            "Direction": f"{here} to {there}",
            "Preparation": preparation,
            "Device": device,
            "Warnings": list(warnings),
            **(extra or {}),
        },
    }
    if skull_stripped is None:
        del sidecar["SkullStripped"]
    plain: dict[str, Any] = _plain(sidecar)
    return plain


def write_sidecar(path: Path, **entries: Any) -> dict[str, Any]:
    """Write `build_sidecar(**entries)` to `path`, whole or not at all, and return it.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    sidecar = build_sidecar(**entries)
    write_json(path, sidecar)
    return sidecar


def source_name(source: Source) -> str:
    """`bids:raw:sub-01/anat/sub-01_T1w.nii.gz` in a BIDS raw dataset, else the file's name; of DICOM the stem."""
    if source.kind == "dicom":
        return source.stem
    absolute = source.path.absolute()
    for folder in absolute.parents:
        description = folder / "dataset_description.json"
        if kind_of(description) == "file":
            if _is_raw(description):
                return bids_uri(absolute, folder)
            break
    return absolute.name


def bids_uri(path: Path, raw: Path) -> str:
    """What derivatives call a file of the raw data set at `raw`, whose `DatasetLinks` say where that is."""
    return f"bids:raw:{path.relative_to(raw).as_posix()}"


def _is_raw(description: Path) -> bool:
    """Whether a dataset calls itself raw, which is what it is where it says nothing (BIDS, DatasetType)."""
    try:
        with description.open("rb") as stream:
            content = json.loads(stream.read(_DESCRIPTION_LIMIT))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("DatasetType", "raw") == "raw"


def _plain(value: Any) -> Any:
    """JSON's own types: numpy's values unwrapped, paths cut to their name, NaN and infinity as null."""
    if isinstance(value, Mapping):
        if forbidden := [key for key in value if key in _NEVER]:
            raise ValueError(f"a sidecar of a synthetic image must not hold {', '.join(forbidden)}")
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
