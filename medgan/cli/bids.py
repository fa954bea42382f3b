"""`medgan synthesize --bids`: what a data set lacks, said in words, and what would be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgan.cli.screen import Screen
from medgan.contrasts import contrast, other
from medgan.errors import MedganError, UsageError

if TYPE_CHECKING:
    from medgan.integrations.bids import Missing
    from medgan.synthesis import Terms

_FOR_BIDS = "Add --bids, with the root of a BIDS data set as INPUT."


def refuse_without_bids(options: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing without --bids.

    Args:
        options: their values by their names.

    Raises:
        UsageError: one is given.
    """
    for option, value in options.items():
        if value:
            raise UsageError(f"{option} is for BIDS data sets", remedy=_FOR_BIDS)


def refuse_with_bids(options: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing for the NIfTI files of a BIDS data set.

    Args:
        options: their values by their names.

    Raises:
        UsageError: one is given.
    """
    for option, value in options.items():
        if value:
            raise UsageError(
                f"{option} does not go with --bids, which takes and makes NIfTI",
                remedy="Leave out one of the two.",
            )


def look_for_missing(
    screen: Screen,
    inputs: Sequence[Path],
    target: str,
    *,
    participants: Sequence[str],
    sessions: Sequence[str],
) -> Missing:
    """What the data set lacks; told.

    Args:
        screen: to tell it on.
        inputs: of the command, of which one is needed.
        target: key of the contrast to make.
        participants, sessions: labels.

    Raises:
        UsageError: several inputs; or as `find_missing`.
        InputRefusedError: no raw BIDS data set, or none that can be read.
    """
    if len(inputs) > 1:
        again = "Repeat the option for each label: --participant-label 01 --participant-label 02."
        raise UsageError(
            f"--bids takes the root of one data set, and there are {len(inputs)} inputs",
            remedy=again if participants or sessions else "Name data sets one by one.",
        )
    from medgan.integrations.bids import find_missing

    with screen.waiting("Looking through the data set"):
        missing = find_missing(inputs[0], target=target, participants=participants, sessions=sessions)
    _tell(screen, missing)
    return missing


def _tell(screen: Screen, missing: Missing) -> None:
    there, here = contrast(missing.target).label, other(missing.target).label
    count, complete = len(missing.inputs), len(missing.complete)
    screen.say(
        f"{count or 'No'} {here} in sessions without a {there}; {complete or 'no'} "
        f"session{'' if complete == 1 else 's'} with both."
    )
    for why, paths in missing.left_out.items():
        screen.say(f"Left out: {len(paths)} {why}: {_some(paths, screen.verbose)}")
    if missing.lacking:
        screen.say(f"With neither {here} nor {there}: {_some(missing.lacking, screen.verbose)}")
    if missing.named:
        screen.warn(
            f"Participants are called after their patients ({missing.named} of them), as JSON files beside their "
            "scans say (PatientName, PatientID, ...). Results have the data set's labels: rename participants, or take "
            "such entries out, before you share either."
        )
    if not count:
        screen.say("Nothing to do.")


def _some(names: Sequence[str], all_of_them: bool) -> str:
    shown = names if all_of_them else names[:3]
    more = f" and {len(names) - len(shown)} more (--verbose)" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def tell_plan(screen: Screen, missing: Missing, terms: Terms) -> None:
    """Say what would be made of what, and where; write nothing and load no network."""
    from medgan.synthesis.members import own_name
    from medgan.synthesis.naming import Names

    names, made = Names(terms), 0
    for one in missing.inputs:
        source = one.path.relative_to(missing.root).as_posix()
        try:
            if (scan := own_name(one, terms)) is None:
                continue  # of files in archives alone
            plan = names.give(scan).plan
        except MedganError as error:
            screen.say(f"{source}: would be refused: {error.cause}")
            continue
        made += 1
        there = " (there is one already)" if plan.sidecar.exists() else ""
        screen.say(f"{source} -> {' '.join(map(str, plan.images.values()))}{there}")
        for path in (*plan.maps.values(), *plan.extras.values()):
            screen.detail(f"    {path}")
    screen.say(f"Dry run: {made} would be made below {terms.destination.folder}; nothing was written.")
