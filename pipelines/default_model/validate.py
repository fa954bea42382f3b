"""How near models come to real and simulated pairs that no training has seen, beside what they must beat.

Real pairs lie on one grid. With a brain mask each is judged twice, as a whole head and stripped: both scans are
multiplied by the mask before anything is synthesised. Of label maps that no training has seen, examinations are
simulated: heads and stripped brains of thin and thick slices, one with lesions of multiple sclerosis and one with a
tumour. Both directions of all of them, under `medgan.evaluation.PROTOCOL`, as `medgan evaluate` judges whole heads.

    python pipelines/default_model/validate.py --model run/model --pair NAME T1.nii.gz T2.nii.gz MASK.nii.gz \\
        --labels head_labels/seg_19.nii.gz head_labels/seg_20.nii.gz --json validation.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from grids import refuse_grid_beside
from register_pairs import stripped

from medgan import __version__
from medgan.contrasts import contrast
from medgan.errors import MedganError
from medgan.evaluation import canonical_voxels, head, score
from medgan.evaluation.baselines import baselines
from medgan.files import write_json
from medgan.models import Model, load_model
from medgan.sample_data import label_maps, read_label_map
from medgan.sample_data.writing import made_scan
from medgan.scans import Scan, read_nifti
from medgan.simulation import Anatomy, Variety, simulate_volume
from medgan.synthesis.synthesizer import Synthesizer

DIRECTIONS = (("t1", "t2"), ("t2", "t1"))
SHOWN = ("ssim", "r", "psnr")
_BRIGHTNESS = 500.0
_EVERY = 3
"""Of thin simulated slices only some are judged: their neighbours say the same."""
_EXAMINATIONS: tuple[tuple[str, dict[str, Any], float | None], ...] = (
    ("head, thin", {"stripped": 0.0}, None),
    ("head, thick", {"stripped": 0.0}, 4.0),
    ("stripped, thin", {"stripped": 1.0}, None),
    ("stripped, thick", {"stripped": 1.0}, 4.0),
    ("head, thick, MS", {"stripped": 0.0, "lesions": {"ms": 1.0}}, 3.0),
    ("stripped, thin, tumour", {"stripped": 1.0, "lesions": {"tumour": 1.0}}, None),
)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two scans of one head on one grid."""

    name: str
    kind: str
    scans: dict[str, Scan]


def real_pairs(name: str, t1: Path, t2: Path, mask: Path | None) -> Iterator[Pair]:
    """A pair of files as a whole head and, with a mask, stripped.

    Raises:
        InputRefusedError: they are not on one grid, axis by axis.
    """
    scans = {key: replace(read_nifti(path), contrast=key) for key, path in (("t1", t1), ("t2", t2))}
    refuse_grid_beside(scans["t2"], scans["t1"])
    yield Pair(name, "head", scans)
    if mask is not None:
        brain = read_nifti(mask)
        yield Pair(name, "stripped", {key: stripped(scan, brain) for key, scan in scans.items()})


def simulated_pairs(path: Path, seed: int) -> Iterator[Pair]:
    """Examinations of a label map."""
    anatomy = Anatomy.of(read_label_map(path, seed=seed))
    for number, (kind, settings, slice_mm) in enumerate(_EXAMINATIONS):
        variety = Variety(**{"lesions": {}, **settings})
        pair = simulate_volume(anatomy, seed=(seed, number), variety=variety, slice_mm=slice_mm)
        every = _EVERY if slice_mm is None else 1
        affine = pair.affine @ np.diag([1, 1, every, 1])
        scans = {
            key: made_scan(affine, getattr(pair, key)[:, :, ::every] * _BRIGHTNESS, key)
            for key in ("t1", "t2")
        }
        yield Pair(f"simulated {path.name.partition('.')[0]}", kind, scans)


def judge(
    pair: Pair, synthesizers: dict[tuple[str, str], Synthesizer], *, beside: bool
) -> list[dict[str, Any]]:
    """The figures of each model, and of the baselines `beside` them, in both directions."""
    rows = []
    for source, target in DIRECTIONS:
        given, reference = (canonical_voxels(pair.scans[key]) for key in (source, target))
        mask = head(reference)
        volumes = baselines(given, reference, mask) if beside else {}
        for (subject, made), synthesizer in synthesizers.items():
            if made == target:
                volumes[subject] = canonical_voxels(synthesizer(pair.scans[source]).scan)
        found = {subject: score(volume, reference, mask) for subject, volume in volumes.items()}
        direction = f"{contrast(source).label} to {contrast(target).label}"
        rows += [
            {
                "pair": pair.name,
                "kind": pair.kind,
                "direction": direction,
                "subject": subject,
                **values.as_dict(),
            }
            for subject, values in found.items()
        ]
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """One line for each row, those of one pair and direction together."""
    lines = [
        f"{'pair':20s} {'kind':23s} {'direction':11s} {'subject':12s} " + " ".join(f"{n:>6s}" for n in SHOWN)
    ]
    for row in rows:
        values = " ".join(f"{row[name]:6.2f}" if name == "psnr" else f"{row[name]:6.3f}" for name in SHOWN)
        lines.append(
            f"{row['pair']:20s} {row['kind']:23s} {row['direction']:11s} {row['subject']:12s} {values}"
        )
    return "\n".join(lines)


def beaten(rows: list[dict[str, Any]], subject: str) -> tuple[int, int]:
    """In how many of how many cases a model is above the histogram baseline in both SSIM and r."""
    by_case: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_case.setdefault((row["pair"], row["kind"], row["direction"]), {})[row["subject"]] = row
    cases = [case for case in by_case.values() if subject in case and "histogram" in case]
    won = [all(case[subject][name] > case["histogram"][name] for name in ("ssim", "r")) for case in cases]
    return sum(won), len(won)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge the models on every pair, printing as it goes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        required=True,
        metavar="[NAME=]PATH",
        help="run or model folders",
    )
    parser.add_argument("--pair", nargs="+", action="append", default=[], metavar="NAME T1 T2 [MASK]")
    parser.add_argument("--labels", nargs="+", type=Path, default=[], help="label maps kept out of training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        _run(parser, options)
    except MedganError as error:
        raise SystemExit(str(error)) from error


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    synthesizers = {
        (name, target): Synthesizer(model, target=target, device=options.device, force=True)
        for name, model in named_models(options.model).items()
        for _, target in DIRECTIONS
    }
    rows: list[dict[str, Any]] = []
    for pair in pairs(parser, options):
        started = time.perf_counter()
        new = judge(pair, synthesizers, beside=not options.no_baselines)
        print(table(new) if not rows else table(new).partition("\n")[2], flush=True)
        print(f"  ({time.perf_counter() - started:.0f} s)", flush=True)
        rows += new
        if options.json:
            write_json(options.json, {"Version": __version__, "Rows": rows})
    for subject in dict.fromkeys(name for name, _ in synthesizers):
        won, cases = beaten(rows, subject)
        if cases:
            print(f"{subject}: above the histogram in SSIM and r in {won} of {cases}")


def named_models(given: Sequence[str]) -> dict[str, Model]:
    """Models by the names that were given, `NAME=PATH`, or that of the run's folder."""
    models = {}
    for text in given:
        name, _, path = text.rpartition("=")
        folder = Path(path).resolve()
        models[name or (folder.parent.name if folder.name == "model" else folder.name)] = load_model(path)
    return models


def pairs(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Iterator[Pair]:
    """The pairs that `--pair` and `--labels` name."""
    for name, *files in options.pair:
        if len(files) not in (2, 3):
            parser.error(f"--pair {name} takes a T1w, a T2w and perhaps a mask")
        paths = [Path(file) for file in files]
        yield from real_pairs(name, paths[0], paths[1], paths[2] if len(paths) == 3 else None)
    for path in options.labels:
        for number, found in enumerate(label_maps(path)):
            yield from simulated_pairs(found, seed=1000 + number)


if __name__ == "__main__":
    main()
