"""Seconds and peak memory of reading scans and preparing them for training, beside the plain libraries.

Heads are procedural: a NIfTI file of 182 x 218 x 182 voxels of 1 mm, a DICOM series of 200 files of 256 x 256, and 89
PNG pictures of 181 x 217. Reading is `medgan.scans.find_scans` and `read_scan`, with all of their checks; preparing is
what `medgan train` does once for each scan: orientation, head, intensities, resampling, and a file in the cache; the
last figure is to find it there again. The reference reads the same voxels as float32 with nibabel, pydicom or Pillow
and nothing else. The floor is the bytes of the files and of the voxels over the measured rate of copying memory.

    python pipelines/benchmarks/preparing.py [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("nifti", "dicom", "png")
_PICTURES = 89


def write_scans(folder: Path, kind: str) -> None:
    """One scan of a kind, or a folder of pictures."""
    from medgan.sample_data.writing import made_scan, write_dicom
    from medgan.scans import write_nifti, write_picture
    from medgan.simulation import procedural_head, simulate_contrast

    shape = {"nifti": (182, 218, 182), "dicom": (256, 256, 200), "png": (181, 217, _PICTURES)}[kind]
    head = procedural_head(1, shape=shape, spacing_mm=1.0)
    scan = made_scan(head.affine, simulate_contrast(head, "t1", 1), "t1", name="sub-01")
    if kind == "nifti":
        write_nifti(scan, folder / "sub-01_T1w.nii.gz", description="procedural head")
    elif kind == "dicom":
        write_dicom(scan, folder, "1", facts={})
    else:
        for plane in range(shape[2]):
            picture = made_scan(scan.affine, scan.voxels[:, :, plane : plane + 1], "t1")
            file = folder / f"T1_{plane:03d}.png"
            write_picture(picture, file, low=0.0, high=float(scan.voxels.max()), bits=8, text={})


def plainly(folder: Path, kind: str) -> int:
    """The voxels as float32 with a library alone; gives their bytes."""
    files = sorted(file for file in folder.iterdir() if file.suffix != ".json")
    if kind == "nifti":
        import nibabel

        return sum(int(nibabel.load(file).get_fdata(dtype=np.float32).nbytes) for file in files)
    if kind == "dicom":
        import pydicom

        slices = [pydicom.dcmread(file) for file in files]
        slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
        return int(np.stack([one.pixel_array for one in slices]).astype(np.float32).nbytes)
    from PIL import Image

    return sum(int(np.asarray(Image.open(file), dtype=np.float32).nbytes) for file in files)


def measure(kind: str, folder: Path) -> dict[str, Any]:
    """Seconds of each part, the best of three but for preparing, which a cache would spoil."""
    import torch
    from floor import copy_rate

    from medgan.memory import peak_memory
    from medgan.recipe import load_recipe
    from medgan.scans import find_scans, read_scan
    from medgan.training.cases import prepare_folder

    recipe = load_recipe("slices", changes=("preparation.spacing=1.0",))
    on_disk = sum(file.stat().st_size for file in folder.iterdir())
    in_memory = plainly(folder, kind)  # the disk's cache is warm from here on
    before = peak_memory(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as cache:
        prepare = functools.partial(prepare_folder, folder, "t1", recipe=recipe, cache=Path(cache))
        return {
            "kind": kind,
            "reading": _best(lambda: [read_scan(found) for found in find_scans(folder)]),
            "reading_plainly": _best(lambda: plainly(folder, kind)),
            "preparing": _best(prepare, times=1),
            "prepared_before": _best(prepare),
            "peak_bytes": peak_memory(torch.device("cpu")),
            "peak_bytes_before": before,
            "floor": (on_disk + in_memory) / copy_rate(),
        }


def _best(work: Callable[[], object], *, times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Run each kind in its own process and print a line for it."""
    from processes import in_own_process, machine, write_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind = json.loads(options.one)["kind"]
        with tempfile.TemporaryDirectory() as made:
            # In another process: this one's peak would begin with what it took to make the scans.
            command = [sys.executable, __file__, "--one", options.one, "--write", made]
            if options.write is None:
                subprocess.run(command, check=True)
                print(json.dumps(measure(kind, Path(made))))
            else:
                write_scans(options.write, kind)
        return
    print(machine())
    print("kind    reading   plainly (ratio)   preparing   found prepared     floor   peak (before)")
    rows = []
    for kind in options.kinds:
        row = in_own_process(__file__, {"kind": kind})
        rows.append(row)
        peak, before = (f"{row[key] / 2**30:.2f} GiB" for key in ("peak_bytes", "peak_bytes_before"))
        print(
            f"{kind:6s} {row['reading']:7.2f} s {row['reading_plainly']:7.2f} s "
            f"({row['reading'] / row['reading_plainly']:4.1f}) {row['preparing']:9.2f} s "
            f"{row['prepared_before']:14.3f} s {row['floor']:7.3f} s   {peak} ({before})",
            flush=True,
        )
    if options.json:
        write_rows(options.json, rows)


if __name__ == "__main__":
    main()
