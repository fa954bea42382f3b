"""A recipe: every setting of a training, validated; YAML in and out."""

from medgan.recipe.loading import (
    load_recipe,
    recipe_folder,
    recipe_from,
    recipe_names,
    save_recipe,
    setting_paths,
)
from medgan.recipe.settings import LARGEST_SLAB, Recipe, TrainingSettings

__all__ = [
    "LARGEST_SLAB",
    "Recipe",
    "TrainingSettings",
    "load_recipe",
    "recipe_folder",
    "recipe_from",
    "recipe_names",
    "save_recipe",
    "setting_paths",
]
