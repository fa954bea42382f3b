"""Signal equations of the sequences that T1w and T2w scans come from, as pure functions over arrays.

Times are in ms, angles in degrees, T2* is taken as T2; a signal is relative to that of fully relaxed water.
The formulas are those of Bernstein, King and Zhou 2004, Handbook of MRI Pulse Sequences, and of
Haacke et al. 1999, Magnetic Resonance Imaging: Physical Principles and Sequence Design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medgan.contrasts import contrast as known_contrast
from medgan.errors import UsageError

Map = npt.NDArray[np.floating[Any]]
Kind = Literal["spin_echo", "turbo_spin_echo", "spoiled_gradient_echo", "mprage", "inversion_recovery"]


def spin_echo(density: Map, t1: Map, t2: Map, *, echo_time: float, repetition_time: float) -> Map:
    """S = PD (1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)) exp(-TE/T2).

    The 180 degree pulse at TE/2 inverts what has recovered by then; for TE much shorter than TR this is the
    familiar PD (1 - exp(-TR/T1)) exp(-TE/T2) (Haacke 1999, ch. 8).
    """
    recovery = 1 - 2 * np.exp(-(repetition_time - echo_time / 2) / t1) + np.exp(-repetition_time / t1)
    return np.asarray(density * recovery * np.exp(-echo_time / t2))


def turbo_spin_echo(
    density: Map, t1: Map, t2: Map, *, echo_time: float, repetition_time: float, train_time: float = 0.0
) -> Map:
    """S = PD (1 - exp(-(TR - ET)/T1)) exp(-TE/T2), with TE the effective echo time.

    The magnetisation starts to recover at the end of the echo train, ET = `train_time` ms after the
    excitation (Bernstein 2004, sec. 16.4).
    """
    recovery = 1 - np.exp(-(repetition_time - train_time) / t1)
    return np.asarray(density * recovery * np.exp(-echo_time / t2))


def spoiled_gradient_echo(
    density: Map, t1: Map, t2: Map, *, echo_time: float, repetition_time: float, flip_angle: float
) -> Map:
    """S = PD sin(a) (1 - E1) / (1 - E1 cos(a)) exp(-TE/T2*), E1 = exp(-TR/T1) (Bernstein 2004, sec. 14.1)."""
    angle = np.deg2rad(flip_angle)
    e1 = np.exp(-repetition_time / t1)
    return np.asarray(density * np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle)) * np.exp(-echo_time / t2))


def mprage(
    density: Map,
    t1: Map,
    t2: Map,
    *,
    echo_time: float,
    repetition_time: float,
    inversion_time: float,
    flip_angle: float,
    train_time: float,
    pulses: int = 176,
) -> Map:
    """S = PD sin(a) |M(TI)| exp(-TE/T2*), with M the steady state of inversion, read-out train and recovery.

    TR is from one inversion to the next, TI from the inversion to the middle of a train of `pulses`
    excitations by a that lasts `train_time` ms. Outside the train M recovers to 1 with T1; each excitation
    multiplies it by cos(a), so that the train leads to the steady state of a spoiled gradient echo (Brant-
    Zawadzki 1992, Radiology 182:769; Deichmann 2000, NeuroImage 12:112). The train is what keeps the contrast
    of grey and white matter moderate. For a -> 0 this is inversion recovery,
    |1 - 2 exp(-TI/T1) / (1 + exp(-TR/T1))|.
    """
    angle = np.deg2rad(flip_angle)
    between = np.exp(-train_time / pulses / t1)
    driven = (1 - between) / (1 - np.cos(angle) * between)
    half = (np.cos(angle) * between) ** (pulses / 2)
    before = np.exp(-(inversion_time - train_time / 2) / t1)
    after = np.exp(-(repetition_time - inversion_time - train_time / 2) / t1)
    # From one inversion to the next M goes to offset - factor * M, whose fixed point is the steady state.
    offset = 1 + (driven + (1 - before - driven) * half**2 - 1) * after
    factor = before * half**2 * after
    steady = offset / (1 + factor)
    middle = driven + (1 - (1 + steady) * before - driven) * half
    return np.asarray(density * np.sin(angle) * np.abs(middle) * np.exp(-echo_time / t2))


def inversion_recovery(
    density: Map,
    t1: Map,
    t2: Map,
    *,
    echo_time: float,
    repetition_time: float,
    inversion_time: float,
    train_time: float = 0.0,
) -> Map:
    """S = PD |1 - 2 exp(-TI/T1) + exp(-(TR - ET)/T1)| exp(-TE/T2), the magnitude as scanners show it.

    A (turbo) spin echo after an inversion, as in the "T1 FLAIR" of clinical protocols, whose TI nulls CSF; recovery
    starts at the end of the echo train, ET = `train_time` ms after the excitation (Bernstein 2004, sec. 14.2).
    """
    recovery = 1 - 2 * np.exp(-inversion_time / t1) + np.exp(-(repetition_time - train_time) / t1)
    return np.asarray(density * np.abs(recovery) * np.exp(-echo_time / t2))


@dataclass(frozen=True, kw_only=True)
class SequenceSettings:
    """A sequence with its times in ms and its flip angle in degrees; what a kind has no use for is zero.

    `train_time` is how long the echoes or excitations last that are read after one preparation.
    Raises:
        UsageError: a time that the kind needs is not above zero, or the echo comes after the repetition.
    """

    kind: Kind
    echo_time: float
    repetition_time: float
    inversion_time: float = 0.0
    flip_angle: float = 90.0
    train_time: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.echo_time < self.repetition_time:
            raise UsageError(
                f"echo time {self.echo_time} ms must be above 0 and below repetition time "
                f"{self.repetition_time} ms"
            )
        half = self.train_time / 2 if self.kind == "mprage" else 0.0
        inverted = self.kind in ("mprage", "inversion_recovery")
        if inverted and not half < self.inversion_time < self.repetition_time - half:
            raise UsageError(
                f"inversion time {self.inversion_time} ms must be above half the train time "
                f"{self.train_time} ms and as far below repetition time {self.repetition_time} ms"
            )
        if not 0 <= self.train_time < self.repetition_time:
            raise UsageError(
                f"train time {self.train_time} ms must be below repetition time {self.repetition_time} ms"
            )

    def signal(self, density: Map, t1: Map, t2: Map) -> Map:
        """The signal of maps of proton density (0 to 1), T1 and T2 in ms; arrays of one shape."""
        te, tr = self.echo_time, self.repetition_time
        if self.kind == "spin_echo":
            return spin_echo(density, t1, t2, echo_time=te, repetition_time=tr)
        if self.kind == "turbo_spin_echo":
            return turbo_spin_echo(
                density, t1, t2, echo_time=te, repetition_time=tr, train_time=self.train_time
            )
        if self.kind == "spoiled_gradient_echo":
            return spoiled_gradient_echo(
                density, t1, t2, echo_time=te, repetition_time=tr, flip_angle=self.flip_angle
            )
        ti, train = self.inversion_time, self.train_time
        if self.kind == "inversion_recovery":
            return inversion_recovery(
                density, t1, t2, echo_time=te, repetition_time=tr, inversion_time=ti, train_time=train
            )
        return mprage(
            density,
            t1,
            t2,
            echo_time=te,
            repetition_time=tr,
            inversion_time=ti,
            flip_angle=self.flip_angle,
            train_time=train,
        )


_USUAL: dict[str, tuple[Kind, ...]] = {
    "t1": ("spin_echo", "spoiled_gradient_echo", "mprage"),
    "t2": ("turbo_spin_echo", "spin_echo"),
}


def draw_settings(contrast: str, rng: np.random.Generator, *, kind: Kind | None = None) -> SequenceSettings:
    """Plausible settings at 1.5 to 3 T for a contrast, drawn evenly from the ranges in clinical use.

    Args:
        contrast: `t1` or `t2`.
        rng: where the chance comes from.
        kind: the sequence; drawn too where it is None (T1w: spin echo, spoiled gradient echo or MPRAGE; T2w:
            turbo or conventional spin echo). Inversion recovery, for T1w, must be asked for.

    Raises:
        UsageError: no such contrast, or that sequence does not give it.
    """
    key = known_contrast(contrast).key
    if key not in _USUAL:
        raise UsageError(f"{key!r} cannot be simulated", remedy=f"Use one of: {', '.join(_USUAL)}.")
    if kind is None:
        kind = _USUAL[key][int(rng.choice(len(_USUAL[key])))]
    possible = (*_USUAL[key], "inversion_recovery") if key == "t1" else _USUAL[key]
    if kind not in possible:
        raise UsageError(f"{kind!r} does not give {key!r}", remedy=f"Use one of: {', '.join(possible)}.")
    return _draw_t2(kind, rng) if key == "t2" else _draw_t1(kind, rng)


def _draw_t2(kind: Kind, rng: np.random.Generator) -> SequenceSettings:
    train = float(rng.uniform(120, 200)) if kind == "turbo_spin_echo" else 0.0
    return SequenceSettings(
        kind=kind,
        echo_time=float(rng.uniform(80, 120)),
        repetition_time=float(rng.uniform(3000, 6000)),
        train_time=train,
    )


def _draw_t1(kind: Kind, rng: np.random.Generator) -> SequenceSettings:
    if kind == "spin_echo":
        return SequenceSettings(
            kind=kind,
            echo_time=float(rng.uniform(8, 18)),
            repetition_time=float(rng.uniform(400, 700)),
        )
    if kind == "spoiled_gradient_echo":
        return SequenceSettings(
            kind=kind,
            echo_time=float(rng.uniform(2.5, 6)),
            repetition_time=float(rng.uniform(11, 25)),
            flip_angle=float(rng.uniform(20, 30)),
        )
    if kind == "inversion_recovery":
        repetition_time = float(rng.uniform(1900, 2500))
        return SequenceSettings(
            kind=kind,
            echo_time=float(rng.uniform(8, 25)),
            repetition_time=repetition_time,
            # A little short of where CSF is nulled, 0.69 T1 less what the repetition leaves unrecovered.
            inversion_time=float(rng.uniform(0.40, 0.45)) * repetition_time,
            train_time=float(rng.uniform(60, 120)),
        )
    return SequenceSettings(
        kind=kind,
        echo_time=float(rng.uniform(2, 4)),
        repetition_time=float(rng.uniform(1900, 2500)),
        inversion_time=float(rng.uniform(800, 1100)),
        flip_angle=float(rng.uniform(8, 10)),
        train_time=float(rng.uniform(1100, 1400)),
    )
