"""Many subjects: each is read and judged before the next; a bad one does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medgan.devices import memory_errors
from medgan.errors import InputRefusedError, MedganError, ResourceError, UsageError
from medgan.evaluation.judging import Compared, Judged, judge
from medgan.evaluation.matching import Subject, called
from medgan.scans import Scan, find_scans, read_scan

MEMORY_REMEDY = "Close other programs, or evaluate smaller images."
"""What to do where memory runs out."""
MOST_TARGETS = 100


def judge_each(
    subjects: Iterable[Subject],
    *,
    register: bool = False,
    look: Callable[[Judged, Compared], None] = lambda judged, compared: None,
) -> Iterator[list[Judged] | MedganError]:
    """Read and judge each subject; gives its figures, or why it was refused.

    Args:
        subjects: of `match_folders`.
        register, look: as in `judge`.
    """

    def work(subject: Subject) -> list[Judged]:
        one = judge(
            read_scan(subject.prediction),
            read_scan(subject.reference),
            source=None if subject.source is None else read_scan(subject.source),
            register=register,
            name=subject.name,
            look=look,
        )
        return [one]

    for subject in subjects:
        yield or_refusal(work, subject)


def read_usable(folder: Path, key: str | None, left_out: list[str]) -> Iterator[Scan]:
    """The acquired scans of a folder, at most `MOST_TARGETS` of them, evenly chosen.

    Args:
        folder: with scans of the target contrast.
        key: of that contrast, if it is known; scans that look like another one are passed over.
        left_out: gets a sentence for each scan that is not used.

    Raises:
        InputRefusedError: there is no such folder, or no scan in it.
    """
    scans = find_scans(folder)
    if len(scans) > MOST_TARGETS:
        left_out.append(
            f"{len(scans) - MOST_TARGETS} of {len(scans)} target scans, evenly chosen, are not used"
        )
        scans = [scans[index * len(scans) // MOST_TARGETS] for index in range(MOST_TARGETS)]
    for found in scans:
        try:
            scan = read_scan(found)
        except MedganError as error:
            left_out.append(f"{called(found)}: {error.cause}")
            continue
        if scan.source.facts.get("synthetic"):
            left_out.append(f"{called(found)}: is itself synthetic")
        elif None not in (key, scan.contrast) and scan.contrast != key:
            left_out.append(f"{called(found)}: looks like another contrast")
        else:
            yield scan


def or_refusal(work: Callable[[Subject], list[Judged]], subject: Subject) -> list[Judged] | MedganError:
    """What `work` makes of a subject, or its refusal, which names a file."""
    try:
        with memory_errors(MEMORY_REMEDY):
            return work(subject)
    except (InputRefusedError, UsageError, ResourceError) as error:
        error.file = error.file or Path(subject.name)
        return error
