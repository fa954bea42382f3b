"""The settings of a training, section by section, and what each takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from medgan.preparation import AugmentationSettings, PreparationSettings

LARGEST_SLAB = 63
"""Slices that a network may see at once."""
Channels = Annotated[int, Field(ge=1, le=4096)]
Factor = Annotated[int, Field(ge=1, le=64)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SamplingSettings(_Settings):
    """How images are drawn from the two folders."""

    batch_size: int = Field(4, ge=1, le=4096, description="Images of each contrast in a step.")
    crop: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Side in pixels (3D: voxels) of random crops; none for the full frame.",
    )
    slab: int | Literal["auto"] = Field(
        1,
        description="Neighbouring slices that the network sees at once (odd); auto: 3 where volumes are given.",
    )
    slab_spacing: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Distance in mm between a slab's slices; none for the scan's own slices.",
    )
    match_position: bool = Field(True, description="Draw unpaired images from the same height of the head.")
    position_jitter: float = Field(
        0.1, ge=0, le=1, description="Spread of that match, as a fraction of the head's height."
    )

    @model_validator(mode="after")
    def _slab_is_odd(self) -> SamplingSettings:
        if self.slab != "auto" and (not 1 <= self.slab <= LARGEST_SLAB or self.slab % 2 == 0):
            raise ValueError(f"slab must be odd, from 1 to {LARGEST_SLAB}, or auto; it is {self.slab}")
        return self


class GeneratorSettings(_Settings):
    """A generator of `medgan.networks`."""

    kind: Literal["unet", "resnet", "pix2pix"] = "unet"
    channels: tuple[Channels, ...] = Field(
        (16, 32, 64, 128),
        min_length=2,
        max_length=10,
        description="From full size downwards; of pix2pix from half size.",
    )
    residual_units: int = Field(
        4, ge=0, le=64, description="Residual units at the coarsest size; pix2pix has none."
    )
    upsampling: Literal["resize", "transposed"] = Field(
        "resize", description="That of pix2pix is always transposed."
    )
    finest_skip: int = Field(
        0, ge=0, le=16, description="Finest level with a skip (U-Net): 0 all, 1 none at full size."
    )
    initial_gain: float = Field(1.0, gt=0, le=1, description="Scale of the last layer's first weights.")
    dropout: float = Field(0.0, ge=0, lt=1)


class DiscriminatorSettings(_Settings):
    """The PatchGANs of `medgan.networks`."""

    channels: Channels = 32
    layers: int = Field(3, ge=1, le=10)
    views: tuple[Factor, ...] = Field(
        (1,), min_length=1, max_length=10, description="Averaging factors of the views judged."
    )
    augment: bool = Field(False, description="Shift and cut what it sees, real and fake alike (few images).")


class LossSettings(_Settings):
    """The losses of `medgan.cyclegan`."""

    adversarial: Literal["least_squares", "bce"] = "least_squares"
    adversarial_weight: float = Field(1.0, ge=0, description="0 leaves the discriminators without influence.")
    cycle: float = Field(10.0, ge=0)
    cycle_ssim: float = Field(0.0, ge=0, le=1, description="Share of 1 - SSIM in the cycle loss.")
    identity: float = Field(0.25, ge=0, description="As a fraction of the cycle weight.")
    structure: float = Field(0.0, ge=0, description="1 - squared local correlation of source and fake.")
    squared: float = Field(
        0.0,
        ge=0,
        description="Weight of the squared error beside the absolute one, on pairs: its optimum is the mean.",
    )
    ssim: float = Field(0.0, ge=0, description="Weight of 1 - SSIM beside the absolute error, on pairs.")
    paired: float = Field(
        1.0,
        ge=0,
        description="Of the error on acquired pairs (--paired-dir), as a fraction of the cycle weight.",
    )
    ramp: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the training, after the warm-up, over which cycle, identity and structure grow from 0; "
        "at full weight at once they pull what the warm-up taught back to a copy.",
    )
    history: int = Field(50, ge=0, le=100_000, description="Fakes kept for each discriminator.")


class OptimiserSettings(_Settings):
    """Adam, and the moving average of the generators."""

    learning_rate: float = Field(2e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    decay_from: float = Field(
        0.5, ge=0, le=1, description="Fraction after which the rate falls linearly to 0."
    )
    ema: float = Field(0.99, ge=0, lt=1, description="Decay per step of the generators' average; 0 for none.")


class SimulationSettings(_Settings):
    """Pairs simulated by physics, which show the generators what each tissue becomes.

    Without them an unpaired training settles on one polarity or the other by chance. They are not from the
    scans, and no real image is ever paired.
    """

    heads: int = Field(
        0, ge=0, le=10_000, description="Simulated heads; 0 for none. With --labels, one for each label map."
    )
    on_the_fly: bool = Field(
        False,
        description="Draw new poses, examinations and lesions for every image, instead of one scan of each head "
        "on a grid like the scans' (2D alone).",
    )
    pairs: int | None = Field(
        None, ge=1, le=10_000, description="Pairs in a step, on the fly; as many as real images where none."
    )
    side: int = Field(192, ge=16, le=4096, description="Side of the pairs' images, on the fly.")
    side_steps: int = Field(
        0, ge=0, le=8, description="The side is drawn for each step from so many steps of 32 up and down."
    )
    warmup: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="Share of the training in which the generators see simulated pairs alone; where steps are counted, "
        "at least 120 of them but no more than half.",
    )
    weight: float = Field(
        0.5,
        ge=0,
        description="Of their L1 after that, as a fraction of the cycle weight, so that nothing is lost.",
    )


class Stage(_Settings):
    """A part of the training on smaller images, which cost less and show more of the head at once."""

    scale: int = Field(
        ge=2,
        le=64,
        description="Images are averaged over this many pixels, or fewer where a head would become too small.",
    )
    share: float = Field(gt=0, lt=1, description="Share of the training.")


class TrainingSettings(_Settings):
    """How long, and what is written on the way."""

    epochs: int = Field(200, ge=1, le=10_000_000)
    steps_per_epoch: int | None = Field(
        None, ge=1, le=10_000_000, description="None: as many as show each image of the larger folder once."
    )
    coarse: tuple[Stage, ...] = Field(
        (),
        max_length=10,
        description="What the training begins with: whole frames, first at a fraction of their size.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_seconds: float = Field(60.0, ge=0, description="At most this much work is lost to a crash.")
    tensorboard: bool = Field(
        True, description="Metrics for TensorBoard, where it is installed (extra tensorboard)."
    )
    mlflow: bool = Field(
        False, description="Metrics for MLflow, in mlflow/mlflow.db of the run folder (extra mlflow)."
    )
    preview_seconds: float = Field(0.0, ge=0, description="At least this long between two preview pictures.")
    calibration_heads: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Held-out procedural heads that tell at the end how far the model is off; 2 or more, or 0. "
        "none: 16, or 6 where pixels are below 1.8 mm, since fine heads take long to make.",
    )

    @field_validator("calibration_heads")
    @classmethod
    def _not_one(cls, heads: int | None) -> int | None:
        if heads == 1:
            raise ValueError("it takes 2 or more, or 0 for none")
        return heads


class Recipe(_Settings):
    """The settings of a run."""

    name: str = Field("custom", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    description: str = ""
    spatial_dims: Literal[2, 3] = 2
    preparation: PreparationSettings = PreparationSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    sampling: SamplingSettings = SamplingSettings()
    generator: GeneratorSettings = GeneratorSettings()
    discriminator: DiscriminatorSettings = DiscriminatorSettings()
    losses: LossSettings = LossSettings()
    simulation: SimulationSettings = SimulationSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def halvings(self) -> int:
        """What the generator divides sizes by, down to its coarsest level."""
        levels = len(self.generator.channels)
        return int(2 ** (levels if self.generator.kind == "pix2pix" else levels - 1))

    @property
    def least_side(self) -> int:
        """The smallest side of an image that the generator can halve and every view be judged at."""
        layers = self.discriminator.layers
        judged: int = max(
            view * 3 * 2 ** (layers if view == 1 else min(layers, 2)) for view in self.discriminator.views
        )
        return -(-judged // self.halvings) * self.halvings

    @model_validator(mode="after")
    def _sizes_fit(self) -> Recipe:
        step = self.halvings
        if self.preparation.divisor % step:
            raise ValueError(
                f"preparation.divisor ({self.preparation.divisor}) must be a multiple of {step}, "
                f"since the generator halves {step.bit_length() - 1} times"
            )
        streamed = self.simulation.on_the_fly
        if streamed and (self.simulation.heads == 0 or self.spatial_dims == 3):
            raise ValueError("simulation.on_the_fly needs simulation.heads above 0 and spatial_dims 2")
        pairs = self.simulation.side - 32 * self.simulation.side_steps if streamed else None
        for name, crop in (("sampling.crop", self.sampling.crop), ("simulation.side", pairs)):
            if crop is not None and crop % step:
                raise ValueError(f"{name} ({crop}) must be a multiple of {step}")
            if crop is not None and crop < self.least_side:
                raise ValueError(
                    f"{name} ({crop}) must be at least {self.least_side}, the smallest image that the "
                    "discriminator can judge; fewer discriminator.layers judge smaller ones"
                )
        if sum(stage.share for stage in self.training.coarse) >= 1:
            raise ValueError("training.coarse: the shares must sum to less than 1")
        if self.spatial_dims == 3 and self.sampling.slab != 1:
            raise ValueError("sampling.slab belongs to 2D; with spatial_dims 3 it must be 1")
        if self.spatial_dims == 3 and self.sampling.crop is None:
            raise ValueError("spatial_dims 3 needs sampling.crop, the side of its patches")
        return self
