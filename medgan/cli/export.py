"""`medgan export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from medgan.cli.screen import NOTICE, PathType, Screen, common_options

if TYPE_CHECKING:
    from medgan.integrations.exporting import Format

_EPILOG = """\b
Examples:
  medgan export default --format bundle --target t2 -o medgan-t2
  medgan export medgan-run --format onnx --target t2 -o t2.onnx
  medgan export medgan-run --format torchscript --target t1 -o exported

A MODEL is a name that `medgan models` lists, `default`, a run of `medgan train`, or a model folder. A bundle runs where
MONAI is, without medgan; a graph (ONNX needs medgan[onnx]) takes slices or slabs of any size and number, and its
metadata says how a scan becomes its input."""


@click.command(epilog=_EPILOG)
@click.argument("model", type=PathType())
@click.option(
    "--format",
    "wanted",
    required=True,
    type=click.Choice(["bundle", "onnx", "torchscript"]),
    help="A MONAI Bundle, or the network alone.",
)
@click.option("--target", required=True, type=click.Choice(["t1", "t2"]), help="The contrast that it makes.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=PathType(),
    metavar="FILE_OR_DIR",
    help="The bundle's folder; for a graph a file, or a folder for medgan-t2.onnx or medgan-t2.ts.",
)
@click.option("--overwrite", is_flag=True, help="Write in the place of an older export.")
@common_options
def command(
    model: Path, wanted: str, target: str, out: Path, overwrite: bool, quiet: bool, verbose: bool
) -> None:
    """Write a model for other programs: a MONAI Bundle, ONNX or TorchScript."""
    screen = Screen(quiet=quiet, verbose=verbose)
    from medgan.integrations.exporting import export_model
    from medgan.models import load_model

    loaded = load_model(model)
    screen.say(f"Model: {loaded.in_a_line}")
    written = export_model(loaded, target=target, format=cast("Format", wanted), out=out, overwrite=overwrite)
    screen.say(f"Wrote {written}")
    if wanted == "bundle":
        screen.say(f"{written / 'docs' / 'README.md'} says how to run it.")
    screen.say(NOTICE)
