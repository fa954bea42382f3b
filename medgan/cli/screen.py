"""What all commands print with: a rich console, quiet or verbose, and progress with the time left."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

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

NOTICE = "Research software, not a medical device: what it makes is synthetic and not for diagnosis."

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
        self.console.print(harmless(text), markup=False, soft_wrap=True)

    def detail(self, text: str) -> None:
        """A line for --verbose."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """A warning; shown even when quiet."""
        self.errors.print("Warning: ", style="yellow", end="")
        self.errors.print(harmless(text), markup=False, soft_wrap=True)

    def device(self, choice: DeviceChoice) -> None:
        """Which device is used, and why."""
        self.say(f"Device: {choice.device} ({choice.reason})")

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


def harmless(text: str) -> str:
    """A text without what steers a terminal or is no Unicode: names of files may hold anything."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def duration(seconds: float) -> str:
    """Such as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
