"""What must hold of a built wheel before anyone installs it.

    python pipelines/release/check_wheel.py DIST

Its size, its version, that it holds weights, recipes, the bundle's template and licences, and nothing else.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

LARGEST = 40 * 10**6
"""Bytes."""
_NEEDED = (
    "medgan/models/weights/brain/model.json",
    "medgan/models/weights/brain/README.md",
    "medgan/models/weights/brain/t1_to_t2.safetensors",
    "medgan/models/weights/brain/t2_to_t1.safetensors",
    "medgan/recipes/slices.yaml",
    "medgan/bundle/configs/inference.json",
    "medgan/bundle/configs/logging.conf",
    "medgan/bundle/configs/metadata.json",
    "medgan/bundle/configs/train.json",
    "medgan/bundle/docs/README.md",
    "medgan/bundle/LICENSE",
    "medgan/py.typed",
)


def problems(wheel: Path, *, version: str) -> list[str]:
    """What is wrong with a wheel, one line each.

    Args:
        wheel: the file.
        version: that the sources state.
    """
    found = []
    if wheel.stat().st_size > LARGEST:
        found.append(f"{wheel.stat().st_size / 10**6:.1f} MB are more than {LARGEST / 10**6:.0f}")
    if wheel.name.split("-")[1] != version:
        found.append(f"its name does not say {version}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"medgan-{version}.dist-info/METADATA").decode()
    found += [f"{name} is missing" for name in _NEEDED if name not in names]
    strangers = [name for name in names if not re.match(r"medgan(-[^/]+\.dist-info)?/", name)]
    found += [f"{name} is not of medgan" for name in strangers]
    images = [name for name in names if re.search(r"\.(nii|nii\.gz|dcm|mgz)$", name)]
    found += [f"{name} may be a patient's image" for name in images]
    if f"\nVersion: {version}\n" not in metadata:
        found.append(f"its metadata does not say {version}")
    return found


def main(folder: Path) -> None:
    """Check the one wheel in a folder."""
    (wheel,) = folder.glob("*.whl")
    source = Path(__file__).parents[2] / "medgan" / "__init__.py"
    stated = re.search(r'^__version__ = "(.+)"$', source.read_text(encoding="utf-8"), re.MULTILINE)
    if stated is None:
        sys.exit("medgan/__init__.py states no version")
    wrong = problems(wheel, version=stated[1])
    if wrong:
        sys.exit("\n".join(f"{wheel.name}: {line}" for line in wrong))
    print(f"{wheel.name}: {wheel.stat().st_size / 10**6:.1f} MB, complete")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
