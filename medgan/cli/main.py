"""`medgan`: finds the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import signal
import sys
from typing import Any, NoReturn

import click

from medgan import __version__

_COMMANDS = {
    "train": "Train on a folder of T1w and a folder of T2w scans, unpaired.",
    "synthesize": "Make the missing contrast of scans.",
    "evaluate": "Compare synthetic images with the scans that were acquired.",
    "calibrate": "Let a model know how far off it is, by pairs that it was not trained on.",
    "models": "List models: those that come with medgan, and one's own.",
    "export": "Write a model as a MONAI Bundle, ONNX or TorchScript.",
    "inspect": "Show what medgan sees in files and folders.",
    "simulate": "Make T1w and T2w scans by physics, from label maps or from heads made by code.",
    "demo": "Train and synthesise on procedural heads, in some minutes.",
}

_EPILOG = """\b
Exit codes:
  0 done                    4 model refused
  1 a fault in medgan       5 output not written
  2 wrong usage             6 out of memory, or no such device
  3 input refused         130 interrupted

Research software, not a medical device. Its images are synthetic and not for diagnosis."""


_OUTPUT_NOT_WRITTEN = 5
_CHECK_PATH = "Check the path, and the permissions of the folders above it."


class _Commands(click.Group):
    """Loads a command's module only when it is called for, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"medgan.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; errors name no option that the command has not."""
        from medgan.errors import MedganError

        try:
            return super().invoke(ctx)
        except MedganError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command is not None:
                from medgan.cli.screen import with_known_options

                error.remedy = with_known_options(error.remedy, command)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Commands: {', '.join(_COMMANDS)}."
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="medgan %(version)s")
def cli() -> None:
    """Give a brain MRI scan its missing contrast: T2w from T1w, T1w from T2w.

    \b
    Examples:
      medgan train --t1-dir T1 --t2-dir T2
      medgan synthesize scan.nii.gz --target t2
    """


def main() -> None:
    """Run the command line, and exit with its code."""
    from medgan.errors import InterruptedByUserError, MedganError, UsageError
    from medgan.launch import tells

    signal.signal(signal.SIGTERM, _interrupt)
    atexit.register(
        gc.freeze
    )  # or Python looks through all that is loaded for garbage, half a second before it goes
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        if tells():
            error.show()
        sys.exit(2)
    except MedganError as error:
        if not error.told:
            _explain(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        if tells():
            click.echo("Interrupted.", err=True)
        sys.exit(InterruptedByUserError.exit_code)
    except OSError as error:
        if error.filename is None:
            _give_up_printing(error)
        if error.errno not in (errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP):
            raise  # files are told of by their own errors: this one would be a fault
        _explain(UsageError(f"cannot be reached: {error.strerror}", file=error.filename, remedy=_CHECK_PATH))
        sys.exit(UsageError.exit_code)


def _give_up_printing(error: OSError) -> NoReturn:
    """Standard output is closed (a pipe to `head`) or its disk is full."""
    import contextlib
    import os

    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            click.echo(f"The output cannot be printed: {error.strerror or error}.", err=True)
    with contextlib.suppress(OSError):  # so that Python does not try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(_OUTPUT_NOT_WRITTEN)


def _interrupt(number: int, frame: Any) -> None:
    """SIGTERM is as good as Ctrl-C: what was begun is cleaned up."""
    raise KeyboardInterrupt


def _explain(error: Any) -> None:
    """Three parts: file, cause, way out."""
    from medgan.scans.shown_paths import shown_path
    from medgan.texts import printable_lines

    if error.file is not None:
        click.echo(f"{shown_path(error.file)}:", err=True)
    click.echo(click.style("Error: ", fg="red") + printable_lines(error.cause), err=True)
    if error.remedy:
        click.echo(printable_lines(error.remedy), err=True)
