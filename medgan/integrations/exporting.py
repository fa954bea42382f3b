"""A model for others' programs: ONNX, TorchScript, or a MONAI Bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from medgan.errors import OutputNotWrittenError, UsageError
from medgan.files import whole_file, whole_folder
from medgan.integrations.runtime import PACKAGE
from medgan.models import Model

Format = Literal["bundle", "onnx", "torchscript"]
_SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torchscript": ".ts"}
_BUNDLE, _RUNS = (Path("configs") / name for name in ("metadata.json", "inference.json"))


def export_model(
    model: Model, *, target: str, format: Format, out: str | Path, overwrite: bool = False
) -> Path:
    """Write one direction of a model in another form.

    Args:
        model: what `load_model` returns.
        target: contrast that the exported network makes, `t1` or `t2`.
        format: `bundle`, `onnx` or `torchscript`.
        out: for a bundle, its folder; for a graph, a file (`.onnx`; `.ts` or `.pt`), or a folder, in which it is then
            called `medgan-t2.onnx` after the target.
        overwrite: take the place of what is there.

    Returns:
        The file, or the bundle's folder.

    Raises:
        UsageError: no such contrast or format, something is in the way, or a package that the format needs is missing.
        ModelRefusedError: the model has no such direction, is damaged, or cannot be exported.
        OutputNotWrittenError: the disk refuses.
    """
    if format not in get_args(Format):
        raise UsageError(f"{format!r} is no form of export", remedy="Use bundle, onnx or torchscript.")
    target = model.check(target).target
    place = _place(Path(out), target, format)
    _spare_what_is_there(place, format, overwrite=overwrite)
    if format == "bundle":
        from medgan.integrations.monai_bundle import write_bundle

        if place.is_dir():
            _fill(place, lambda folder: write_bundle(model, target, folder))
        else:
            with whole_folder(place) as folder:
                write_bundle(model, target, folder)
        return place
    from medgan.integrations.graphs import onnx_graph, torchscript_graph

    content = (onnx_graph if format == "onnx" else torchscript_graph)(model, target)
    with whole_file(place) as file:
        file.write_bytes(content)
    return place


def _fill(bundle: Path, write: Callable[[Path], None]) -> None:
    """Write a bundle into a folder that is there: an empty one, or an older bundle, beside whose files others may lie.

    The configuration of its inference goes first and comes last, so that what is half renewed does not run. What was
    made of the older weights (`model.ts`, `model.onnx`) goes, too.

    Args:
        bundle: the folder.
        write: writes a bundle into an empty folder.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="medgan-") as folder:
            made = Path(folder)
            write(made)
            for older in (_RUNS, *(Path("models") / name for name in ("model.ts", "model.onnx"))):
                (bundle / older).unlink(missing_ok=True)
            shutil.rmtree(bundle / PACKAGE, ignore_errors=True)
            files = [file.relative_to(made) for file in sorted(made.rglob("*")) if file.is_file()]
            for file in sorted(files, key=lambda file: file == _RUNS):
                with whole_file(bundle / file) as temporary:
                    shutil.copyfile(made / file, temporary)
    except OSError as error:
        raise OutputNotWrittenError(
            f"cannot be written: {error.strerror or error}",
            file=bundle,
            remedy="Check space and permissions.",
        ) from error


def _place(out: Path, target: str, format: Format) -> Path:
    if format == "bundle":
        return out
    suffixes = (".ts", ".pt") if format == "torchscript" else (".onnx",)
    if out.suffix.lower() in {".ts", ".pt", ".onnx"} - set(suffixes):
        raise UsageError(
            f"is not the name of a file in {format}",
            file=out,
            remedy=f"Let it end in {' or '.join(suffixes)}.",
        )
    return out if out.suffix.lower() in suffixes else out / f"medgan-{target}{_SUFFIXES[format]}"


def _spare_what_is_there(place: Path, format: Format, *, overwrite: bool) -> None:
    """A bundle gives way to a bundle, a file to a file, and only where that is asked for."""
    empty = place.is_dir() and not any(place.iterdir())
    if not place.exists() or (format == "bundle" and empty):
        return
    if format == "bundle" and not (place / _BUNDLE).is_file():
        raise UsageError(
            "is there already, and is no bundle", file=place, remedy="Give another --out, or empty it."
        )
    if format != "bundle" and place.is_dir():
        raise UsageError("is a folder", file=place, remedy="Give another --out.")
    if not overwrite:
        raise UsageError("is there already", file=place, remedy="Give another --out, or --overwrite it.")
