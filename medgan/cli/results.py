"""What commands say of the results of many scans: each as it is made, and at the end what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from medgan.cli.screen import Screen
from medgan.errors import InputRefusedError, InterruptedByUserError, MedganError

if TYPE_CHECKING:
    from medgan.synthesis import Input, Result


def refuse_at_once(screen: Screen, scans: Sequence[Input]) -> None:
    """Where there is nothing to synthesise, say so before anything heavy is loaded; tell of what was left out."""
    if all(one.refusal is not None for one in scans):
        refuse(screen, [one.refusal for one in scans if one.refusal is not None], len(scans))
    from medgan.scans.shown_paths import shown_path

    for one in scans:
        if one.left_out:
            screen.say(f"{shown_path(one.given or one.path)}: {one.left_out}")


def refuse(screen: Screen, failures: Sequence[MedganError], total: int) -> None:
    """One refusal as it is; of several scans each with its cause and way out, and what to do then."""
    if not failures:
        return
    if total == 1:
        raise failures[0]
    screen.refusals(failures)
    if len(failures) == total:
        raise InputRefusedError(
            f"all {total} inputs were refused, as listed; nothing is written",
            remedy="Give the same command again once they are mended.",
        )
    raise InputRefusedError(
        f"{len(failures)} of {total} inputs were refused, as listed; the others are written",
        remedy="Give the same command with --resume once they are mended: what is done is kept.",
    )


def show(
    screen: Screen, results: Iterable[Result], expected: int, doing: str
) -> tuple[list[MedganError], int]:
    """Say what becomes of each scan; gives what was refused, and of how many (an archive may hold several).

    Raises:
        InterruptedByUserError: Ctrl-C or SIGTERM, in a cohort.
    """
    failures, kept, done = [], 0, 0
    try:
        with screen.progress() as bars:
            task = bars.add_task(doing, total=expected)
            for done, result in enumerate(results, start=1):
                bars.update(task, completed=done, total=max(done, expected))
                if result.error is not None:
                    failures.append(result.error)
                for text in result.warnings:
                    screen.warn(f"{result.name}: {text}")
                if result.kept:
                    kept += 1
                    continue
                for file in result.files:
                    screen.say(f"{file}")
    except KeyboardInterrupt:
        if expected == 1:
            raise
        raise InterruptedByUserError(
            f"interrupted: {done - len(failures)} of {expected} inputs are done",
            remedy="Give the same command with --resume to go on: what is done is kept.",
        ) from None
    if kept:
        screen.say(f"{kept} of {done} were there already, complete, and were kept.")
    return failures, done
