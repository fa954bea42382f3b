"""Many inputs, one model: a few are in hand at a time, and a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from medgan.scans.reading import Reading
from medgan.synthesis.destination import Destination
from medgan.synthesis.inputs import Input
from medgan.synthesis.members import Beside, Result, make, refuse_several
from medgan.synthesis.naming import Names
from medgan.synthesis.place import open_place
from medgan.synthesis.synthesizer import Synthesizer
from medgan.synthesis.terms import Terms
from medgan.synthesis.together import at_once, overlapped


def synthesize_each(
    inputs: Sequence[Input],
    synthesizer: Synthesizer,
    destination: Destination,
    *,
    reading: Reading | None = None,
    resume: bool = False,
) -> Generator[Result, None, None]:
    """Read, synthesise and write each input; yields as each is done, in their order.

    Args:
        inputs: of `find_inputs`; an archive may give several results.
        synthesizer: the model and its direction.
        destination: where results go, and as what.
        reading: which image of several, and how.
        resume: keep results that are complete, unchanged, and of this input, model and version.

    Raises:
        UsageError: the destination is for one input, and there are several.
        ModelRefusedError: the model cannot be loaded.
        OutputNotWrittenError: the disk refuses, which it would for the next input too.
    """
    terms = Terms(
        destination=destination,
        target=synthesizer.target.key,
        reading=reading or Reading(),
        maps=synthesizer.calibration is not None,
        resume=resume,
    )
    names = Names(terms)
    refuse_several(inputs, destination)

    def made(one: Input, beside: Beside) -> Iterator[Result]:
        return make(one, synthesizer, terms, name=lambda _, scan: names.give(scan), beside=beside)

    count = at_once(synthesizer.device.device, len(inputs))
    with open_place(inputs, terms, synthesizer.model):
        if count > 1:
            synthesizer.settle()
        yield from overlapped(inputs, made, count=count)
