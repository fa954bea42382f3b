"""Seconds and peak memory of commands from the prompt to the written file, as a user meets them.

Heads are procedural: one of 182 x 218 x 182 voxels of 1 mm, one of 34 slices of 512 x 512, and a cohort of the first.
The weights are those that come with medgan. Each command runs in a process of its own, imports and all.

    python pipelines/benchmarks/synthesis.py [--cohort 20] [--device auto] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def timed(arguments: Sequence[str]) -> tuple[float, int]:
    """Seconds of a command of medgan, and its peak bytes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "medgan", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
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
    from processes import write_rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=int, default=20, help="volumes in it; 0 for none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_scans(options.write, options.cohort)
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # In another process: the peak of a command would begin with that of its parent.
        command = [sys.executable, __file__, "--write", str(folder), "--cohort", str(options.cohort)]
        subprocess.run(command, check=True)
        to_t2 = ["--target", "t2", "--quiet", "--model", "brain", "--device", options.device]
        commands = {
            "medgan --help": ["--help"],
            "medgan inspect, 1 mm head": ["inspect", str(folder / "thin.nii.gz")],
            "medgan synthesize, 1 mm head": ["synthesize", str(folder / "thin.nii.gz"), *to_t2],
            "medgan synthesize, 512 x 512 x 34": ["synthesize", str(folder / "clinical.nii.gz"), *to_t2],
        }
        if options.cohort:
            commands[f"medgan synthesize, {options.cohort} heads of 1 mm"] = [
                *("synthesize", str(folder / "cohort"), *to_t2)
            ]
        for name, arguments in commands.items():
            out = ["--out", str(folder / f"out{len(rows)}")] if "--target" in arguments else []
            seconds, peak = timed([*arguments, *out])
            rows.append({"command": name, "seconds": seconds, "peak_bytes": peak})
            if out:
                rows[-1] |= sizes(Path(arguments[1]), Path(out[1]))
            print(f"{name:40s} {seconds:7.2f} s   {peak / 2**30:5.2f} GiB", flush=True)
    if options.json:
        write_rows(options.json, rows, cores=os.cpu_count())


if __name__ == "__main__":
    main()
