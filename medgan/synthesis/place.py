"""The folders that a command's results are written into: clean of what was left half written, and described."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from medgan.files import remove_leftovers
from medgan.models import Model
from medgan.scans import Found
from medgan.synthesis.derivative import MadeBy, described
from medgan.synthesis.destination import Destination
from medgan.synthesis.inputs import Input
from medgan.synthesis.terms import Terms


@contextlib.contextmanager
def open_place(inputs: Sequence[Input], terms: Terms, model: Model) -> Iterator[None]:
    """Take away what killed processes left; as long as the block lasts, a BIDS derivative says what it is.

    Raises:
        OutputNotWrittenError: the disk refuses.
    """
    destination = terms.destination
    clean_place(inputs, destination)
    if destination.raw is None:
        yield
        return
    made_by = MadeBy(model=model.manifest.name, sha256=model.digest, target=terms.target)
    with described(destination.folder, destination.raw, made_by):
        yield


def clean_place(inputs: Sequence[Input], destination: Destination) -> None:
    """Take away what killed processes left half written where results of these inputs would lie."""
    stems = (one.scan.stem for one in inputs if isinstance(one.scan, Found))
    for folder in {destination.folder, *map(destination.folder_of, stems)}:
        remove_leftovers(folder)
