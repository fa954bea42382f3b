"""The T2w scan of an examination moved onto its T1w scan's grid: rigidly, by mutual information.

Both are written beside each other, as `T1/NAME.nii.gz` and `T2/NAME.nii.gz`; with a brain mask on the T1w's grid,
stripped as well, as `NAME_brain.nii.gz`. Such folders go to `validate.py`, and to `medgan train --paired-dir`.

    python pipelines/default_model/register_pairs.py --pair NAME T1W.nii.gz T2W.nii.gz MASK.nii.gz --out paired
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from grids import canonical_on_grid_of, refuse_grid_beside

from medgan.errors import MedganError
from medgan.evaluation.registration import move_onto
from medgan.scans import Scan, read_nifti, write_nifti


def registered(t2: Scan, t1: Scan) -> tuple[Scan, str]:
    """A T2w scan on the grid of the T1w scan, voxel by voxel, and a sentence that says how it was moved.

    Raises:
        InputRefusedError: the registration did not converge.
    """
    found, moved = move_onto(t2, t1)
    voxels = np.maximum(found.voxels, 0)  # splines overshoot, and below zero there is no signal
    return replace(canonical_on_grid_of(t1, voxels), contrast="t2"), moved.text


def stripped(scan: Scan, mask: Scan) -> Scan:
    """A scan with 0 outside a mask on its grid.

    Raises:
        InputRefusedError: the mask is on another grid.
    """
    refuse_grid_beside(mask, scan)
    return replace(scan, voxels=scan.voxels * (mask.voxels > 0.5))


def main(arguments: Sequence[str] | None = None) -> None:
    """Register each pair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pair", nargs="+", action="append", required=True, metavar="NAME T1 T2 [MASK]")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    for name, *files in options.pair:
        if len(files) not in (2, 3):
            parser.error(f"--pair {name} takes a T1w, a T2w and perhaps a mask")
        try:
            print(
                f"{name}: {_write(name, [read_nifti(Path(file)) for file in files], options.out)}", flush=True
            )
        except MedganError as error:
            raise SystemExit(str(error)) from error


def _write(name: str, scans: list[Scan], out: Path) -> str:
    t1 = replace(scans[0], contrast="t1")
    t2, text = registered(scans[1], t1)
    for folder, scan in (("T1", t1), ("T2", t2)):
        write_nifti(scan, out / folder / f"{name}.nii.gz", description="registered pair")
        for mask in scans[2:]:
            brain = stripped(scan, mask)
            write_nifti(brain, out / folder / f"{name}_brain.nii.gz", description="registered pair, stripped")
    return text


if __name__ == "__main__":
    main()
