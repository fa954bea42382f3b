"""Write procedural heads as NIfTI, DICOM and PNG: python data/make_sample_data.py DIR [--heads 4] [--seed 0]."""

from __future__ import annotations

import argparse
from pathlib import Path

from medgan.sample_data import make_sample_data


def main() -> None:
    """Make the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make_sample_data(options.folder, heads=options.heads, seed=options.seed)


if __name__ == "__main__":
    main()
