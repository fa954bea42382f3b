"""Write docs/reference/recipes.md from the settings themselves: python docs/make_recipes_page.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medgan.recipe import Recipe, load_recipe, recipe_names, setting_paths

PAGE = Path(__file__).parent / "reference" / "recipes.md"

_HEAD = """# Recipes and settings

A recipe is YAML; `--recipe` takes one of these by name, or a file of yours, which states what differs from the
defaults. `--set key=value` changes a setting, named in full or by its last word where that is the only one.
The resolved recipe, with every setting, is kept in the run (`recipe.yaml`) and in the model (`model.json`).

"""


def page() -> str:
    """The page's Markdown."""
    recipes = {name: load_recipe(name) for name in recipe_names()}
    lines = [_HEAD]
    lines += [f"- **{name}**: {recipe.description}\n" for name, recipe in recipes.items()]
    lines.append("\n| setting | default | " + " | ".join(recipes) + " | what it does |\n")
    lines.append("|---|---|" + "---|" * len(recipes) + "---|\n")
    default = Recipe()
    for path in setting_paths():
        if path in ("name", "description"):
            continue
        values = [_value(recipe, path) for recipe in (default, *recipes.values())]
        lines.append(f"| `{path}` | " + " | ".join(values) + f" | {_description(path)} |\n")
    return "".join(lines)


def _value(recipe: BaseModel, path: str) -> str:
    value: Any = recipe.model_dump(mode="json")
    for part in path.split("."):
        value = value[part]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(f"1/{stage['scale']} for {stage['share']:.0%}" for stage in value)
    return "none" if value is None or value == [] else str(value).strip("[]")


def _description(path: str) -> str:
    model: Any = Recipe
    *sections, last = path.split(".")
    for section in sections:
        model = model.model_fields[section].annotation
    return str(model.model_fields[last].description or "").replace("|", "or")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
