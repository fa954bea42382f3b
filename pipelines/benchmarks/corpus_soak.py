"""The corpus of damaged inputs (tests/end_to_end/corpus), with as many examples and seeds as one likes.

    python pipelines/benchmarks/corpus_soak.py --examples 20000 --seeds 3

Prints a line for each kind and seed: how many examples came to what, the slowest in milliseconds, and the most
memory that one took. Ends with 1 if any broke a promise; what it was, and how to repeat it, is printed then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parents[2] / "tests" / "end_to_end" / "corpus"
KINDS = ("nifti", "dicom", "pictures", "zip", "models")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--examples", type=int, default=20_000, help="of each kind and seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first-seed", type=int, default=1)
    chosen = parser.parse_args()
    broken = False
    for kind in chosen.kinds:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            with tempfile.TemporaryDirectory(prefix="medgan-soak-") as scratch:
                numbers = ["--examples", str(chosen.examples), "--seed", str(seed), "--scratch", scratch]
                done = subprocess.run([sys.executable, CORPUS, kind, *numbers], check=False)
                if done.returncode:
                    broken = True
                    print(f"{kind}, seed {seed}: ended with {done.returncode}; the last example was")
                    print((Path(scratch) / "example.txt").read_text())
    sys.exit(broken)


if __name__ == "__main__":
    main()
