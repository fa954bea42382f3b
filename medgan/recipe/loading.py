"""Recipes: those that come with medgan and those of others; YAML in and out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medgan.errors import UsageError
from medgan.files import write_text
from medgan.plain_yaml import YAMLError, parse
from medgan.recipe.changes import apply_change, paths_of
from medgan.recipe.settings import Recipe

_LISTED = 8


def recipe_folder() -> Path:
    """Where the recipes are: beside the sources, or in the installed package."""
    beside = Path(__file__).parents[2] / "pipelines" / "recipes"
    return beside if beside.is_dir() else Path(__file__).parents[1] / "recipes"


def recipe_names() -> list[str]:
    """The names of the recipes that come with medgan."""
    return sorted(file.stem for file in recipe_folder().glob("*.yaml"))


def load_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """A recipe that comes with medgan, or one from a YAML file, with changes such as `losses.cycle=15`.

    A change names its setting in full, or by its last word where that is the only one (`batch_size=8`).

    Raises:
        UsageError: no such recipe or setting, or a value that it does not take.
    """
    file = _recipe_file(name)
    try:
        settings = parse(file.read_bytes()) or {}
    except (YAMLError, OSError) as error:
        raise UsageError(f"is not a recipe in YAML: {error}", file=file) from error
    if not isinstance(settings, dict):
        raise UsageError("is not a recipe: it has no settings by name", file=file)
    settings.setdefault("name", re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem).lstrip("_.-")[:64] or "custom")
    for change in changes:
        apply_change(settings, change, paths=setting_paths())
    return recipe_from(settings, file=file)


def recipe_from(settings: dict[str, Any], *, file: Path | None = None) -> Recipe:
    """A recipe from plain settings.

    Raises:
        UsageError: a setting that does not exist, or a value that it does not take.
    """
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = "; ".join(
            f"{'.'.join(str(part)[:80] for part in problem['loc']) or 'recipe'}: {problem['msg'][:300]}"
            for problem in found[:_LISTED]
        )
        if len(found) > _LISTED:
            problems += f"; and {len(found) - _LISTED} more"
        raise UsageError(
            f"the recipe is not valid: {problems}",
            file=file,
            remedy="See docs/reference/recipes.md for the settings and what they take.",
        ) from error


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every setting as YAML."""
    write_text(path, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def setting_paths() -> list[str]:
    """The full names of all settings."""
    return paths_of(Recipe)


def _recipe_file(name: str | Path) -> Path:
    file = Path(name)
    if file.suffix in (".yaml", ".yml"):
        try:
            is_file = file.is_file()
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", file=file) from error
        if not is_file:
            raise UsageError("there is no such recipe file", file=file)
        return file
    if str(name) not in recipe_names():
        raise UsageError(
            f"there is no recipe {str(name)!r}",
            remedy=f"Use one of {', '.join(recipe_names())}, or a file that ends in .yaml.",
        )
    return recipe_folder() / f"{name}.yaml"
