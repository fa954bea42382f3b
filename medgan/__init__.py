"""medgan gives a brain MRI scan its missing contrast. Research software, not a medical device."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgan.models import Model, load_model
    from medgan.synthesis import synthesize
    from medgan.training import train  # type: ignore[no-redef]  # also a module there

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load_model", "synthesize", "train"]

_HOMES = {
    "Model": "medgan.models",
    "load_model": "medgan.models",
    "synthesize": "medgan.synthesis",
    "train": "medgan.training",
}


def __getattr__(name: str) -> Any:
    """Import the public API on first use, since torch and MONAI take seconds to load."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'medgan' has no attribute {name!r}")
