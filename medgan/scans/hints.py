"""What a file's name and the BIDS sidecar beside it tell of the image: its contrast, whether it is real."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgan.contrasts import Contrast, contrast_from_name, guess_contrast, is_of_another_contrast
from medgan.files import kind_of
from medgan.texts import printable

SIDECAR_LIMIT = 2**20
"""Bytes of a sidecar that are read; real ones have a few thousand."""
_TIMES = {"EchoTime": "echo_time", "RepetitionTime": "repetition_time", "InversionTime": "inversion_time"}
ALREADY_SYNTHETIC = "This image is already synthetic."
OTHER_CONTRAST = "Its name or header says that it is neither T1w nor T2w but another contrast, such as FLAIR."
_OURS = re.compile(r"^medgan\b.*\bsynthetic\b", re.IGNORECASE)


@dataclass(frozen=True)
class Hints:
    """What is known of an image apart from its voxels.

    Attributes:
        contrast: `t1`, `t2` or None where nothing tells.
        facts: `echo_time`, `repetition_time`, `inversion_time` in ms, `field_strength` in T, `modality`, and
            `synthetic: True` where the image says that it was made by a model, `skull_stripped`; each only where
            known.
        warnings: what a user should know, one sentence each.
    """

    contrast: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def hints_for(
    path: Path, *, sidecar: Path | None = None, inherited: Sequence[Path] = (), description: str = ""
) -> Hints:
    """Judge an image by its name, its sidecar and the description in its header.

    Args:
        path: the image; only its name is looked at.
        sidecar: the BIDS JSON that would lie beside it (times in seconds, as BIDS has them).
        inherited: JSON files whose entries hold where that one says nothing, the nearest first.
        description: NIfTI's `descrip`, or a PNG's description.
    """
    content, warnings = read_sidecars([*([sidecar] if sidecar is not None else []), *inherited])
    facts: dict[str, Any] = {
        ours: 1000.0 * value for theirs, ours in _TIMES.items() if (value := _positive(content.get(theirs)))
    }
    if strength := _positive(content.get("MagneticFieldStrength")):
        facts["field_strength"] = strength
    if isinstance(content.get("SkullStripped"), bool):
        facts["skull_stripped"] = content["SkullStripped"]
    if content.get("Modality") in ("MR", "CT", "PT"):
        facts["modality"] = content["Modality"]
        if content["Modality"] != "MR":
            warnings += (f"Its sidecar says that it is {content['Modality']}, not MR.",)
    if _is_synthetic(path.name, content, description):
        facts["synthetic"] = True
        warnings += (ALREADY_SYNTHETIC,)
        return Hints(_key(contrast_from_name(path)), facts, warnings)
    times = {key: facts.get(key) for key in _TIMES.values()}
    found, timed = guess_contrast([path], **times), guess_contrast([], **times)
    if found and timed and found != timed:
        warnings += (f"Its name says {found.label}, but the times in its sidecar say {timed.label}.",)
    texts = [
        text for key in ("SeriesDescription", "ProtocolName") if isinstance(text := content.get(key), str)
    ]
    if is_of_another_contrast(
        [path, *texts], echo_time=times["echo_time"], inversion_time=times["inversion_time"]
    ):
        warnings += (OTHER_CONTRAST,)
    return Hints(_key(found), facts, warnings)


def _key(contrast: Contrast | None) -> str | None:
    return contrast.key if contrast is not None else None


def _is_synthetic(name: str, content: dict[str, Any], description: str) -> bool:
    """By any one of the marks, since converters and people lose the others."""
    says_so = any(content.get(key) is True for key in ("SyntheticData", "Synthetic"))
    return says_so or is_result(name, content, description)


def says_synthetic(description: str) -> bool:
    """Whether a description (NIfTI's `descrip`, a PNG's) is one that medgan writes into its images."""
    return _OURS.search(description) is not None


def is_result(name: str, content: dict[str, Any], description: str) -> bool:
    """Whether an image is one of medgan's results, by its name, its sidecar's content or its description.

    dcm2niix carries a DICOM result's protocol name into the sidecar and the name of the file, not SyntheticData.
    """
    if content.get("SyntheticData") is True and isinstance(content.get("Medgan"), dict):
        return True
    texts = (description, content.get("ProtocolName"), content.get("SeriesDescription"))
    if any(isinstance(text, str) and says_synthetic(text.replace("_", " ")) for text in texts):
        return True
    return "desc-medganfrom" in name.lower() or "medgan synthetic" in name.lower().replace("_", " ")


def _positive(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def read_sidecars(paths: Sequence[Path]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What several sidecars say together, of which the first has the last word; else as `read_sidecar`."""
    content: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    for path in reversed(paths):
        said, told = read_sidecar(path)
        content |= said
        warnings += told
    return content, warnings


def read_sidecar(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The sidecar's object, and warnings: one that cannot be used is told of and stops nothing."""
    if kind_of(path) != "file":
        return {}, ()
    try:
        with path.open("rb") as stream:
            block = stream.read(SIDECAR_LIMIT + 1)
        if len(block) > SIDECAR_LIMIT:
            raise ValueError("it is larger than 1 MiB")
        content = json.loads(block.decode("utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        why = printable(str(error)) or type(error).__name__
        return {}, (f"The sidecar {printable(path.name)} was left aside: {why}.",)
    return content, ()
