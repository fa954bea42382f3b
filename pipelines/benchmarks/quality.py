"""What so many minutes of training are worth: the CycleGAN of 2017 and medgan's `slices` on the same unpaired heads.

Each is trained from fresh weights for the same time, imports and preparation not counted, on procedural heads of which
none is in both folders, and then judged on heads that nobody has seen, under `medgan.evaluation.PROTOCOL`, together
with the source image itself. `slices` warms up on pairs that it simulates with the simulator that also made these
heads; a second training goes without them, so that both say what they are worth.

    python pipelines/benchmarks/quality.py [--minutes 5] [--heads 4] [--device auto] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_SHAPE, _SPACING = (120, 144, 108), 1.5
_TRAINING_HEADS, _FIRST_HELD_OUT = 6, 900
_PLAIN = ("sampling.crop=null", "training.calibration_heads=0")
METHODS = {
    "the source itself": (),
    "CycleGAN of 2017": (),
    "slices, no simulated pairs": (*_PLAIN, "simulation.heads=0"),
    "slices": _PLAIN,
}

Images = dict[str, Any]


def head(number: int) -> Images:
    """A head in both contrasts, as scans."""
    from medgan.sample_data.writing import made_scan
    from medgan.simulation import procedural_head, simulate_pair

    made = procedural_head(number, shape=_SHAPE, spacing_mm=_SPACING)
    return {
        key: made_scan(made.affine, voxels, key, name=f"sub-{number:03d}")
        for key, voxels in simulate_pair(made, number).items()
    }


def write_folders(folder: Path) -> dict[str, Path]:
    """Unpaired heads to train on."""
    from medgan.scans import write_nifti

    for number in range(2 * _TRAINING_HEADS):
        key = ("t1", "t2")[number % 2]
        scan = head(number + 1)[key]
        write_nifti(scan, folder / key / f"{scan.source.stem}.nii.gz", description="procedural head")
    return {key: folder / key for key in ("t1", "t2")}


def by_cyclegan_2017(folder: Path, minutes: float, device: Any) -> tuple[Callable[[Any, str], Any], int]:
    """Train the reference; gives how it translates a scan, and its steps."""
    import torch
    from cyclegan_2017 import CycleGAN2017

    from medgan.models.translator import Translator
    from medgan.preparation import prepare, restore
    from medgan.recipe import load_recipe
    from medgan.training.cases import prepare_folder
    from medgan.training.sampling import Batches

    plain = ("augmentation.rotate=0", "augmentation.scale=0", "augmentation.gamma=[1,1]")  # flips alone
    recipe = load_recipe(
        "slices", changes=(*_PLAIN, *plain, "sampling.batch_size=1", f"preparation.spacing={_SPACING}")
    )
    cases = {
        key: prepare_folder(place, key, recipe=recipe, cache=folder / "cache")
        for key, place in write_folders(folder).items()
    }
    batches, gan = Batches(cases, recipe, slab=1, seed=0), CycleGAN2017(device)
    end, steps = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        gan.step({key: images.to(device) for key, images in batches.batch(steps).items()})
        steps += 1

    def translate(scan: Any, target: str) -> Any:
        through = Translator(
            gan.to[target], spatial_dims=2, slab=1, patch=None, device=device, precision=torch.float32
        )
        prepared = prepare(scan, recipe.preparation, spatial_dims=2)
        made = through(prepared.image, slab_step=1)
        return restore(prepared, made, cases[target].domain().intensity)

    return translate, steps


def by_medgan(
    folder: Path, minutes: float, device: str, changes: tuple[str, ...]
) -> tuple[Callable[[Any, str], Any], int]:
    """Train as `medgan train` does; gives how the model translates a scan, and its steps."""
    from medgan.models import load_model
    from medgan.synthesis import Synthesizer
    from medgan.training import train

    data = write_folders(folder)
    settings = {
        "out": folder / "run",
        "changes": changes,
        "max_minutes": minutes,
        "init": "none",
        "device": device,
    }
    model = load_model(train(data["t1"], data["t2"], **settings))
    synthesizers = {key: Synthesizer(model, target=key, device=device) for key in data}
    return lambda scan, target: synthesizers[target](scan).scan, model.manifest.training.steps


def measure(method: str, minutes: float, heads: int, device: str) -> dict[str, Any]:
    """Train, and judge on heads that were held out."""
    from medgan.devices import choose_device
    from medgan.evaluation import canonical_voxels, score
    from medgan.evaluation import head as inside_of

    with tempfile.TemporaryDirectory() as name:
        if method == "the source itself":
            translate, steps = (lambda scan, target: scan), 0
        elif method == "CycleGAN of 2017":
            translate, steps = by_cyclegan_2017(Path(name), minutes, choose_device(device).device)
        else:
            translate, steps = by_medgan(Path(name), minutes, device, METHODS[method])
        figures: dict[str, list[float]] = {}
        for number in range(_FIRST_HELD_OUT, _FIRST_HELD_OUT + heads):
            scans = head(number)
            for source, target in (("t1", "t2"), ("t2", "t1")):
                truth = canonical_voxels(scans[target])
                mask = inside_of(truth)
                made = canonical_voxels(translate(scans[source], target))
                judged = score(made, truth, mask).as_dict()
                for figure in ("ssim", "r"):
                    figures.setdefault(f"{figure}_to_{target}", []).append(judged[figure])
    means = {name: float(np.mean(values)) for name, values in figures.items()}
    return {"method": method, "minutes": minutes, "steps": steps, "heads": heads, **means}


def main() -> None:
    """Train and judge each in its own process, and print a line for it."""
    from processes import in_own_process, machine, write_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**json.loads(options.one))))
        return
    print(
        f"{machine()}; {options.minutes:g} minutes each, {options.heads} heads held out; SSIM (correlation)"
    )
    rows = []
    for method in METHODS:
        case = {
            "method": method,
            "minutes": options.minutes,
            "heads": options.heads,
            "device": options.device,
        }
        row = in_own_process(__file__, case)
        rows.append(row)
        print(
            f"{method:28s} {row['steps']:5d} steps   "
            f"to T2w {row['ssim_to_t2']:.3f} ({row['r_to_t2']:.2f})   "
            f"to T1w {row['ssim_to_t1']:.3f} ({row['r_to_t1']:.2f})",
            flush=True,
        )
    if options.json:
        write_rows(options.json, rows)


if __name__ == "__main__":
    main()
