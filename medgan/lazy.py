"""Public names that are imported on first use, since torch and MONAI take seconds to load."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that fetches each name from its home.

    Args:
        package: the module's `__name__`.
        homes: by public name, the module that defines it.
    """

    def fetch(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return fetch


def import_ahead(module: str) -> None:
    """Begin to import a module beside what the program does next; whoever imports it then waits for the rest.

    An error is left to be raised where the module is needed.
    """

    def fetch() -> None:
        with contextlib.suppress(Exception):
            importlib.import_module(module)

    threading.Thread(target=fetch, name=f"import {module}").start()
