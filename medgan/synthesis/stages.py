"""One scan from its reading to its writing, stage by stage: for programs that have a place of their own for each.

`synthesize_each` does all of it for many scans, and what is written is the same, byte for byte, names included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medgan.devices import memory_errors
from medgan.errors import UsageError
from medgan.files import remove_leftovers
from medgan.scans import Found, Scan, read_scan
from medgan.scans.reading import Reading, choose_scan
from medgan.synthesis.completed import checksums, contents_digest, input_digest, origin_digest
from medgan.synthesis.destination import Destination
from medgan.synthesis.naming import Named, Names, nameable
from medgan.synthesis.outputs import Digests, write_outputs
from medgan.synthesis.synthesizer import MEMORY_REMEDY, Synthesizer, Synthetic
from medgan.synthesis.terms import Terms


@dataclass(frozen=True, eq=False, kw_only=True)
class Opened:
    """A scan that was read, and what it was read from.

    Attributes:
        found: the scan as it was found; of a DICOM series the echo that was asked for.
        reading: how it was read.
        checksums: SHA-256 of its files, from just before they were read.
        scan: its voxels.
    """

    found: Found
    reading: Reading
    checksums: Mapping[Path, str]
    scan: Scan


@dataclass(frozen=True, eq=False, kw_only=True)
class Made:
    """A synthetic scan, what it was made from, and what made it.

    Attributes:
        opened: the source.
        synthetic: on the source's grid.
        by: the model and its direction.
    """

    opened: Opened
    synthetic: Synthetic
    by: Synthesizer


def open_scan(found: Found, *, reading: Reading | None = None) -> Opened:
    """Read a scan.

    Args:
        found: one of `find_scans`.
        reading: which image of several, and how.

    Raises:
        InputRefusedError: it cannot be read, or not be used.
        SeriesChoiceError: several volumes or echoes, and `reading` does not choose one.
        UsageError: an option that this kind of scan does not have.
        ResourceError: memory ran out.
    """
    reading = reading or Reading()
    chosen = choose_scan(found, reading)
    files = checksums(chosen)
    with memory_errors(MEMORY_REMEDY):
        scan = read_scan(chosen, volume=reading.volume, nan_to_zero=reading.nan_to_zero)
    return Opened(found=chosen, reading=reading, checksums=files, scan=scan)


def make_from(opened: Opened, by: Synthesizer) -> Made:
    """Make the missing contrast of a scan that was read.

    Raises:
        InputRefusedError: it does not suit the model, or is synthetic itself.
        ModelRefusedError: the model cannot be loaded.
        ResourceError: memory ran out.
    """
    with memory_errors(MEMORY_REMEDY):
        return Made(opened=opened, synthetic=by(opened.scan), by=by)


class Writer:
    """Writes what was made into one destination, each under a name of its own, as `medgan synthesize` calls it.

    Args:
        destination: of `open_destination`, without a reference.

    Raises:
        UsageError: the destination has a reference, with which scans would have to be compared.
    """

    def __init__(self, destination: Destination) -> None:
        if destination.reference is not None:
            raise UsageError(
                "scans that belong to a reference are written by synthesize_each, which compares them with it"
            )
        self.destination = destination
        self._names: dict[tuple[str, bool], Names] = {}
        remove_leftovers(destination.folder)

    def __call__(self, made: Made) -> tuple[Path, ...]:
        """Write the image and its sidecar, each whole or not at all.

        Returns:
            The files, images first, sidecar last; a DICOM series is its folder.

        Raises:
            UsageError: the destination does not go with the scan, or something else is in the way.
            OutputNotWrittenError: the disk refuses.
        """
        opened, maps = made.opened, made.by.calibration is not None
        terms = Terms(
            destination=self.destination, target=made.by.target.key, reading=opened.reading, maps=maps
        )
        names = self._names.setdefault((terms.target, maps), Names(terms))
        contents = contents_digest(opened.found, opened.checksums)
        named = names.give(nameable(opened.found, self.destination, contents=lambda: contents, archive=None))
        place = opened.found.path
        write_outputs(
            made.synthetic,
            made.by,
            named.plan,
            self.destination,
            series=opened.found.series,
            called=named.called,
            digests=digests_of(opened.found, terms, opened.checksums, named, place=place, origin=place),
        )
        return named.plan.files


def digests_of(
    found: Found, terms: Terms, files: Mapping[Path, str], named: Named, *, place: Path, origin: Path
) -> Digests:
    """What tells a result's sidecar which scan it was made from, and how it was read.

    Args:
        found: the scan.
        terms: what is asked.
        files: of `checksums`.
        named: how its result is called.
        place: the folder that an archive was unpacked into, or `origin`.
        origin: what the user named.
    """
    return Digests(
        input=input_digest(files, terms.reading, asked=terms.asked),
        origin=origin_digest(
            found,
            terms.reading,
            place=place,
            origin=origin,
            contents=contents_digest(found, files),
            nameless=named.called.source is not None,
            raw=terms.destination.raw,
        ),
    )
