"""Two folders -> a model folder: data sets, the engine and its handlers, checkpoints, monitors, previews."""

from medgan.training.observer import Observer, Status
from medgan.training.plan import Plan
from medgan.training.train import train

__all__ = ["Observer", "Plan", "Status", "train"]
