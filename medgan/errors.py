"""Every error that a user can meet: its exit code, the file, the cause and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from medgan.texts import printable


class MedganError(Exception):
    """Base of all errors that are the user's to solve; shown as three parts without a traceback.

    Args:
        cause: what is wrong, in one sentence.
        file: the file or folder it is about, if there is one.
        remedy: what the user can do.

    Attributes:
        told: whether another process tells it, of several that train together.
    """

    exit_code: ClassVar[int] = 1
    told: bool = False

    def __init__(self, cause: str, *, file: Path | str | None = None, remedy: str = "") -> None:
        self.cause = cause
        self.file = Path(file) if file is not None else None
        self.remedy = remedy
        super().__init__(cause)

    def __str__(self) -> str:
        where = f"{printable(self.file)}: " if self.file is not None else ""
        way_out = f"\n{self.remedy}" if self.remedy else ""
        return f"{where}{self.cause}{way_out}"


class UsageError(MedganError):
    """The command, a setting or a combination of them makes no sense."""

    exit_code = 2


class InputRefusedError(MedganError):
    """A scan cannot be read, or should not be used."""

    exit_code = 3


class SeriesChoiceError(InputRefusedError):
    """A folder holds several series or a file several volumes, and the user has to choose."""


class ModelRefusedError(MedganError):
    """A model folder or a checkpoint is missing, damaged, of another format or does not fit the job."""

    exit_code = 4


class OutputNotWrittenError(MedganError):
    """A result could not be written; nothing is left behind under its name."""

    exit_code = 5


class ResourceError(MedganError):
    """Memory ran out, or the device or another process of the training is not there."""

    exit_code = 6


class InterruptedByUserError(MedganError):
    """Ctrl-C or SIGTERM; what can be kept is kept."""

    exit_code = 130
