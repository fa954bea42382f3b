"""What must hold of an installed medgan, tried from an empty folder with nothing but what a wheel brought.

    python pipelines/release/smoke.py [PYTHON]

PYTHON is the interpreter of the environment that medgan is installed in; this one where none is given. Takes a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_SCAN = """
import nibabel, numpy
from medgan.simulation import procedural_head, simulate_contrast
voxels = simulate_contrast(procedural_head(1, shape=(80, 96, 24), spacing_mm=2.2), "t1", 1)
affine = numpy.diag([-2.2, 2.2, 2.2, 1.0])
affine[:3, 3] = (88, -105, -26)
nibabel.save(nibabel.Nifti1Image(voxels, affine), "scan_T1w.nii.gz")
"""
_CHECK = """
import sys, nibabel, numpy, medgan
from pathlib import Path
assert Path(medgan.__file__).is_relative_to(Path(sys.prefix)), f"not the installed medgan: {medgan.__file__}"
scan, made = nibabel.load("scan_T1w.nii.gz"), nibabel.load("scan_T1w_desc-medganFromT1w_T2w.nii.gz")
assert made.shape == scan.shape and numpy.array_equal(made.affine, scan.affine)
voxels = numpy.asarray(made.dataobj)
assert numpy.isfinite(voxels).all() and numpy.ptp(voxels) > 0
"""


def main(python: str) -> None:
    """Run the commands that a new user would type; the first that fails ends it."""
    with tempfile.TemporaryDirectory(prefix="medgan-smoke-") as folder:

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [python, "-I", *arguments], cwd=folder, check=False, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
            return done.stdout

        def medgan(*arguments: str) -> str:
            print("medgan", *arguments, flush=True)
            return run("-m", "medgan", *arguments)

        version = medgan("--version").split()[-1]
        models = json.loads(medgan("models", "--json"))
        if models["medgan"] != version or not any(model["default"] for model in models["models"]):
            sys.exit("the default model is not there, or versions differ")
        run("-c", _SCAN)
        medgan("inspect", "scan_T1w.nii.gz")
        medgan("synthesize", "scan_T1w.nii.gz", "--target", "t2", "--preview", "--report")
        run("-c", _CHECK)
        medgan("export", "default", "--format", "bundle", "--target", "t2", "-o", "bundle")
        missing = [
            name
            for name in (
                "scan_T1w_desc-medganFromT1w_T2w.json",
                "bundle/configs/inference.json",
                "bundle/LICENSE",
            )
            if not Path(folder, name).is_file()
        ]
        if missing:
            sys.exit(f"missing: {', '.join(missing)}")
    print(f"medgan {version} works on {run_version(python)}")


def run_version(python: str) -> str:
    """Such as `Python 3.12.1`."""
    return subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
