"""What a listing says of a model, from its manifest. Imports nothing heavy, and loads no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medgan.errors import ModelRefusedError
from medgan.files import sha256
from medgan.models.catalogue import DEFAULT, find_model, name_of
from medgan.models.content import AGAIN, MANIFEST, read_content
from medgan.models.parts import About, Weights, check_directions

CARD = "README.md"
_LARGEST_CARD = 1 << 20


class _Glimpse(BaseModel):
    """A part of the manifest; what a listing does not need is passed over, whatever version it is of."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Preparation(_Glimpse):
    spacing: float | str | None = None
    size: int | None = None


class _Sampling(_Glimpse):
    slab_spacing: float | None = None


class _Generator(_Glimpse):
    kind: str = "unet"


class _Recipe(_Glimpse):
    name: str
    description: str = ""
    spatial_dims: int = 2
    preparation: _Preparation = _Preparation()
    sampling: _Sampling = _Sampling()
    generator: _Generator = _Generator()


class _Domain(_Glimpse):
    scans: int
    slices: int


class _Manifest(_Glimpse):
    name: str
    created: str
    medgan_version: str
    slab: int
    recipe: _Recipe
    domains: dict[str, _Domain]
    directions: tuple[Weights, ...] = Field(min_length=1)
    about: About = About()

    @model_validator(mode="after")
    def _domains_are_known(self) -> _Manifest:
        check_directions(self.directions, self.domains)
        return self


@dataclass(frozen=True)
class Outline:
    """A model in a few words.

    Attributes:
        name: by which it is chosen: its own, or that of its folder among those that come with medgan.
        folder: where it lies.
        bundled: whether it came with medgan.
        bytes: of its weights, all directions together.
        digest: SHA-256 of its manifest.
        manifest: what it says of itself, as far as a listing needs it.
    """

    name: str
    folder: Path
    bundled: bool
    bytes: int
    digest: str
    manifest: _Manifest

    @property
    def default(self) -> bool:
        """Whether it is used where no model is chosen."""
        return self.bundled and self.name == DEFAULT

    @property
    def dimensions(self) -> str:
        """`3D`, `2D` or `2.5D, 3 slices`."""
        return dimensions_text(self.manifest.recipe.spatial_dims, self.manifest.slab)

    @property
    def card(self) -> str:
        """The model card, as Markdown; empty where there is none."""
        try:
            with (self.folder / CARD).open("rb") as stream:
                return stream.read(_LARGEST_CARD).decode("utf-8", errors="replace")
        except OSError:
            return ""

    def document(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        manifest = self.manifest
        recipe = manifest.recipe
        return {
            "name": self.name,
            "default": self.default,
            "bundled": self.bundled,
            "folder": str(self.folder),
            "sha256": self.digest,
            "bytes": self.bytes,
            "directions": [
                {"source": one.source, "target": one.target, "parameters": one.parameters}
                for one in manifest.directions
            ],
            "spatial_dims": recipe.spatial_dims,
            "slab": manifest.slab,
            "slab_spacing": recipe.sampling.slab_spacing,
            "spacing": recipe.preparation.spacing,
            "size": recipe.preparation.size,
            "generator": recipe.generator.kind,
            "recipe": recipe.name,
            "created": manifest.created,
            "medgan_version": manifest.medgan_version,
            "scans": {key: domain.scans for key, domain in manifest.domains.items()},
            **manifest.about.model_dump(mode="json"),
        }


def dimensions_text(spatial_dims: int, slab: int) -> str:
    """`3D`, `2D` or `2.5D, 3 slices`."""
    return "3D" if spatial_dims == 3 else "2D" if slab == 1 else f"2.5D, {slab} slices"


def read_outline(name: str | Path) -> Outline:
    """Look at a model, without loading it.

    Args:
        name: what `load_model` takes.

    Raises:
        ModelRefusedError: there is none, its manifest cannot be read, or a file of weights is missing.
    """
    folder = find_model(name)
    content = read_content(folder)
    try:
        manifest = _Manifest.model_validate(content)
        size = sum((folder / weights.file_name).stat().st_size for weights in manifest.directions)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part)[:80] for part in problem["loc"])
        raise ModelRefusedError(
            f"is damaged: {place}: {problem['msg'][:300]}", file=folder / MANIFEST, remedy=AGAIN
        ) from error
    except OSError as error:
        raise ModelRefusedError(
            f"cannot be reached: {error.strerror or error}", file=error.filename, remedy=AGAIN
        ) from error
    bundled = name_of(folder)
    return Outline(
        name=bundled or manifest.name,
        folder=folder,
        bundled=bundled is not None,
        bytes=size,
        digest=sha256(folder / MANIFEST),
        manifest=manifest,
    )
