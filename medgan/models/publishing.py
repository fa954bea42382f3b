"""A trained model becomes one that can be passed on: under a name, with data, licences and figures stated."""

from __future__ import annotations

from pathlib import Path

from medgan.files import whole_folder, write_json, write_text
from medgan.models.calibration import Calibration
from medgan.models.card import model_card
from medgan.models.content import MANIFEST
from medgan.models.folder import Model
from medgan.models.manifest import Manifest
from medgan.models.parts import About


def publish_model(
    model: Model,
    folder: Path,
    *,
    name: str,
    about: About,
    calibration: tuple[Calibration, ...] | None = None,
) -> None:
    """Write a copy of a model whose manifest and card say what a stranger must know of it.

    The weights are checked and copied byte for byte.

    Args:
        model: what `load_model` returns.
        folder: where to; an older model there is replaced.
        name: of the copy.
        about: purpose, data with licences, figures and limits.
        calibration: what it knows of its errors, as `medgan.uncertainty.calibrate` found it; the model's own where it
            is None.

    Raises:
        ModelRefusedError: its weights are missing or damaged.
        OutputNotWrittenError: the disk refuses.
    """
    content = model.manifest.model_dump(mode="json") | {
        "name": name,
        "about": about.model_dump(mode="json"),
    }
    if calibration is not None:
        content["calibration"] = [one.model_dump(mode="json") for one in calibration]
    manifest = Manifest.model_validate(content)
    with whole_folder(folder) as temporary:
        for weights in manifest.directions:
            model.generator(weights.target)  # which checks them
            (temporary / weights.file_name).write_bytes((model.folder / weights.file_name).read_bytes())
        write_json(temporary / MANIFEST, content)
        write_text(temporary / "README.md", model_card(manifest))
