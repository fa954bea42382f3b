"""The bytes of `model.json` as plain values: bounded, each key once, of this format. Imports nothing heavy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medgan.errors import ModelRefusedError

FORMAT_VERSION = 1
MANIFEST = "model.json"
AGAIN = "The folder is damaged: copy it again from where it came, or train again."
_LARGEST = 4 << 20


def read_content(folder: Path) -> dict[str, Any]:
    """What `model.json` holds.

    Raises:
        ModelRefusedError: it is missing, too large, no JSON object or of another format version.
    """
    file = folder / MANIFEST
    try:
        if file.stat().st_size > _LARGEST:
            raise ModelRefusedError(
                f"is larger than {_LARGEST >> 20} MiB, so it is no manifest", file=file, remedy=AGAIN
            )
        content: Any = json.loads(
            file.read_text(encoding="utf-8"), object_pairs_hook=_each_once, parse_constant=_refuse_constant
        )
    except FileNotFoundError:
        raise ModelRefusedError(
            "is not a model: it has no model.json",
            file=folder,
            remedy="Give a run folder of `medgan train`, the model folder in it, or a name that `medgan models` "
            "lists.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefusedError(f"cannot be read: {error}", file=file, remedy=AGAIN) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelRefusedError(
            f"is of model format {repr(version)[:40]}; this medgan reads format {FORMAT_VERSION}",
            file=file,
            remedy="Use the medgan version that wrote it, or train again.",
        )
    assert isinstance(content, dict)  # noqa: S101 - for the type checker
    return content


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each there once; readers differ in which of two they believe."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is there twice")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
