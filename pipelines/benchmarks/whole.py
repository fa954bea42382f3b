"""Whether the files of a run or of a synthesis are whole, each judged by what reads it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def problems(folder: Path) -> list[str]:
    """A sentence for each file under a final name that is not whole; temporary ones are passed over."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        check = next((check for suffix, check in _CHECKS.items() if path.name.endswith(suffix)), None)
        if check is None:
            if path.parent.name != "tensorboard":  # TensorBoard's own, which grow in place
                found.append(f"nothing is known of {path.relative_to(folder)}")
            continue
        try:
            check(path)
        except Exception as error:  # noqa: BLE001 - whatever a reader thinks of a half file
            found.append(f"{path.relative_to(folder)} is not whole ({type(error).__name__}: {error})")
    for model in folder.glob("model"):
        try:
            _check_model(model)
        except Exception as error:  # noqa: BLE001
            found.append(f"the model is not whole ({error})")
    return found


def weights(run: Path) -> dict[str, str]:
    """The digests of a run's weights."""
    return _digests(run / "model", "*.safetensors")


def images(out: Path) -> dict[str, str]:
    """The digests of all voxels below a folder, by file name, and of all that is said beside them."""
    import pydicom

    made = _digests(out, "*.nii.gz") | _digests(out, "*.png")
    for path in sorted(out.rglob("*.dcm")):
        made[str(path.relative_to(out))] = hashlib.sha256(
            pydicom.dcmread(path).pixel_array.tobytes()
        ).hexdigest()
    return made | {path.name: "there" for path in out.rglob("*.json")}


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob(pattern))
        if not path.name.startswith(".")
    }


def _check_safetensors(path: Path) -> None:
    import safetensors.torch

    from medgan.training.checkpoints import load_newest

    if path.parent.name != "checkpoints":
        safetensors.torch.load_file(path)
        return
    with tempfile.TemporaryDirectory() as alone:  # no other checkpoint to fall back to
        shutil.copy(path, alone)
        load_newest(Path(alone))


def _check_model(folder: Path) -> None:
    from medgan.models import load_model

    model = load_model(folder)
    for target in ("t1", "t2"):
        model.generator(target)
    if not (folder / "README.md").read_text(encoding="utf-8").endswith("\n"):
        raise ValueError("README.md is cut")


def _check_rows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    if not text.endswith("\n") or len({len(row) for row in rows}) != 1:
        raise ValueError("a row is cut")


def _check_picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as picture:
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            picture.load()


def _check_nifti(path: Path) -> None:
    import nibabel
    import numpy as np

    gzip.decompress(path.read_bytes())
    if not np.isfinite(nibabel.load(path).get_fdata()).all():
        raise ValueError("a voxel is not finite")


def _check_dicom(path: Path) -> None:
    import pydicom

    if not pydicom.dcmread(path).pixel_array.size:
        raise ValueError("no pixels")


def _check_array(path: Path) -> None:
    import numpy as np

    np.load(path, allow_pickle=False)


def _check_recipe(path: Path) -> None:
    from medgan.recipe import load_recipe

    load_recipe(path, [])


def _check_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _check_text(path: Path) -> None:
    if not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError("the text is cut")


def _check_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("the page has no end")


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".safetensors": _check_safetensors,
    ".json": _check_json,
    ".csv": _check_rows,
    ".png": _check_picture,
    ".gif": _check_picture,
    ".nii.gz": _check_nifti,
    ".dcm": _check_dicom,
    ".npy": _check_array,
    ".yaml": _check_recipe,
    ".md": _check_text,
    ".html": _check_page,
}
