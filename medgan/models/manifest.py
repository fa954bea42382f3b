"""`model.json`: what a model folder says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from medgan import __version__
from medgan.errors import ModelRefusedError
from medgan.models.calibration import Calibration
from medgan.models.content import AGAIN, FORMAT_VERSION, MANIFEST, read_content
from medgan.models.parts import About, History, Part, Weights, check_directions
from medgan.models.scope import Scope
from medgan.preparation import IntensityRange
from medgan.recipe import LARGEST_SLAB, Recipe

_OF_TRAINING = ("augmentation", "discriminator", "losses", "simulation", "optimiser", "training")
"""Parts of a recipe that do not change what a trained model makes, but for the precision in the last."""
_LISTED = 4


class Domain(Part):
    """What the model has learnt of one contrast, and from what; no names.

    Attributes:
        intensity: the range that its images have in scanner (or picture) units.
        scans: how many scans it was trained on.
        slices: how many slices they had together.
        kinds: file kinds among them.
        spacings: smallest and largest voxel size in mm per canonical axis.
        bits: bits per pixel, where all were pictures of one depth.
        fingerprint: SHA-256 over the prepared scans' contents.
        scope: what the scans were like, where it is known.
    """

    intensity: IntensityRange
    scans: int
    slices: int
    kinds: tuple[str, ...]
    spacings: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    bits: Literal[8, 16] | None = None
    fingerprint: str
    scope: Scope | None = None


class Manifest(Part):
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
    about: About = About()
    calibration: tuple[Calibration, ...] = ()

    @model_validator(mode="after")
    def _domains_are_known(self) -> Manifest:
        check_directions(self.directions, self.domains)
        return self

    @model_validator(mode="after")
    def _calibration_is_its_own(self) -> Manifest:
        for one in self.calibration:
            if one.weights != self.weights_of(one.target):
                raise ValueError(f"the calibration of {one.target} is of other weights")
        return self

    def weights_of(self, target: str) -> tuple[str, str] | None:
        """SHA-256 of the weights that make `target` and of those that lead back; None where either is missing."""
        there = self.direction(target)
        back = self.direction(there.source) if there is not None else None
        return (there.sha256, back.sha256) if there is not None and back is not None else None

    def calibration_of(self, target: str) -> Calibration | None:
        """What is known of the errors in `target`, if anything is."""
        return next((one for one in self.calibration if one.target == target), None)

    def direction(self, target: str) -> Weights | None:
        """The weights that make `target`, if there are any."""
        return next((weights for weights in self.directions if weights.target == target), None)


def read_manifest(folder: Path) -> Manifest:
    """Read and check `model.json`.

    Settings that this medgan does not know, since they came or went in another version, are passed over where they
    are of training alone.

    Raises:
        ModelRefusedError: it is missing, too large, damaged or of another version.
    """
    content = read_content(folder)
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        unknown = [problem["loc"] for problem in error.errors() if problem["type"] == "extra_forbidden"]
        if len(unknown) < error.error_count() or not all(map(_is_of_training, unknown)):
            raise _refusal(folder / MANIFEST, content, error) from error
    for _, section, setting in unknown:
        del content["recipe"][section][setting]
    try:
        if "precision" not in content["recipe"].get("training", ()):
            raise ModelRefusedError(
                "is damaged: recipe.training.precision is missing", file=folder / MANIFEST, remedy=AGAIN
            )
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise _refusal(folder / MANIFEST, content, error) from error


def _is_of_training(place: tuple[int | str, ...]) -> bool:
    return len(place) == 3 and place[0] == "recipe" and place[1] in _OF_TRAINING


def _refusal(file: Path, content: dict[str, Any], error: ValidationError) -> ModelRefusedError:
    """Damaged, or of another version, as far as can be told."""
    problems = error.errors()
    places = [".".join(str(part)[:80] for part in problem["loc"]) for problem in problems]
    wrote = str(content.get("medgan_version"))[:40]
    unknown = [
        place for place, problem in zip(places, problems, strict=True) if problem["type"] == "extra_forbidden"
    ]
    if len(unknown) == len(problems):
        listed = ", ".join(unknown[:_LISTED]) + (", ..." if unknown[_LISTED:] else "")
        cause = (
            f"is of another version of medgan, or damaged: this one ({__version__}) does not know {listed}"
        )
    elif wrote != __version__:
        cause = f"is of medgan {wrote}, and this one ({__version__}) cannot read it: "
        cause += f"{places[0]}: {problems[0]['msg'][:300]}"
    else:
        return ModelRefusedError(
            f"is damaged: {places[0]}: {problems[0]['msg'][:300]}", file=file, remedy=AGAIN
        )
    return ModelRefusedError(
        cause, file=file, remedy=f"Use the medgan that wrote it ({wrote} by its own word), or train again."
    )
