"""A MONAI Bundle of one direction of a model: configurations, weights, a card, and what of medgan it takes to run.

The files and keys are those of MONAI's bundle specification. Bundle configurations are code: only those of one's own
making, or of people that one trusts, should be run.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from medgan import __version__
from medgan.contrasts import contrast, other
from medgan.files import write_json, write_text
from medgan.integrations.graphs import constants
from medgan.integrations.runtime import PACKAGE, copy_runtime
from medgan.models import Model
from medgan.models.architecture import generator_of
from medgan.models.card import model_card
from medgan.recipe import save_recipe

_PARTS = "medgan.integrations.bundle_parts"
_REQUIRED = ("nibabel", "SimpleITK", "pydantic", "pytorch-ignite")
_PLACE = re.compile(r"<([a-z_]+)>")
_EXAMPLE_SIDE = 192


def write_bundle(model: Model, target: str, folder: Path) -> None:
    """Fill a folder with the bundle of the direction that makes `target`.

    Args:
        model: what `load_model` returns.
        target: key of the contrast.
        folder: an empty one, which the caller puts in its place when all is well.

    Raises:
        ModelRefusedError: the model has no such direction, or is damaged.
        OutputNotWrittenError: the disk refuses.
    """
    network = model.generator(target)
    kind, settings = generator_of(model.manifest.recipe, slab=model.manifest.slab)
    values = _values(model, target) | {
        "network_def": {"_target_": _at_home_in_bundle(kind.__module__, kind.__name__), **_plain(settings)}
    }
    for name in ("inference", "train", "metadata"):
        template = json.loads((template_folder() / "configs" / f"{name}.json").read_text(encoding="utf-8"))
        write_json(folder / "configs" / f"{name}.json", _filled(template, values))
    shutil.copyfile(template_folder() / "configs" / "logging.conf", folder / "configs" / "logging.conf")
    save_recipe(model.manifest.recipe, folder / "configs" / "recipe.yaml")
    weights = io.BytesIO()  # torch.save hides OSError
    torch.save(network.state_dict(), weights)  # the specification's form: read weights_only
    (folder / "models").mkdir()
    (folder / "models" / "model.pt").write_bytes(weights.getvalue())
    write_text(folder / "docs" / "README.md", _readme(model, values))
    shutil.copyfile(_license(), folder / "LICENSE")
    copy_runtime(folder, [_PARTS, kind.__module__])


def template_folder() -> Path:
    """Where the template is: beside the sources, or in the installed package."""
    beside = Path(__file__).parents[2] / "pipelines" / "bundle"
    return beside if beside.is_dir() else Path(__file__).parents[1] / "bundle"


def _license() -> Path:
    beside = Path(__file__).parents[2] / "LICENSE"
    return beside if beside.is_file() else template_folder() / "LICENSE"


def _values(model: Model, target: str) -> dict[str, Any]:
    """What the templates leave open, by name."""
    manifest = model.manifest
    recipe, slab = manifest.recipe, manifest.slab
    here, there = other(target), contrast(target)
    known = constants(model, target)
    slices = "one slice" if slab == 1 else f"{slab} neighbouring slices"
    seen = "a patch" if recipe.spatial_dims == 3 else slices
    versions = {name: importlib.metadata.version(name) for name in (*_REQUIRED, "torch", "monai", "numpy")}
    return {
        "constants": known,
        "preparation": known["preparation"],
        "spatial_dims": recipe.spatial_dims,
        "slab": slab,
        "slab_spacing": recipe.sampling.slab_spacing,
        "patch": known["input"]["patch"],
        "precision": recipe.training.precision,
        "source": here.key,
        "target": there.key,
        "target_intensity": known["target_intensity"],
        "source_scope": scope.model_dump(mode="json")
        if (scope := manifest.domains[here.key].scope)
        else None,
        "model": {"name": manifest.name, "sha256": model.digest},
        "notice": manifest.notice,
        "max_epochs": recipe.training.epochs,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"Written by medgan {__version__} from the model {manifest.name}"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"].split("+")[0],
        "numpy_version": versions["numpy"],
        "required_packages": {name: versions[name] for name in _REQUIRED},
        "name": f"medgan {there.label} from {here.label} ({manifest.name})",
        "task": f"Synthesis of a {there.label} brain MR image from a {here.label} one",
        "description": f"A generator of an unpaired {here.label}/{there.label} CycleGAN, on {seen} at a time. "
        f"{manifest.about.purpose} {manifest.notice}".replace("  ", " "),
        "data_source": "; ".join(f"{one.name} ({one.licence})" for one in manifest.about.materials)
        or "Unpaired scans of whoever trained it; not told in the model",
        "image_classes": f"{here.label} MR image, {seen}, in [-1, 1]",
        "pred_classes": f"synthetic {there.label} MR image, {seen}, in [-1, 1]",
        "eval_metrics": {
            f"{name}, {one.scans}": value
            for one in manifest.about.figures
            if one.target == target
            for name, value in one.scores.items()
        },
        "spatial_shape": [f"{recipe.preparation.divisor}*n"] * recipe.spatial_dims,
        "is_patch_data": recipe.spatial_dims == 3,
        "input_channels": _channels(here.label, slab),
        "output_channels": _channels(f"synthetic {there.label}", slab),
    }


def _channels(label: str, slab: int) -> dict[str, str]:
    offsets = [channel - slab // 2 for channel in range(slab)]
    return {
        str(channel): f"{label}, slice {offset:+d}" if offset else label
        for channel, offset in enumerate(offsets)
    }


def _filled(template: Any, values: dict[str, Any]) -> Any:
    """The template with each text `<name>` replaced by the value of that name."""
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    place = _PLACE.fullmatch(template) if isinstance(template, str) else None
    return template if place is None else values[place[1]]


def _at_home_in_bundle(module: str, name: str) -> str:
    return ".".join([PACKAGE, *module.split(".")[1:], name])


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def _readme(model: Model, values: dict[str, Any]) -> str:
    import jinja2

    text = (template_folder() / "docs" / "README.md").read_text(encoding="utf-8")
    recipe = model.manifest.recipe
    side = _EXAMPLE_SIDE if recipe.spatial_dims == 2 else values["patch"]
    card = model_card(model.manifest).replace("\n#", "\n##").partition("\n\n")[2]
    markdown = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return markdown.from_string(text).render(
        values
        | {
            "version": __version__,
            "source": contrast(values["source"]).label,
            "target": contrast(values["target"]).label,
            "packages": " ".join(["monai", "torch", *_REQUIRED]),
            "divisor": recipe.preparation.divisor,
            "axes": "X, Y" if recipe.spatial_dims == 2 else "X, Y, Z",
            "example_shape": ", ".join([str(side)] * recipe.spatial_dims),
            "card": card,
        }
    )
