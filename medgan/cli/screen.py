"""What all commands print with: a rich console, quiet or verbose, and progress with the time left."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from medgan.devices import DeviceChoice
from medgan.errors import MedganError
from medgan.texts import printable_lines

NOTICE = "Research software, not a medical device: what it makes is synthetic and not for diagnosis."

_CHOOSING = re.compile(r"--(?:volume|series|echo)\b")

_Command = TypeVar("_Command", bound=Callable[..., object])


class Screen:
    """Where a command prints; warnings and notices go to stderr, so that stdout can be piped."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.console = Console(quiet=quiet, highlight=False)
        self.errors = Console(stderr=True, highlight=False)
        if verbose:
            logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
            logging.getLogger("medgan").setLevel(logging.DEBUG)
        else:
            logging.getLogger("medgan").setLevel(logging.ERROR)

    def say(self, text: str) -> None:
        """A line, unless quiet."""
        self.console.print(printable_lines(text), markup=False, soft_wrap=True)

    def detail(self, text: str) -> None:
        """A line for --verbose."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """A warning; shown even when quiet."""
        self.errors.print("Warning: ", style="yellow", end="")
        self.errors.print(printable_lines(text), markup=False, soft_wrap=True)

    def refusals(self, errors: Sequence[MedganError]) -> None:
        """A list of what was refused: for each the file, the cause and the way out, indented; shown even when quiet."""
        from rich.padding import Padding
        from rich.text import Text

        from medgan.scans.shown_paths import shown_path

        context = click.get_current_context(silent=True)
        self.errors.print("\nRefused:", style="red")
        for error in errors:
            if error.file is not None:
                self.errors.print(f"  {shown_path(error.file)}", markup=False, soft_wrap=True)
            remedy = with_known_options(error.remedy, context.command) if context else error.remedy
            for text in filter(None, (error.cause, remedy)):
                if self.errors.is_terminal:
                    self.errors.print(Padding(Text(printable_lines(text)), (0, 0, 0, 4), expand=False))
                else:  # one line each, for what reads them
                    self.errors.print(indent(printable_lines(text), "    "), markup=False, soft_wrap=True)
        self.errors.print()

    def device(self, choice: DeviceChoice) -> None:
        """Which device is used, and why."""
        self.say(f"Device: {choice.device} ({choice.reason})")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A word on what takes its time, as long as the block lasts, where a person is watching."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status(text):
            yield

    def progress(self) -> Progress:
        """Progress bars with the time left; they vanish when done, and are not drawn when quiet."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=self.quiet,
        )


def with_known_options(remedy: str, command: click.Command) -> str:
    """A way out that names an option by which to choose, for a command that has none: with what to do there."""
    known = {name for parameter in command.params for name in parameter.opts}
    if set(_CHOOSING.findall(remedy)) <= known:
        return remedy
    return f"Put what is meant into a file or folder of its own first. (Of `medgan synthesize`: {remedy})"


class PathType(click.Path):
    """A path as `Path`; an empty one is refused, which a variable that is not set leaves, and which would be the
    working folder.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does."""
        if value == "":
            self.fail("the path is empty; . is the working folder.", param, ctx)
        return super().convert(value, param, ctx)


def common_options(command: _Command) -> _Command:
    """--quiet and --verbose, which every command has."""
    command = click.option("-v", "--verbose", is_flag=True, help="Say more.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")(command)


def device_option(command: _Command) -> _Command:
    """--device, for commands that run networks."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="D",
        help="auto, cpu, cuda, cuda:N or mps. auto takes CUDA, then MPS, then the CPU.",
    )(command)


def duration(seconds: float) -> str:
    """Such as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
