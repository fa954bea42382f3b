"""The models that come with medgan, by name, and where any model lies. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from medgan.errors import ModelRefusedError
from medgan.models.content import MANIFEST

DEFAULT = "brain"
"""The model that is used, and that trainings begin with, where none is chosen."""
_BY_ROLE = "default"
"""What it may be called, whatever its name."""
WEIGHTS = Path(__file__).parent / "weights"
"""A folder for each model that comes with medgan."""


def model_names() -> list[str]:
    """The names of the models that come with medgan, the default first."""
    names = (file.parent.name for file in WEIGHTS.glob(f"*/{MANIFEST}"))
    return sorted(names, key=lambda name: (name != DEFAULT, name))


def has_default() -> bool:
    """Whether the default model is there; a checkout or a packager may have left the weights out."""
    return DEFAULT in model_names()


def default_model() -> Path:
    """The folder of the default model.

    Raises:
        ModelRefusedError: this medgan came without weights.
    """
    if not has_default():
        raise ModelRefusedError(
            "no model was given, and none came with this medgan",
            remedy="Give one with --model, or train one with `medgan train --t1-dir T1 --t2-dir T2`.",
        )
    return WEIGHTS / DEFAULT


def name_of(folder: Path) -> str | None:
    """The name of a model that comes with medgan, by its folder; None for any other folder."""
    return folder.name if folder.parent == WEIGHTS else None


def find_model(name: str | Path) -> Path:
    """The folder of a model: that of a name, or a model folder, or the one in a run folder.

    A folder of that name wins over a model that comes with medgan. What is there is refused if it is, or may hold, a
    pickle; nothing is read but first bytes.

    Args:
        name: a name of `model_names()`, `default`, a run of `medgan train`, or a model folder.

    Raises:
        ModelRefusedError: there is no such model, or it may hold a pickle.
    """
    folder = Path(name)
    try:
        is_folder, is_there = folder.is_dir(), folder.exists()
    except OSError as error:
        raise ModelRefusedError(
            f"cannot be read: {error.strerror}", file=folder, remedy="Check the path."
        ) from error
    if not is_folder and str(name) == _BY_ROLE:
        return default_model()
    if not is_folder and str(name) in model_names():
        folder = WEIGHTS / str(name)
    elif not is_folder:
        if folder.is_file():
            _refuse_pickle(folder)
        raise ModelRefusedError(
            "is not a model folder" if is_there else "there is no such model",
            file=folder,
            remedy=f"Give a run folder of `medgan train`, or the model folder in it{_or_a_name()}.",
        )
    if not (folder / MANIFEST).exists() and (folder / "model").is_dir():
        folder = folder / "model"
    for file in sorted(folder.iterdir()):
        _refuse_pickle(file)
    return folder


def _or_a_name() -> str:
    names = model_names()
    return f", or a model that comes with medgan: {', '.join(names)}" if names else ""


_PICKLE_SUFFIXES = (
    ".pkl",
    ".pickle",
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".joblib",
    ".npy",
    ".npz",
    ".h5",
    ".keras",
)
_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_ZIP_START = b"PK\x03\x04"


def _refuse_pickle(file: Path) -> None:
    """Refuse what is a pickle, or could hold one, by its name and first bytes; it is never loaded.

    Raises:
        ModelRefusedError: so it is.
    """
    if not file.is_file() or file.suffix == ".safetensors":  # which is read by a parser that knows no pickle
        return
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise ModelRefusedError(
            f"cannot be read: {error.strerror or error}", file=file, remedy="Check its permissions."
        ) from error
    if file.suffix.lower() in _PICKLE_SUFFIXES or start[:2] in _PICKLE_STARTS or start == _ZIP_START:
        raise ModelRefusedError(
            "is, or may hold, a pickle: loading one can run any code, so medgan never does",
            file=file,
            remedy="Use a model folder of medgan (model.json and safetensors), and nothing else in it.",
        )
