"""The model folder's format: what `train` writes and `synthesize` reads."""

from medgan.models.folder import Model, load_model, save_model
from medgan.models.manifest import Domain, History, Manifest

__all__ = ["Domain", "History", "Manifest", "Model", "load_model", "save_model"]
