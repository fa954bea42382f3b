"""What `medgan evaluate` says of what it judged, and leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from medgan.cli.screen import NOTICE, Screen
from medgan.errors import InputRefusedError, MedganError

if TYPE_CHECKING:
    from medgan.assessment import WithoutReference
    from medgan.evaluation.judging import Judged
    from medgan.evaluation.unpaired import Seen
    from medgan.reports.evaluation_album import Album


_ROWS = 40
_ALONE = 10
_Result = TypeVar("_Result")


def tell_without_reference(
    screen: Screen,
    seen: Sequence[Seen],
    judge: WithoutReference,
    album: Album | Blind,
    out: Path | None,
    *,
    refused: Sequence[MedganError] = (),
    alone: Sequence[str] = (),
) -> None:
    """As `tell`, for predictions without a reference."""
    from medgan.cli.evaluation_tables import say_without_reference
    from medgan.evaluation.document import to_document_without_reference

    unused = [*alone, *judge.left_out]
    if seen:
        model = None if judge.model is None else judge.model.told_to_others
        document = to_document_without_reference(seen, model=model, left_out=_left_out(unused, refused))
        if not screen.quiet:
            say_without_reference(screen, document, rows=None if screen.verbose else _ROWS)
        _warn_of_subjects(screen, seen)

        def write(page: Path) -> None:
            from medgan.reports.evaluation import write_without_reference

            write_without_reference(document, page, cases=album.cases)

        _write(screen, document, write, out)
    _conclude(screen, unused, out, refused, of=len(refused) + len(seen))


def album_for(out: Path | None) -> Album | Blind:
    """What takes the report's pictures, where there will be a report."""
    if out is None:
        return Blind()
    from medgan.reports.evaluation_album import Album

    return Album()


class Blind:
    """An album that stays empty."""

    cases: tuple[()] = ()

    def __call__(self, judged: object, compared: object) -> None:
        """Nothing."""


def watch(
    screen: Screen, results: Iterable[list[_Result] | MedganError], expected: int
) -> tuple[list[_Result], list[MedganError]]:
    """Work through the subjects under a bar; gives what was judged and what was refused."""
    judged: list[_Result] = []
    refused: list[MedganError] = []
    with screen.progress() as bars:
        task = bars.add_task("Judging", total=expected)
        for one in results:
            if isinstance(one, MedganError):
                refused.append(one)
            else:
                judged += one
            bars.advance(task)
    return judged, refused


def tell(
    screen: Screen,
    judged: Sequence[Judged],
    album: Album | Blind,
    out: Path | None,
    *,
    model: str | None = None,
    refused: Sequence[MedganError] = (),
    alone: Sequence[str] = (),
) -> None:
    """Print the figures, write what was asked for, and refuse at the end what was refused."""
    from medgan.evaluation.document import to_document

    if judged:
        document = to_document(judged, model=model, left_out=_left_out(alone, refused))
        if not screen.quiet:
            from medgan.cli.evaluation_tables import say_figures

            say_figures(screen, document, rows=None if screen.verbose else _ROWS)
        _warn_of_subjects(screen, judged)

        def write(page: Path) -> None:
            from medgan.reports.evaluation import write_evaluation

            write_evaluation(document, judged, page, cases=album.cases)

        _write(screen, document, write, out)
    _conclude(screen, alone, out, refused, of=len(refused) + len({one.name for one in judged}))


def _left_out(unused: Sequence[str], refused: Sequence[MedganError]) -> list[str]:
    return [*unused, *(f"{_name(error)}: {error.cause}" for error in refused)]


def _warn_of_subjects(screen: Screen, results: Sequence[Judged] | Sequence[Seen]) -> None:
    for one in results:
        for text in one.warnings:
            screen.warn(f"{one.name}: {text}")


def _write(
    screen: Screen, document: Mapping[str, Any], write_page: Callable[[Path], None], out: Path | None
) -> None:
    """Figures and page into a folder, all or none of them, where one was asked for."""
    if out is None:
        return
    from medgan.evaluation.document import PAGE, write_figures
    from medgan.files import whole_folder

    with whole_folder(out) as folder:
        write_figures(document, folder)
        write_page(folder / PAGE)
    screen.say(f"Report: {out / PAGE}")


def _conclude(
    screen: Screen, unused: Sequence[str], out: Path | None, refused: Sequence[MedganError], *, of: int
) -> None:
    """What was left out, the notice, and what was refused of how many subjects."""
    _warn_of(screen, unused, told=out)
    screen.say(NOTICE)
    _refuse(screen, refused, of=of)


def _warn_of(screen: Screen, texts: Sequence[str], *, told: Path | None) -> None:
    """What was left out: some of it where it is much."""
    shown = texts if screen.verbose else texts[:_ALONE]
    for text in shown:
        screen.warn(text)
    if len(shown) < len(texts):
        where = "--verbose" if told is None else f"--verbose, and in {told / 'metrics.json'}"
        screen.warn(f"{len(texts) - len(shown)} more scans were left out (all with {where})")


def _name(error: MedganError) -> str:
    from medgan.scans.shown_paths import shown_path

    return Path(shown_path(error.file)).name if error.file is not None else "a subject"


def _refuse(screen: Screen, refused: Sequence[MedganError], *, of: int) -> None:
    if not refused:
        return
    if of == 1:
        raise refused[0]
    screen.refusals(refused)
    rest = "nothing was compared" if len(refused) == of else "the figures are of the others"
    raise InputRefusedError(
        f"{len(refused)} of {of} subjects were refused, as listed; {rest}",
        remedy="Give the same command again once they are mended.",
    )
