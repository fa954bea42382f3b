"""A model and a scan -> a scan; one or a whole cohort. Knows nothing of training."""

from medgan.synthesis.api import synthesize
from medgan.synthesis.cohort import Input, Result, find_inputs, synthesize_each
from medgan.synthesis.destination import Destination, open_destination
from medgan.synthesis.synthesizer import Synthesizer, Synthetic

__all__ = [
    "Destination",
    "Input",
    "Result",
    "Synthesizer",
    "Synthetic",
    "find_inputs",
    "open_destination",
    "synthesize",
    "synthesize_each",
]
