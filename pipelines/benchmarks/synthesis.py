"""Seconds and peak memory of commands from the prompt to the written file, as a user meets them.

Heads are procedural: one of 182 x 218 x 182 voxels of 1 mm, one of 34 slices of 512 x 512, and a cohort of the first.
The weights are those that come with medgan. Each command runs in a process of its own, imports and all; the parts of
one are timed apart, beside the generator of the CycleGAN of 2017 and the floor.

    python pipelines/benchmarks/synthesis.py [--cohort 20] [--device auto] [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_THIN_HEAD = "medgan synthesize, 1 mm head"
_THIN, _CLINICAL = (182, 218, 182), (512, 512, 34)


def write_scans(folder: Path, cohort: int) -> None:
    """`thin.nii.gz`, `clinical.nii.gz` and `cohort/`."""
    import nibabel
    import numpy as np

    from medgan.simulation import procedural_head, simulate_contrast

    head = procedural_head(1, shape=_THIN, spacing_mm=1.0)
    voxels = np.rint(simulate_contrast(head, "t1", 1)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, head.affine), folder / "thin.nii.gz")
    for number in range(cohort):
        (folder / "cohort").mkdir(exist_ok=True)
        os.link(folder / "thin.nii.gz", folder / "cohort" / f"sub-{number + 1:02d}_T1w.nii.gz")
    head = procedural_head(2, shape=(256, 256, 160), spacing_mm=0.9)
    slices = simulate_contrast(head, "t1", 2)[:, :, 3::5][:, :, : _CLINICAL[2]]
    large = np.rint(slices).astype(np.int16).repeat(2, axis=0).repeat(2, axis=1)
    affine = np.diag([0.45, 0.45, 4.5, 1.0])
    nibabel.save(nibabel.Nifti1Image(large[:, :, : _CLINICAL[2]], affine), folder / "clinical.nii.gz")


def commands(folder: Path, cohort: int, device: str) -> Iterator[tuple[str, list[str], bool]]:
    """What is timed: its name, the arguments, and whether OpenVINO may be used."""
    options = ["--target", "t2", "--quiet", "--model", "brain", "--device", device]
    thin, clinical = (str(folder / f"{name}.nii.gz") for name in ("thin", "clinical"))
    yield "medgan --help", ["--help"], False
    yield "medgan inspect, 1 mm head", ["inspect", thin], False
    yield _THIN_HEAD, ["synthesize", thin, *options], False
    yield "medgan synthesize, 512 x 512 x 34", ["synthesize", clinical, *options], False
    if cohort:
        several = f"medgan synthesize, {cohort} heads of 1 mm"
        yield several, ["synthesize", str(folder / "cohort"), *options], False
        yield (
            f"{several}, --workers 2",
            ["synthesize", str(folder / "cohort"), *options, "--workers", "2"],
            False,
        )
    if importlib.util.find_spec("openvino") is not None:
        yield f"{_THIN_HEAD}, OpenVINO, the first time", ["synthesize", thin, *options], True
        yield f"{_THIN_HEAD}, OpenVINO, later", ["synthesize", thin, *options], True
        if cohort:
            yield f"{several}, OpenVINO", ["synthesize", str(folder / "cohort"), *options], True


def parts_of(scan: str, device: str) -> dict[str, float]:
    """Seconds of the parts of a synthesis that is loaded already, and of what they are compared with.

    The reference's generator (nine residual blocks, 64 channels, float32) takes the same slices; it is timed on two of
    them. The floor of the network is its operations over the measured rate of matrix products.
    """
    import torch
    from cyclegan_2017 import generator
    from floor import operations, product_rate

    from medgan.models import load_model
    from medgan.models.translator import Translator
    from medgan.preparation import prepare, restore
    from medgan.preparation.slabs import slab_step
    from medgan.scans import read_scan, write_nifti

    model = load_model("brain")
    recipe = model.manifest.recipe
    translators = {"network": Translator.of(model, "t2", torch.device("cpu"))}
    if importlib.util.find_spec("openvino") is not None:
        threads = torch.get_num_threads()
        os.environ["MEDGAN_COMPILED"] = "1"
        translators["network, OpenVINO"] = Translator.of(
            model, "t2", torch.device("cpu"), compiled_for=threads
        )
    found: dict[str, float] = {}

    def clocked(name: str, work: Callable[[], Any]) -> Any:
        times = []
        for _ in range(2):
            started = time.perf_counter()
            made = work()
            times.append(time.perf_counter() - started)
        found[name] = min(times)
        return made

    read = clocked("reading", lambda: read_scan(Path(scan)))
    prepared = clocked("preparing", lambda: prepare(read, recipe.preparation, spatial_dims=2))
    step = slab_step(recipe.sampling.slab_spacing, prepared.spacing[2])
    planes = [k for k in range(prepared.image.shape[3]) if prepared.head[:, :, k].any()]
    made = None
    for name, translator in translators.items():
        made = clocked(name, functools.partial(translator, prepared.image, slab_step=step, planes=planes))
    intensity = model.manifest.domains["t2"].intensity
    written = clocked("way back", lambda: restore(prepared, made, intensity))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.nii.gz"
        clocked("writing", lambda: write_nifti(written, file, description="benchmark"))
        clocked("writing, uncompressed", lambda: write_nifti(written, file.with_suffix(""), description=""))
    precision = translators["network"].precision
    network: Any = translators["network"].generator
    slabs = torch.zeros(1, model.manifest.slab, *prepared.image.shape[1:3])
    with torch.inference_mode():
        each = operations(lambda: network(slabs))
        found["floor of the network"] = len(planes) * each / product_rate(torch.device("cpu"), precision)
        reference = generator().eval()
        clocked("two slices of 2017's", lambda: reference(slabs[:, :1].repeat(2, 1, 1, 1)))
    found["2017's generator"] = found.pop("two slices of 2017's") / 2 * len(planes)
    return found


def timed(arguments: Sequence[str], *, compiled: bool, cache: str) -> tuple[float, int]:
    """Seconds of a command of medgan, and its peak bytes; of several processes that of the first."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "medgan", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "MEDGAN_COMPILED": "1" if compiled else "0", "MEDGAN_CACHE": cache},
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"medgan {' '.join(arguments)}:\n{said.decode()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit


def sizes(read: Path, written: Path) -> dict[str, int]:
    """How many scans a command read, and the bytes of them and of what was written."""
    scans, results = ([*path.iterdir()] if path.is_dir() else [path] for path in (read, written))
    return {
        "scans": len(scans),
        "input_bytes": sum(path.stat().st_size for path in scans),
        "output_bytes": sum(path.stat().st_size for path in results),
    }


def main() -> None:
    """Run the commands one after the other and print a line for each."""
    from processes import in_own_process, write_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=int, default=20, help="volumes in it; 0 for none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(parts_of(**json.loads(options.one))))
        return
    if options.write:
        write_scans(options.write, options.cohort)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # In another process: the peak of a command would begin with that of its parent.
        command = [sys.executable, __file__, "--write", str(folder), "--cohort", str(options.cohort)]
        subprocess.run(command, check=True)
        rows = []
        for name, arguments, compiled in commands(folder, options.cohort, options.device):
            out = folder / f"out{len(rows)}"
            writes = arguments[0] == "synthesize"
            more = ["--out", str(out)] if writes else []
            seconds, peak = timed([*arguments, *more], compiled=compiled, cache=str(folder / "cache"))
            rows.append({"command": name, "seconds": seconds, "peak_bytes": peak})
            if writes:
                rows[-1] |= sizes(Path(arguments[1]), out)
            print(f"{name:56s} {seconds:7.2f} s   {peak / 2**30:5.2f} GiB", flush=True)
        case = {"scan": str(folder / "thin.nii.gz"), "device": options.device}
        parts = in_own_process(__file__, case)
    print("parts of the 1 mm head: " + ", ".join(f"{name} {value:.3f}" for name, value in parts.items()))
    if options.json:
        write_rows(options.json, rows, cores=os.cpu_count(), parts=parts)


if __name__ == "__main__":
    main()
