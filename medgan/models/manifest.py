"""`model.json`: what a model folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medgan.contrasts import CONTRASTS
from medgan.errors import ModelRefusedError
from medgan.preparation import IntensityRange
from medgan.recipe import LARGEST_SLAB, Recipe

FORMAT_VERSION = 1
MANIFEST = "model.json"
_LARGEST = 4 << 20


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weights(_Part):
    """The safetensors file of one direction, which is called after its contrasts (`t1_to_t2.safetensors`)."""

    source: str = Field(pattern=r"^[a-z0-9]{1,16}$")
    target: str = Field(pattern=r"^[a-z0-9]{1,16}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    parameters: int = Field(ge=1)

    @property
    def file_name(self) -> str:
        """Made from the contrasts, so that no manifest can point elsewhere."""
        return f"{self.source}_to_{self.target}.safetensors"


class Domain(_Part):
    """What the model has learnt of one contrast, and from what; no names.

    Attributes:
        intensity: the range that its images have in scanner (or picture) units.
        scans: how many scans it was trained on.
        slices: how many slices they had together.
        kinds: file kinds among them.
        spacings: smallest and largest voxel size in mm per canonical axis.
        bits: bits per pixel, where all were pictures of one depth.
        fingerprint: SHA-256 over the prepared scans' contents.
    """

    intensity: IntensityRange
    scans: int
    slices: int
    kinds: tuple[str, ...]
    spacings: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    bits: Literal[8, 16] | None = None
    fingerprint: str


class History(_Part):
    """How it was trained."""

    steps: int
    epochs: int
    minutes: float
    seed: int
    device: str
    precision: str


class Manifest(_Part):
    """Everything in `model.json`."""

    format: Literal["medgan-model"] = "medgan-model"
    format_version: int = FORMAT_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    notice: str = "Research software. Its images are synthetic and not for diagnosis."
    created: str
    medgan_version: str
    libraries: dict[str, str]
    slab: int = Field(ge=1, le=LARGEST_SLAB)
    recipe: Recipe
    domains: dict[str, Domain]
    directions: tuple[Weights, ...]
    training: History

    @model_validator(mode="after")
    def _domains_are_known(self) -> Manifest:
        for weights in self.directions:
            unknown = {weights.source, weights.target} - (self.domains.keys() & CONTRASTS.keys())
            if unknown or weights.source == weights.target:
                raise ValueError(f"{weights.file_name} goes between contrasts that it does not describe")
        return self

    def direction(self, target: str) -> Weights | None:
        """The weights that make `target`, if there are any."""
        return next((weights for weights in self.directions if weights.target == target), None)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `model.json`.

    Raises:
        ModelRefusedError: it is missing, too large, damaged or of another format version.
    """
    file = folder / MANIFEST
    try:
        if file.stat().st_size > _LARGEST:
            raise ModelRefusedError(
                f"is larger than {_LARGEST >> 20} MiB, so it is no manifest", file=file, remedy=_AGAIN
            )
        content: Any = json.loads(
            file.read_text(encoding="utf-8"), object_pairs_hook=_each_once, parse_constant=_refuse_constant
        )
    except FileNotFoundError:
        raise ModelRefusedError(
            "is not a model: it has no model.json",
            file=folder,
            remedy="Give a run folder of `medgan train`, or the model folder in it.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefusedError(f"cannot be read: {error}", file=file, remedy=_AGAIN) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelRefusedError(
            f"is of model format {repr(version)[:40]}; this medgan reads format {FORMAT_VERSION}",
            file=file,
            remedy="Use the medgan version that wrote it, or train again.",
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        raise ModelRefusedError(
            f"is damaged: {where}: {first['msg'][:300]}", file=file, remedy=_AGAIN
        ) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each there once; readers differ in which of two they believe."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


_AGAIN = "The folder is damaged: copy it again from where it came, or train again."
