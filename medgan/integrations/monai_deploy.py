"""Operators for MONAI Deploy (App SDK 4.0): medgan's reading, synthesis and writing, for applications of others, too.

| operator | takes | gives |
|---|---|---|
| `SeriesSelectionOperator` | | `series`: what rules choose in a folder, `list[Found]` |
| `SeriesToScanOperator` | `series`, or what the SDK's selector gives | `scans`: `list[Opened]` |
| `MedganSynthesisOperator` | `scans` | `synthetics`: `list[Made]` |
| `MRSeriesWriterOperator` | `synthetics` | `files`: folders and sidecars, `list[Path]` |
| `NiftiWriterOperator` | `synthetics` | `files`: images and sidecars, `list[Path]` |
| `SyntheticImageOperator` | `synthetics` | `image`: the SDK's `Image`, for operators of others |

All that is chosen goes from operator to operator at once, so that nothing is written where one series is refused. What
goes wrong is a `MedganError`, which `Application.run` raises. See docs/how-to/monai-deploy.md.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from medgan.errors import InputRefusedError, MedganError, UsageError
from medgan.models import Model, load_model
from medgan.scans import Found, find_scans
from medgan.scans.loaded import find_again
from medgan.scans.reading import Reading
from medgan.scans.selection import SeriesRules, choose_by_rules
from medgan.scans.shown_paths import shown_path
from medgan.synthesis import Synthesizer, Writer, make_from, open_destination, open_scan
from medgan.synthesis.destination import Format

try:
    from monai.deploy.conditions import CountCondition
    from monai.deploy.core import ConditionType, Fragment, Operator, OperatorSpec

    from medgan.integrations.monai_deploy_image import image_of
except ImportError as error:
    raise UsageError(
        "operators for MONAI Deploy need its App SDK, which is not installed",
        remedy='Install it: pip install "medgan[deploy]".',
    ) from error

__all__ = [
    "MRSeriesWriterOperator",
    "MedganSynthesisOperator",
    "NiftiWriterOperator",
    "SeriesSelectionOperator",
    "SeriesToScanOperator",
    "SyntheticImageOperator",
]

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def _nameless() -> Iterator[None]:
    """Holoscan logs what an operator raises before anyone can catch it: no patient's name may be in it."""
    try:
        yield
    except MedganError as error:
        if error.file is not None:
            error.file = Path(shown_path(error.file))
        raise


class SeriesSelectionOperator(Operator):  # type: ignore[misc]
    """Chooses DICOM series of a folder by rules; runs once.

    Args:
        fragment: the application.
        input_folder: searched to its depths.
        rules: of `series_rules`.

    Running it raises:
        InputRefusedError: no series meets the rules.
        SeriesChoiceError: several do, and one is wanted.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, input_folder: Path, rules: SeriesRules, **kwargs: Any
    ) -> None:
        self._folder, self._rules = Path(input_folder), rules
        super().__init__(fragment, CountCondition(fragment, 1), *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """One output, `series`."""
        spec.output("series")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Look, choose, hand on."""
        with _nameless():
            op_output.emit(
                choose_by_rules(find_scans(self._folder), self._rules, place=self._folder), "series"
            )


class SeriesToScanOperator(Operator):  # type: ignore[misc]
    """Reads series by medgan's own reading, with its checks: gaps, echoes, orientation, spacing, rescaling.

    Of what the SDK's loader and selector hand on, the series is found again in the files that it was loaded from:
    the SDK's `DICOMSeriesToVolumeOperator` exchanges row and column spacing and averages over a missing slice, and its
    loader keeps one image of each position, whichever echo it is.

    Args:
        fragment: the application.
        echo: echo time in ms, where a series holds several.

    Running it raises:
        InputRefusedError: nothing was selected, or a series cannot be read.
        SeriesChoiceError: several echoes, and `echo` does not choose one.
    """

    def __init__(self, fragment: Fragment, *args: Any, echo: float | None = None, **kwargs: Any) -> None:
        self._reading = Reading(echo=echo)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """An input, `series`, and an output, `scans`."""
        spec.input("series")
        spec.output("scans")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Read all of them."""
        with _nameless():
            found = list(self._found(op_input.receive("series")))
            if not found:
                raise InputRefusedError(
                    "no series was selected", remedy="Check the rules of the operator that selects series."
                )
            op_output.emit([open_scan(one, reading=self._reading) for one in found], "scans")

    def _found(self, received: Sequence[Any]) -> Iterator[Found]:
        for one in received:
            if isinstance(one, Found):
                yield one
                continue
            for selected in one.selected_series:  # of a StudySelectedSeries
                datasets = [image.get_native_sop_instance() for image in selected.series.get_sop_instances()]
                yield find_again(datasets, partly=self._reading.echo is not None)


class MedganSynthesisOperator(Operator):  # type: ignore[misc]
    """Makes the missing contrast of scans.

    Args:
        fragment: the application.
        model: a name that `medgan models` lists, a run or model folder, or what `load_model` returned; the model
            that comes with medgan where none is given.
        target: the contrast to make, `t1` or `t2`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        ModelRefusedError: there is no such model, or it has no such direction; when run, that it is damaged.
        ResourceError: no such device; when run, that memory ran out.

    Running it raises:
        InputRefusedError: a scan does not suit the model, or is synthetic itself.
    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        model: str | Path | Model | None = None,
        target: str = "t2",
        device: str = "auto",
        **kwargs: Any,
    ) -> None:
        loaded = model if isinstance(model, Model) else load_model(model)
        self._synthesizer = Synthesizer(loaded, target=target, device=device)
        self._threads = torch.get_num_threads()
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """An input, `scans`, and an output, `synthetics`."""
        spec.input("scans")
        spec.output("synthetics")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Synthesise all of them, one by one; what speaks against one is logged as a warning."""
        with _nameless(), self._thread() as thread:
            made = [
                thread.submit(make_from, opened, self._synthesizer).result()
                for opened in op_input.receive("scans")
            ]
            for one in made:
                for text in one.synthetic.warnings:
                    _LOG.warning("%s: %s", one.opened.found.stem, text)
            op_output.emit(made, "synthetics")

    def _thread(self) -> ThreadPoolExecutor:
        """A thread of Python's own.

        Holoscan's have a new state of Python for each call. OpenVINO keeps a request in it, whose end together with
        that state crashes the process.
        """
        return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(self._threads,))


class _WriterOperator(Operator):  # type: ignore[misc]
    """Writes synthetic scans into a folder, under names that hold nothing of what their headers say of a person.

    Attributes:
        files: what was written; None as long as nothing is, as where Holoscan was told to end before.

    Running it raises:
        UsageError: something else is in the way.
        OutputNotWrittenError: the disk refuses.
    """

    format: Format
    files: list[Path] | None = None

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        output_folder: Path,
        deidentify: bool = False,
        **kwargs: Any,
    ) -> None:
        with open_destination(Path(output_folder), wanted=self.format, deidentify=deidentify) as destination:
            self._write = Writer(destination)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """An input, `synthetics`, and an output, `files`, which nobody need take."""
        spec.input("synthetics")
        spec.output("files").condition(ConditionType.NONE)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write each of them, whole or not at all."""
        with _nameless():
            self.files = [file for made in op_input.receive("synthetics") for file in self._write(made)]
            for file in self.files:
                _LOG.info("%s", file)
            op_output.emit(self.files, "files")


class MRSeriesWriterOperator(_WriterOperator):
    """Writes each as a derived MR series of its source's patient and study, as `medgan synthesize --format dicom` does.

    Args:
        fragment: the application.
        output_folder: gets a folder and a JSON sidecar for each.
        deidentify: take out the patient's identity (PS3.15, basic profile).
    """

    format = "dicom"


class NiftiWriterOperator(_WriterOperator):
    """Writes each as NIfTI on its source's grid, as `medgan synthesize` does.

    Args:
        fragment: the application.
        output_folder: gets a `.nii.gz` and a JSON sidecar for each; another one than that of the DICOM series.
        deidentify: let names and sidecars hold nothing of the source's names.
    """

    format = "nifti"


class SyntheticImageOperator(Operator):  # type: ignore[misc]
    """Gives a synthetic scan as the SDK's `Image`, for operators of others, such as `MonaiSegInferenceOperator`.

    The voxels are float32 in the order slices, rows, columns, by position along the slices' normal, as the SDK's own
    images are; the affine is right where pixels are not square, too.

    Running it raises:
        UsageError: there are several, or one that was not made from DICOM.
    """

    def setup(self, spec: OperatorSpec) -> None:
        """An input, `synthetics`, and an output, `image`."""
        spec.input("synthetics")
        spec.output("image")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Hand on the only one."""
        with _nameless():
            made = op_input.receive("synthetics")
            if len(made) != 1:
                raise UsageError(
                    f"{len(made)} scans were made, and the SDK's operators take one image",
                    remedy="Select one series.",
                )
            op_output.emit(image_of(made[0]), "image")
