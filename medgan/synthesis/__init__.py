"""A model and a scan -> a scan; one or a whole cohort. Knows nothing of training."""

from medgan.synthesis.api import synthesize
from medgan.synthesis.cohort import Input, Result, find_inputs, synthesize_each
from medgan.synthesis.synthesizer import Synthesizer, Synthetic

__all__ = ["Input", "Result", "Synthesizer", "Synthetic", "find_inputs", "synthesize", "synthesize_each"]
