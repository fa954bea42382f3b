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
_APP_SDK = "monai.deploy"


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that fetches each name from its home.

    Args:
        package: the module's `__name__`.
        homes: by public name, the module that defines it.
    """

    def fetch(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with without_garbage():
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
            with contextlib.suppress(Exception), without_garbage():
                importlib.import_module(module)
        finally:
            sys.setswitchinterval(interval)

    threading.Thread(target=fetch, name=f"import {module}").start()


@contextlib.contextmanager
def without_garbage() -> Iterator[None]:
    """Within, nobody looks for garbage: imports leave none, and to look takes a third of their time."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


class _WhenAsked:
    """Lets `import monai` pass over the MONAI Deploy App SDK, which is then imported where someone asks for it.

    The SDK lies in MONAI's own folder, and MONAI imports all that lies there: 150 MB with Holoscan in them, a warning
    of the stack's size, and an error where highdicom is missing, which the SDK needs and does not require.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Nothing is found here; `OptionalImportError` is what MONAI takes for a part that is not installed."""
        if name == _APP_SDK and not hasattr(
            sys.modules.get("monai"), "__all__"
        ):  # set once it has imported its own
            from monai.utils.module import OptionalImportError

            raise OptionalImportError(f"{name} is imported when it is asked for")


def import_app_sdk_when_asked() -> None:
    """Keep the App SDK, where it is installed, from being imported with MONAI; see `_WhenAsked`."""
    if _WhenAsked not in sys.meta_path:
        sys.meta_path.insert(0, _WhenAsked)
