"""Folders of simulated scans: who is in them, what each is simulated with, and how that is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medgan import __version__
from medgan.contrasts import contrast
from medgan.errors import UsageError
from medgan.files import whole_folder, write_json
from medgan.sample_data.label_maps import label_maps, read_label_map
from medgan.sample_data.writing import made_scan, write_dicom, write_pictures
from medgan.scans import write_nifti
from medgan.scans.scan import Scan
from medgan.simulation import (
    Anatomy,
    SequenceSettings,
    Variety,
    VolumePair,
    procedural_head,
    simulate_volume,
)

_FIELD_OF_VIEW = (172.0, 208.0, 172.0)
_SEQUENCE = {"spin_echo": "SE", "turbo_spin_echo": "SE", "spoiled_gradient_echo": "GR"}

Format = Literal["nifti", "dicom", "png"]
Lesions = Literal["none", "ms", "tumour"]


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What to simulate.

    Attributes:
        subjects: people in each folder.
        labels: a folder of label maps (see `medgan.simulation.labels`); procedural heads where it is None.
        contrasts: `t1`, `t2` or both.
        paired: whether both contrasts are of the same people; else no one is in both folders.
        kind: NIfTI files, DICOM series or PNG slices.
        lesions: in every subject.
        stripped: without the skull.
        pixel_mm: edge of a pixel.
        slice_mm: thickness of a slice; as `pixel_mm` where it is None.
        field_strength: in tesla; drawn where it is None.
        seed: other seeds give other people, poses and sequences.
    """

    subjects: int
    labels: Path | None = None
    contrasts: tuple[str, ...] = ("t1", "t2")
    paired: bool = True
    kind: Format = "nifti"
    lesions: Lesions = "none"
    stripped: bool = False
    pixel_mm: float = 1.0
    slice_mm: float | None = None
    field_strength: float | None = None
    seed: int = 0

    @property
    def variety(self) -> Variety:
        """What differs between the subjects; they lie straight in the scanner, but for what people do."""
        return Variety(
            rotation_deg=5.0,
            tilt_deg=4.0,
            stripped=1.0 if self.stripped else 0.0,
            lesions={self.lesions: 1.0} if self.lesions != "none" else {},
            field_strengths=(1.5, 3.0) if self.field_strength is None else (self.field_strength,),
        )


@dataclass(frozen=True)
class Subject:
    """Who is simulated: of a label map, or of a procedural head's seed, in which contrasts."""

    name: str
    label_map: Path | None
    seed: int
    contrasts: tuple[str, ...]


def write_simulation(
    out: Path, simulation: Simulation, *, advance: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Write simulated scans to `out/T1` and `out/T2`, whole or not at all.

    Beside each NIfTI file a JSON sidecar, and beside all a `simulation.json`, say that no scanner was there and what
    each was simulated with. Masks of lesions go to `out/lesions` as NIfTI.

    Args:
        out: a new folder.
        simulation: what to write.
        advance: told how many of how many subjects are done.

    Returns:
        How many scans were written.

    Raises:
        UsageError: `out` exists, or there are too few label maps for unpaired folders.
        InputRefusedError: a label map is none, or no label map is there.
        OutputNotWrittenError: the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            "exists already and is not empty", file=out, remedy="Give another folder with --out."
        )
    subjects = _subjects(simulation)
    records: list[dict[str, Any]] = []
    with whole_folder(out) as folder:
        for number, subject in enumerate(subjects):
            records += _write_subject(folder, subject, simulation)
            advance(number + 1, len(subjects))
        note = "Simulated by code from tissue properties and sequence equations; no scanner was there."
        write_json(
            folder / "simulation.json", {"Description": note, "Version": __version__, "Scans": records}
        )
    return len(records)


def _subjects(simulation: Simulation) -> list[Subject]:
    """Who is in which folder; of label maps each is used as often as another, deformed anew each time."""
    wanted = [simulation.contrasts] if simulation.paired else [(key,) for key in simulation.contrasts]
    groups: list[list[Path | None]] = [[None] for _ in wanted]
    if simulation.labels is not None:
        maps = label_maps(simulation.labels)
        if len(maps) < len(wanted):
            raise UsageError(
                "holds one label map, and unpaired folders must not show one person in both",
                file=simulation.labels,
                remedy="Give more label maps, or --paired.",
            )
        order = np.random.default_rng(simulation.seed).permutation(len(maps))
        groups = [[maps[index] for index in order[first :: len(wanted)]] for first in range(len(wanted))]
    subjects = []
    for index in range(simulation.subjects * len(wanted)):
        number, group = divmod(index, len(wanted))
        label_map = groups[group][number % len(groups[group])]
        seed = simulation.seed * 100_000 + index + 1
        subjects.append(Subject(f"sub-{index + 1:04d}", label_map, seed, wanted[group]))
    return subjects


def _write_subject(folder: Path, subject: Subject, simulation: Simulation) -> Iterator[dict[str, Any]]:
    """Write one subject's scans, and tell what is in each."""
    if subject.label_map is None:
        x, y, z = (round(side / simulation.pixel_mm) for side in _FIELD_OF_VIEW)
        head = procedural_head(subject.seed, shape=(x, y, z), spacing_mm=simulation.pixel_mm)
    else:
        head = read_label_map(subject.label_map, seed=subject.seed)
    anatomy = Anatomy.of(head)
    stripped = simulation.stripped or not anatomy.has_skull
    pair = simulate_volume(
        anatomy,
        seed=subject.seed,
        variety=simulation.variety,
        pixel_mm=simulation.pixel_mm,
        slice_mm=simulation.slice_mm,
    )
    brightness = np.random.default_rng([subject.seed, 1]).uniform(250, 900, 2)
    for key, scale in zip(("t1", "t2"), brightness, strict=True):
        if key in subject.contrasts:
            scan = made_scan(pair.affine, getattr(pair, key) * np.float32(scale), key, name=subject.name)
            record = _record(subject, pair, key, simulation) | {"SkullStripped": stripped}
            _write_scan(scan, folder / key.upper(), record, pair, simulation)
            yield {"Scan": f"{key.upper()}/{scan.source.stem}", **record}
    if simulation.lesions != "none":
        mask = made_scan(pair.affine, pair.lesions, "t1", name=subject.name)
        write_nifti(
            mask, folder / "lesions" / f"{subject.name}_lesions.nii.gz", description="simulated lesions"
        )


def _write_scan(
    scan: Scan, folder: Path, record: dict[str, Any], pair: VolumePair, simulation: Simulation
) -> None:
    name = scan.source.stem
    said = f"simulated {name}, made by code"
    if simulation.kind == "nifti":
        write_nifti(scan, folder / f"{name}.nii.gz", description=said)
        write_json(folder / f"{name}.json", record)
    elif simulation.kind == "dicom":
        settings = pair.examination.weightings[scan.contrast or "t1"].settings
        facts = _facts(settings, pair.examination.field_strength)
        person = name.partition("_")[0]
        write_dicom(scan, folder / name, f"medgan-{simulation.seed}-{person}", facts=facts, said=said)
    else:
        write_pictures(scan, folder / name, said=said)


def _record(subject: Subject, pair: VolumePair, key: str, simulation: Simulation) -> dict[str, Any]:
    """BIDS's words for what the image shows and was taken with (times in seconds).

    It is not marked as SyntheticData, which in medgan's own files means that a network made an image of a person's
    scan, and keeps it out of trainings; simulated scans are made to be trained on.
    """
    settings = pair.examination.weightings[key].settings
    record: dict[str, Any] = {
        "Description": f"Simulated {contrast(key).label} image, made by code. Not acquired by a scanner.",
        "Simulated": True,
        "Anatomy": subject.label_map.name if subject.label_map else f"procedural head {subject.seed}",
        "Modality": "MR",
        "MagneticFieldStrength": pair.examination.field_strength,
        "PulseSequenceType": settings.kind.replace("_", " "),
        "EchoTime": settings.echo_time / 1000,
        "RepetitionTime": settings.repetition_time / 1000,
        "FlipAngle": settings.flip_angle,
        "SliceThickness": pair.thickness,
        "Lesions": simulation.lesions,
        "Seed": subject.seed,
    }
    if settings.inversion_time:
        record["InversionTime"] = settings.inversion_time / 1000
    return record


def _facts(settings: SequenceSettings, field_strength: float) -> dict[str, Any]:
    """For a DICOM header."""
    return {
        "repetition_time": round(settings.repetition_time, 1),
        "echo_time": round(settings.echo_time, 2),
        "inversion_time": round(settings.inversion_time, 1) or None,
        "sequence": _SEQUENCE.get(settings.kind, "IR"),
        "field_strength": field_strength,
    }
