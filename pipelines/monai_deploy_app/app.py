"""A MONAI Deploy application: a folder of DICOM in; derived DICOM series and NIfTI of the missing contrast out.

    OUT/dicom    what `medgan synthesize SERIES --target t2 --format dicom -o OUT/dicom` writes
    OUT/nifti    what `medgan synthesize SERIES --target t2 -o OUT/nifti` writes

Which series of the study are taken, and what is made of them, is said in app.yaml. Exit codes are those of `medgan`.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from holoscan.logger import LogLevel, set_log_level
from monai.deploy.core import Application, RuntimeEnv
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medgan.errors import InterruptedByUserError, MedganError, ModelRefusedError, UsageError
from medgan.files import kind_of
from medgan.integrations.monai_deploy import (
    MedganSynthesisOperator,
    MRSeriesWriterOperator,
    NiftiWriterOperator,
    SeriesSelectionOperator,
    SeriesToScanOperator,
)
from medgan.models import find_model
from medgan.plain_yaml import YAMLError, parse
from medgan.scans.selection import SeriesRules, series_rules
from medgan.scans.shown_paths import shown_path
from medgan.texts import printable_lines

WRITERS = {"dicom": MRSeriesWriterOperator, "nifti": NiftiWriterOperator}
NOTICE = "Research software, not a medical device: what it makes is synthetic and not for diagnosis."
_OF_COMMAND = re.compile(r"--(?:series|echo|volume|force|out)\b")


class Settings(BaseModel):
    """What app.yaml says below `medgan`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    series: SeriesRules
    target: Literal["t1", "t2"] = "t2"
    device: str = "auto"
    echo: float | None = Field(None, gt=0)
    outputs: tuple[Literal["dicom", "nifti"], ...] = Field(("dicom", "nifti"), min_length=1)


def read_settings(file: Path) -> Settings:
    """The settings in an application's configuration.

    Raises:
        UsageError: it cannot be read, or says what does not exist.
    """
    try:
        content = parse(file.read_bytes())
        settings = dict(content["medgan"])
        return Settings(**settings | {"series": series_rules(settings.get("series"), file=file)})
    except (OSError, YAMLError, KeyError, TypeError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise UsageError(
            f"cannot be used: {why}",
            file=file,
            remedy="See the app.yaml that comes with this application.",
        ) from error


def model_in(place: Path | None) -> str | Path | None:
    """The model that a package's folder of models holds; the default one, which comes with medgan, where it holds none.

    Args:
        place: HOLOSCAN_MODEL_PATH, which a package always sets: a model or run folder, or a folder of models.

    Raises:
        ModelRefusedError: it holds several models, or something else.
    """
    inside = sorted(place.iterdir()) if place is not None and place.is_dir() else []
    if place is None or not inside:
        return None
    models = [one for one in inside if one.is_dir() and (one / "model.json").is_file()]
    if any(one.is_file() for one in inside) or (place / "model").is_dir() or len(models) != len(inside):
        return find_model(place)  # a model or run itself; or it says what it is not
    if len(models) > 1:
        raise ModelRefusedError(
            f"holds {len(models)} models, and one is needed", file=place, remedy="Name one of them with -m."
        )
    return models[0]


class MedganApp(Application):
    """Selects series, reads, synthesises and writes them.

    Args:
        study: the folder of DICOM.
        out: gets a folder for each output.
        model: as of `MedganSynthesisOperator`.
        settings: the rest.
    """

    def __init__(self, *, study: Path, out: Path, model: str | Path | None, settings: Settings) -> None:
        self.study, self.out, self.model, self.settings = study, out, model, settings
        self.writers: list[MRSeriesWriterOperator | NiftiWriterOperator] = []
        super().__init__([sys.executable, sys.argv[0]])  # Holoscan would look for options of its own

    def compose(self) -> None:
        """Connect the operators."""
        settings = self.settings
        select = SeriesSelectionOperator(
            self, input_folder=self.study, rules=settings.series, name="select_series"
        )
        read = SeriesToScanOperator(self, echo=settings.echo, name="read_series")
        synthesise = MedganSynthesisOperator(
            self, model=self.model, target=settings.target, device=settings.device, name="synthesise"
        )
        self.add_flow(select, read, {("series", "series")})
        self.add_flow(read, synthesise, {("scans", "scans")})
        for kind in settings.outputs:
            write = WRITERS[kind](self, output_folder=self.out / kind, name=f"write_{kind}")
            self.add_flow(synthesise, write, {("synthetics", "synthetics")})
            self.writers.append(write)

    def run(self) -> None:
        """Run to the end.

        Raises:
            InterruptedByUserError: Holoscan was told to end (Ctrl-C, SIGTERM), which it does between operators, or
                after three seconds, and does not tell.
            MedganError: what an operator raises.
        """
        super().run()
        if any(writer.files is None for writer in self.writers):
            raise InterruptedByUserError(
                "was told to end before all results were written",
                file=self.out,
                remedy="Run it again: what is written is whole, and is written anew.",
            )


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, which are those of the SDK's applications; what is not given is what the environment says."""
    said = RuntimeEnv({"model": ("HOLOSCAN_MODEL_PATH", "")})
    parser = argparse.ArgumentParser(prog="monai_deploy_app", description=__doc__.splitlines()[0])
    parser.add_argument(
        "-i",
        "--input",
        type=Path,
        default=Path(said.input),
        help="folder of DICOM (HOLOSCAN_INPUT_PATH, or ./input)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(said.output),
        help="folder of results (HOLOSCAN_OUTPUT_PATH, or ./output)",
    )
    parser.add_argument(
        "-m",
        "--model",
        help="a model or run folder, or a name that `medgan models` lists (HOLOSCAN_MODEL_PATH, or the model that "
        "comes with medgan)",
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path(os.environ.get("HOLOSCAN_CONFIG_PATH") or Path(__file__).with_name("app.yaml")),
        help="settings (HOLOSCAN_CONFIG_PATH, or the app.yaml of this application)",
    )
    parser.add_argument(
        "-l",
        "--log-level",
        type=str.upper,
        choices=["DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"],
        help="also let Holoscan log, from this level on",
    )
    options = parser.parse_args(arguments)
    options.models = Path(said.model) if said.model else None
    return options


def explained(error: MedganError) -> str:
    """An error in lines: where, what, and the way out in terms of this application."""
    where = [f"{shown_path(error.file)}:"] if error.file is not None else []
    way_out = error.remedy
    if _OF_COMMAND.search(way_out):
        way_out = (
            "Change the rules in the configuration, or put what is meant into a folder of its own. "
            f"(Of `medgan synthesize`: {way_out})"
        )
    return printable_lines("\n".join([*where, f"Error: {error.cause}", *([way_out] if way_out else [])]))


def main(arguments: Sequence[str]) -> int:
    """Run the application; gives an exit code of `medgan`."""
    options = parsed(arguments)
    logging.basicConfig(level=options.log_level or "WARNING", format="%(levelname)s: %(message)s")
    if options.log_level is None:
        logging.getLogger("medgan.integrations").setLevel("INFO")  # which files were written
    # Holoscan tells an operator's error in ten lines, before this application tells it in three
    set_log_level(getattr(LogLevel, options.log_level or "OFF"))
    try:
        if kind_of(options.output) == "file":
            raise UsageError(
                "is a file, and results need a folder", file=options.output, remedy="Give another --output."
            )
        settings = read_settings(options.config)
        model = options.model or model_in(options.models)
        MedganApp(study=options.input, out=options.output, model=model, settings=settings).run()
    except MedganError as error:
        print(explained(error), file=sys.stderr)
        return error.exit_code
    print(NOTICE, file=sys.stderr)
    return 0
