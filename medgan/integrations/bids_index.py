"""The images of two contrasts in a BIDS data set, and the JSON files that go with them: found by pybids.

Names are read by the rules of the BIDS schema (bids-validator, which comes with pybids). Only folders `anat` are
entered, and of the participants asked for alone; no image and no JSON is opened. The index is in memory: nothing is
written into the data set, and nothing there (`layout_config.json`) says how it is read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medgan.errors import InputRefusedError, UsageError

_IMAGES = (".nii", ".nii.gz")
_OF_THE_FILE = ("suffix", "extension", "datatype")
_NO_CONFIGURATION = ".medgan-has-no-such-file"


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """A file of a data set.

    Attributes:
        path: from the root of the data set.
        suffix: such as `T1w`.
        entities: by the schema's names (`subject`, `session`, `run` ...). None where a raw data set may not have a
            file of that name at that place.
    """

    path: PurePosixPath
    suffix: str
    entities: Mapping[str, str]

    @property
    def is_bids(self) -> bool:
        """Whether a raw data set may have a file of that name at that place."""
        return self.suffix != ""

    @property
    def is_json(self) -> bool:
        """Whether it is a sidecar, or one that images inherit from."""
        return self.path.suffix == ".json"

    @property
    def participant(self) -> str:
        """Its label, without `sub-`."""
        return self.entities.get("subject", "")

    @property
    def session(self) -> str:
        """Its label, without `ses-`; empty where there are no sessions."""
        return self.entities.get("session", "")

    @property
    def folder(self) -> str:
        """The folder of its session, or of its participant where there are no sessions."""
        return f"sub-{self.participant}" + (f"/ses-{self.session}" if self.session else "")


def index(root: Path, *, suffixes: Sequence[str], participants: Collection[str]) -> list[Indexed]:
    """The images of these suffixes and their JSON files, whatever their names.

    Args:
        root: of the data set.
        suffixes: such as `T1w`.
        participants: labels without `sub-`; of all where there is none.

    Raises:
        UsageError: pybids is not installed.
        InputRefusedError: a folder cannot be read.
    """
    try:
        from bids import BIDSLayout, BIDSLayoutIndexer
        from bids_validator import BIDSValidator
    except ImportError as error:
        raise _not_installed() from error
    indexer = BIDSLayoutIndexer(
        validate=False,
        index_metadata=False,
        ignore=[_elsewhere(participants)],
        config_filename=_NO_CONFIGURATION,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            layout = BIDSLayout(str(root), validate=False, derivatives=False, indexer=indexer)
        except OSError as error:
            raise InputRefusedError(
                f"cannot be looked through: {error.strerror or error}",
                file=root,
                remedy="Check the permissions of its folders.",
            ) from error
        try:
            files = layout.get(suffix=list(suffixes), extension=[*_IMAGES, ".json"])
            return [_indexed(Path(file.path).relative_to(layout.root), BIDSValidator.parse) for file in files]
        finally:
            layout.session.close()
            layout.connection_manager.engine.dispose()


def _elsewhere(participants: Collection[str]) -> re.Pattern[str]:
    """What paths from the root match that lie neither in an `anat` that is asked for nor where its JSON may lie."""
    labels = "|".join(map(re.escape, participants)) or "[^/]+"
    below = r"(/ses-[^/]+)?(/anat)?(/[^/]+)?"
    return re.compile(rf"^/(?!$|[^/]+\.json$|sub-({labels}){below}$)")


def _indexed(path: Path, parse: Callable[[str], Mapping[str, str]]) -> Indexed:
    entities = dict(parse(f"/{path.as_posix()}"))
    suffix = entities.get("suffix", "")
    named = {key: value for key, value in entities.items() if key not in _OF_THE_FILE}
    return Indexed(path=PurePosixPath(path.as_posix()), suffix=suffix, entities=named)


def _not_installed() -> UsageError:
    return UsageError(
        "a BIDS data set is looked through by pybids, which is not installed",
        remedy='Install it (pip install "medgan[bids]"), or name the scans themselves, without --bids.',
    )
