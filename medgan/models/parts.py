"""What a manifest is made of, apart from the recipe: weights, history, data, figures. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from medgan.contrasts import CONTRASTS

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_KEY = r"^[a-z0-9]{1,16}$"
_SHA256 = r"^[0-9a-f]{64}$"


class Part(BaseModel):
    """An object in `model.json`; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weights(Part):
    """The safetensors file of one direction, which is called after its contrasts (`t1_to_t2.safetensors`)."""

    source: str = Field(pattern=_KEY)
    target: str = Field(pattern=_KEY)
    sha256: str = Field(pattern=_SHA256)
    parameters: int = Field(ge=1)

    @property
    def file_name(self) -> str:
        """Made from the contrasts, so that no manifest can point elsewhere."""
        return f"{self.source}_to_{self.target}.safetensors"


def check_directions(directions: Sequence[Weights], described: Collection[str]) -> None:
    """Raise ValueError unless each direction goes between two contrasts that are known and described."""
    for weights in directions:
        unknown = {weights.source, weights.target} - (set(described) & CONTRASTS.keys())
        if unknown or weights.source == weights.target:
            raise ValueError(f"{weights.file_name} goes between contrasts that it does not describe")


class Origin(Part):
    """The model whose weights a training began with: its name, and the SHA-256 of its manifest."""

    name: str = Field(pattern=_NAME)
    sha256: str = Field(pattern=_SHA256)


class History(Part):
    """How it was trained; `origin` is None where it began with fresh weights."""

    steps: int
    epochs: int
    minutes: float
    seed: int
    device: str
    precision: str
    origin: Origin | None = None


class Material(Part):
    """Scans or label maps that a model was made from, and on which terms.

    Attributes:
        name: such as `MS longitudinal, patients 12 and 19`.
        licence: such as `CC-BY-4.0`.
        used_for: such as `refinement`.
        reference: who made them, as a paper or a page.
    """

    name: str = Field(max_length=300)
    licence: str = Field(max_length=100)
    used_for: str = Field("", max_length=300)
    reference: str = Field("", max_length=500)


class Figures(Part):
    """What a model reached on scans that it was not trained on.

    Attributes:
        source: key of the contrast that it was given.
        target: key of the contrast that it made.
        scans: which scans, such as `MS longitudinal patient 01, two examinations, whole heads`.
        scores: by measure, such as `SSIM`, `r`, `PSNR`.
        baseline: the same of the best baseline, where it was measured.
    """

    source: str = Field(pattern=_KEY)
    target: str = Field(pattern=_KEY)
    scans: str = Field(max_length=300)
    scores: dict[str, float]
    baseline: dict[str, float] = {}

    @field_validator("source", "target")
    @classmethod
    def _is_known(cls, key: str) -> str:
        if key not in CONTRASTS:
            raise ValueError(f"there is no contrast {key!r}")
        return key


class About(Part):
    """What a stranger must know of a model that is passed on; `medgan train` leaves it empty.

    Attributes:
        purpose: what it is for, in a line.
        materials: what it was made from, with licences.
        protocol: how the figures were measured.
        figures: what it reached.
        limits: what it cannot do, one sentence each.
    """

    purpose: str = Field("", max_length=300)
    materials: tuple[Material, ...] = ()
    protocol: str = Field("", max_length=1000)
    figures: tuple[Figures, ...] = ()
    limits: tuple[str, ...] = ()
