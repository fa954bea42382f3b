"""Public names that are imported on first use, since torch and MONAI take seconds to load."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_SHORT = 5e-4
"""Seconds that an import may keep another thread from its next line of Python; ten times less than usual."""


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that fetches each name from its home.

    Args:
        package: the module's `__name__`.
        homes: by public name, the module that defines it.
    """

    def fetch(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with _without_garbage():
            return getattr(importlib.import_module(homes[name]), name)

    return fetch


def import_ahead(module: str) -> None:
    """Begin to import a module beside what the program does next; whoever imports it then waits for the rest.

    An error is left to be raised where the module is needed.
    """
    if module in sys.modules:
        return

    def fetch() -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SHORT)
        try:
            with contextlib.suppress(Exception), _without_garbage():
                importlib.import_module(module)
        finally:
            sys.setswitchinterval(interval)

    threading.Thread(target=fetch, name=f"import {module}").start()


@contextlib.contextmanager
def _without_garbage() -> Iterator[None]:
    """Within, nobody looks for garbage: imports leave none, and to look takes a third of their time."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
