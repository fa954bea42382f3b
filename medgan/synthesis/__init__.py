"""A model and a scan -> a scan; one or a whole cohort. Knows nothing of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgan.lazy import lazy_names

if TYPE_CHECKING:
    from medgan.synthesis.api import synthesize
    from medgan.synthesis.cohort import synthesize_each
    from medgan.synthesis.destination import Destination, open_destination
    from medgan.synthesis.inputs import Input, find_inputs
    from medgan.synthesis.members import Result
    from medgan.synthesis.stages import Made, Opened, Writer, make_from, open_scan
    from medgan.synthesis.synthesizer import Synthesizer, Synthetic
    from medgan.synthesis.terms import Terms

__all__ = [
    "Destination",
    "Input",
    "Made",
    "Opened",
    "Result",
    "Synthesizer",
    "Synthetic",
    "Terms",
    "Writer",
    "find_inputs",
    "make_from",
    "open_destination",
    "open_scan",
    "synthesize",
    "synthesize_each",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Destination": "medgan.synthesis.destination",
        "Input": "medgan.synthesis.inputs",
        "Made": "medgan.synthesis.stages",
        "Opened": "medgan.synthesis.stages",
        "Result": "medgan.synthesis.members",
        "Synthesizer": "medgan.synthesis.synthesizer",
        "Synthetic": "medgan.synthesis.synthesizer",
        "Terms": "medgan.synthesis.terms",
        "Writer": "medgan.synthesis.stages",
        "find_inputs": "medgan.synthesis.inputs",
        "make_from": "medgan.synthesis.stages",
        "open_destination": "medgan.synthesis.destination",
        "open_scan": "medgan.synthesis.stages",
        "synthesize": "medgan.synthesis.api",
        "synthesize_each": "medgan.synthesis.cohort",
    },
)
