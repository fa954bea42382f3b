"""Names of settings, and changes to them such as `losses.cycle=15`, whatever the model of the settings is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from medgan.errors import UsageError
from medgan.plain_yaml import YAMLError, parse


def paths_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The full names of all settings of a model and of those in it."""
    paths = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            paths += paths_of(kind, f"{prefix}{name}.")
        else:
            paths.append(prefix + name)
    return paths


def apply_change(settings: dict[str, Any], change: str, *, paths: Sequence[str]) -> None:
    """Change plain settings in place by `key=value`; the key in full, or its last word where that is the only one.

    Raises:
        UsageError: no such setting, several, or a value that is no YAML.
    """
    key, equals, text = change.partition("=")
    if not equals:
        raise UsageError(f"--set {change}: a setting is changed by key=value")
    *sections, last = _full_path(key.strip(), paths).split(".")
    try:
        value = parse(text.encode(errors="replace"))
    except YAMLError as error:
        raise UsageError(f"--set {change}: the value is not YAML: {error}") from error
    for section in sections:
        settings[section] = settings.get(section) or {}
        settings = settings[section]
        if not isinstance(settings, dict):
            raise UsageError(f"--set {change}: {section} in the recipe is no section of settings")
    settings[last] = value


def _full_path(key: str, paths: Sequence[str]) -> str:
    found = [path for path in paths if path == key] or [
        path for path in paths if path.rpartition(".")[2] == key
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"--set {key}: could be {' or '.join(found)}", remedy="Write the setting in full.")
    import difflib

    near = difflib.get_close_matches(key, [*paths, *(path.rpartition(".")[2] for path in paths)], n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"The settings are: {', '.join(paths)}."
    raise UsageError(f"--set {key}: there is no such setting", remedy=hint)
