"""A model for others' programs: ONNX, TorchScript, or a MONAI Bundle."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Literal, get_args

from medgan.errors import UsageError
from medgan.files import whole_file, whole_folder
from medgan.models import Model

Format = Literal["bundle", "onnx", "torchscript"]
_SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torchscript": ".ts"}
_BUNDLE = Path("configs") / "metadata.json"


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

        if (place / _BUNDLE).is_file():
            with tempfile.TemporaryDirectory(prefix=".medgan-", dir=place.parent) as folder:
                write_bundle(model, target, Path(folder))
                _renew(place, Path(folder))
        else:
            with whole_folder(place) as new:
                write_bundle(model, target, new)
        return place
    from medgan.integrations.graphs import onnx_graph, torchscript_graph

    content = (onnx_graph if format == "onnx" else torchscript_graph)(model, target)
    with whole_file(place) as file:
        file.write_bytes(content)
    return place


def _renew(bundle: Path, made: Path) -> None:
    """Put each file of a bundle in the place of its older self; what else lies in the folder stays."""
    for file in sorted(made.rglob("*")):
        if file.is_file():
            with whole_file(bundle / file.relative_to(made)) as temporary:
                shutil.copyfile(file, temporary)


def _place(out: Path, target: str, format: Format) -> Path:
    if format == "bundle":
        return out
    suffixes = (".ts", ".pt") if format == "torchscript" else (".onnx",)
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
