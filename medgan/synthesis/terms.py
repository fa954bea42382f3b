"""What is asked of every scan of a command. Holds no network, so that it can be sent to other processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from medgan.contrasts import other
from medgan.scans.reading import Reading
from medgan.synthesis.destination import Destination


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is the same for all scans of a command, the networks apart.

    Attributes:
        destination: where results go, and as what.
        target: key of the contrast to make.
        reading: which image of several, and how.
        maps: whether there will be maps of the uncertainty.
        resume: keep results that are complete, unchanged, and of this input, model and version.
    """

    destination: Destination
    target: str
    reading: Reading = field(default_factory=Reading)
    maps: bool = False
    resume: bool = False

    @property
    def source(self) -> str:
        """Key of the contrast that it is made from."""
        return other(self.target).key

    @property
    def asked(self) -> dict[str, object]:
        """What a result depends on besides its input and the way that it is read, as JSON has it."""
        asked: dict[str, object] = {"deidentified": self.destination.deidentifier is not None}
        if self.destination.reference is not None:
            asked["reference"] = self.destination.reference.uid
        return asked
