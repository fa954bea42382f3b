"""medgan gives a brain MRI scan its missing contrast. Research software, not a medical device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from medgan.lazy import import_app_sdk_when_asked, lazy_names

if TYPE_CHECKING:
    from medgan.models import Model, load_model
    from medgan.synthesis import synthesize
    from medgan.training import train  # also a module there

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load_model", "synthesize", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "Model": "medgan.models",
        "load_model": "medgan.models",
        "synthesize": "medgan.synthesis",
        "train": "medgan.training",
    },
)
import_app_sdk_when_asked()
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MONAI imports MLflow, which would report its use
