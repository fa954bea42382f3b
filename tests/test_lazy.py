"""What is imported when."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType

import pytest

import medgan  # noqa: F401 - which puts the finder there
from medgan import lazy


def finder() -> type[lazy._WhenAsked]:
    (found,) = [one for one in sys.meta_path if one is lazy._WhenAsked]
    return found  # type: ignore[return-value]


def test_monai_passes_over_the_app_sdk_while_it_imports_its_own_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from monai.utils.module import OptionalImportError

    assert finder().find_spec("monai.deploy") is None
    monkeypatch.setitem(sys.modules, "monai", ModuleType("monai"))  # as it is on the way
    with pytest.raises(OptionalImportError):
        finder().find_spec("monai.deploy")
    assert finder().find_spec("monai.networks") is None


def test_where_the_app_sdk_is_installed_it_is_imported_when_asked_for_and_not_before() -> None:
    try:
        distribution("monai-deploy-app-sdk")
    except PackageNotFoundError:
        pytest.skip("the MONAI Deploy App SDK is not installed (medgan[deploy])")
    lines = (
        "import sys, medgan.networks.generators",
        "assert not [name for name in sys.modules if name.split('.')[0] in ('holoscan', 'highdicom')]",
        "import monai.deploy.core",
        "assert 'holoscan' in sys.modules",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
