"""The model folder's format, and the models that come with medgan: what `train` writes and `synthesize` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.models.catalogue import default_model, find_model, model_names
    from medgan.models.folder import Model, load_model, save_model
    from medgan.models.manifest import Domain, Manifest
    from medgan.models.parts import About, History, Origin

__all__ = [
    "About",
    "Domain",
    "History",
    "Manifest",
    "Model",
    "Origin",
    "default_model",
    "find_model",
    "load_model",
    "model_names",
    "save_model",
]

__getattr__ = lazy_names(
    __name__,
    {
        "About": "medgan.models.parts",
        "Domain": "medgan.models.manifest",
        "History": "medgan.models.parts",
        "Manifest": "medgan.models.manifest",
        "Model": "medgan.models.folder",
        "Origin": "medgan.models.parts",
        "default_model": "medgan.models.catalogue",
        "find_model": "medgan.models.catalogue",
        "load_model": "medgan.models.folder",
        "model_names": "medgan.models.catalogue",
        "save_model": "medgan.models.folder",
    },
)
