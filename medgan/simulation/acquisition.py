"""From a head to scans of it: signal equations, then what a scanner adds (coil shading, noise, blur)."""

from __future__ import annotations

import numpy as np

from medgan.contrasts import contrast as known_contrast
from medgan.errors import UsageError
from medgan.simulation.fields import Field, Grid, smooth_noise
from medgan.simulation.heads import Head
from medgan.simulation.sequences import SequenceSettings, draw_settings
from medgan.simulation.tissues import Tissue, personal_tissues, tissues
from medgan.simulation.volumes import blurred


def simulate_contrast(
    head: Head,
    contrast: str,
    seed: int,
    *,
    settings: SequenceSettings | None = None,
    field_strength: float = 1.5,
    noise: float = 0.02,
    bias: float = 0.18,
    blur: float = 0.4,
    texture: float = 0.05,
    spread: float = 1.0,
    intensity_scale: float | None = None,
) -> Field:
    """Scan a head: float32 (X, Y, Z), not below 0.

    Tissue values and their texture follow from `head.seed` and `seed` alone, not from the contrast, so that
    the T1w and T2w scans of one seed are of the same flesh. Sequence, shading, noise and scale differ.

    Args:
        head: the anatomy.
        contrast: `t1` or `t2`.
        seed: the examination, 0 or more.
        settings: the sequence; drawn where it is None.
        field_strength: 1.5 or 3.0 tesla.
        noise: standard deviation of the noise in each channel, relative to white matter's signal; 0 for none.
        bias: largest relative shading of the receive coils, up or down; 0 for none.
        blur: standard deviation of the point spread in voxels; 0 for none.
        texture: relative standard deviation of T1 and T2 within a tissue, correlated between the two.
        spread: factor on the tissues' differences between people; 0 for the table's values.
        intensity_scale: what white matter shows in the result, in the arbitrary units of scanners; drawn
            between 250 and 900 where it is None.

    Raises:
        UsageError: no such contrast, no such field strength, or a strength is negative.
    """
    key = known_contrast(contrast).key
    _refuse_negative(noise=noise, bias=bias, blur=blur, texture=texture, spread=spread)
    body = np.random.default_rng([head.seed, seed, 1])
    scanner = np.random.default_rng([head.seed, seed, 2, sorted(("t1", "t2", key)).index(key)])
    settings = draw_settings(key, scanner) if settings is None else settings
    scale = float(scanner.uniform(250, 900)) if intensity_scale is None else intensity_scale
    grid = Grid(head.shape, head.spacing[0])

    known = tissues(field_strength)
    table = personal_tissues(body, {name: known[name] for name in head.tissue_names}, spread)
    image = _signal(head, table, settings, _texture(body, grid) * np.float32(texture))
    image *= np.float32(scale / _signal_of(table["white_matter"], settings))
    if bias:
        image *= _bias_field(scanner, grid, bias)
    if blur:
        image = blurred(image, blur)
    if noise:
        image = _rician(scanner, image, noise * scale)
    return image


def simulate_pair(
    head: Head,
    seed: int,
    *,
    field_strength: float = 1.5,
    noise: float = 0.02,
    bias: float = 0.18,
    blur: float = 0.4,
    texture: float = 0.05,
    spread: float = 1.0,
) -> dict[str, Field]:
    """The T1w and the T2w scan of a head from one examination: `{"t1": ..., "t2": ...}`.

    They share anatomy and tissue values voxel by voxel. With `noise=0, bias=0, blur=0` they are the truth
    that an ideal scanner would show. For the arguments see `simulate_contrast`.
    """
    return {
        key: simulate_contrast(
            head,
            key,
            seed,
            field_strength=field_strength,
            noise=noise,
            bias=bias,
            blur=blur,
            texture=texture,
            spread=spread,
        )
        for key in ("t1", "t2")
    }


def _signal(head: Head, table: dict[str, Tissue], settings: SequenceSettings, texture: Field) -> Field:
    """The sum over tissues of fraction times signal: magnetisations add up within a voxel."""
    image = np.zeros(head.shape, np.float32)
    for name, fraction in zip(head.tissue_names, head.fractions, strict=True):
        tissue = table[name]
        present = fraction > 1e-3
        if tissue.proton_density == 0 or not present.any():
            continue
        longer = 1 + texture[present]
        signal = settings.signal(
            np.float32(tissue.proton_density) * np.sqrt(np.sqrt(longer)),
            np.float32(tissue.t1_ms) * longer,
            np.float32(tissue.t2_ms) * longer,
        )
        image[present] += fraction[present] * signal.astype(np.float32)
    return image


def _signal_of(tissue: Tissue, settings: SequenceSettings) -> float:
    return float(
        settings.signal(np.array(tissue.proton_density), np.array(tissue.t1_ms), np.array(tissue.t2_ms))
    )


def _refuse_negative(**strengths: float) -> None:
    for name, strength in strengths.items():
        if strength < 0:
            raise UsageError(f"{name} {strength} must not be negative")


def _texture(rng: np.random.Generator, grid: Grid) -> Field:
    """How flesh varies within a tissue: coarse and fine together, variance 1, cut at 2.5."""
    mixed = 0.65 * smooth_noise(rng, grid, 22.0) + 0.5 * smooth_noise(rng, grid, 9.0)
    mixed += 0.57 * smooth_noise(rng, grid, 4.5)
    return np.asarray(np.clip(mixed, -2.5, 2.5), np.float32)


def _bias_field(rng: np.random.Generator, grid: Grid, strength: float) -> Field:
    """A smooth field around 1 that departs from it by up to `strength`."""
    field = smooth_noise(rng, grid, 110.0)
    field -= field.mean()
    return np.asarray(1 + strength * field / max(float(np.abs(field).max()), 1e-6), np.float32)


def _rician(rng: np.random.Generator, image: Field, sigma: float) -> Field:
    """The magnitude of the signal with noise in its real and imaginary part (Gudbjartsson 1995)."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary), np.float32)
