"""A head on a grid in the world, stored along any axes, and where its voxels lie; and where an archive may run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from itertools import permutations, product
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

Floats = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]
Axes = tuple[tuple[int, int, int], tuple[int, int, int]]

PLACE = 1e-3
"""Of a voxel: what float32 headers, and origins a metre away, may move a voxel's place by; no value depends on it."""
STORED_AXES: list[Axes] = [
    (order, flips)  # type: ignore[misc]
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


@dataclass(frozen=True, eq=False)
class Grid:
    """An image in the world: voxels, and where they lie (index to RAS mm)."""

    voxels: Floats
    affine: Affine

    def stored(self, axes: Axes) -> Grid:
        """The same image, its axes in another order and reversed where their flip is -1."""
        order, flips = axes
        affine = self.affine.copy()
        for axis, (old, flip) in enumerate(zip(order, flips, strict=True)):
            affine[:3, axis] = self.affine[:3, old] * flip
            if flip < 0:
                affine[:3, 3] += self.affine[:3, old] * (self.voxels.shape[old] - 1)
        voxels = self.voxels.transpose(order)[tuple(slice(None, None, flip) for flip in flips)]
        return Grid(np.ascontiguousarray(voxels), affine)

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """The world coordinates of all voxels, (I, J, K, 3)."""
        return places_of(np.indices(self.voxels.shape).reshape(3, -1).T, self.affine).reshape(
            *self.voxels.shape, 3
        )

    def image(self, *, sform: int = 1, qform: int = 1) -> Any:
        """NIfTI-1 in float32, in mm."""
        made = nibabel.Nifti1Image(self.voxels, self.affine)
        made.set_sform(self.affine, sform)
        made.set_qform(self.affine, qform)
        made.header.set_xyzt_units("mm", "sec")
        return made


def places_of(indices: npt.ArrayLike, affine: Affine) -> npt.NDArray[np.float64]:
    """World coordinates (N, 3) of voxel indices (N, 3)."""
    return np.asarray(np.asarray(indices) @ affine[:3, :3].T + affine[:3, 3])


def values_at(places: npt.NDArray[np.float64], image: Any) -> Floats:
    """What an image has at world coordinates, each of which must be the centre of one of its voxels, within `PLACE`."""
    found = places_of(places.reshape(-1, 3), np.linalg.inv(image.affine))
    indices = np.rint(found).astype(int)
    assert np.abs(found - indices).max() < PLACE
    voxels = np.asarray(image.dataobj)
    voxels = voxels.reshape((*voxels.shape, 1)[:3])
    assert (indices >= 0).all() and (indices < voxels.shape).all()
    return np.asarray(voxels[tuple(indices.T)]).reshape(places.shape[:-1])


def rotation(*degrees: float) -> Affine:
    """4x4: turns about x, then y, then z."""
    turned = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(4)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[b, a] = np.sin(angle)
        turn[a, b] = -turn[b, a]
        turned = turn @ turned
    return turned


def named(axes: Axes) -> str:
    """Such as `y-x+z+`: which axis of the grid each stored one is, and whether it is reversed."""
    return "".join("xyz"[axis] + "-+"[flip > 0] for axis, flip in zip(*axes, strict=True))


def grid_of(
    voxels: Floats,
    *,
    degrees: tuple[float, float, float] = (0, 0, 0),
    spacing: tuple[float, float, float] = (5, 5, 5),
    shear: float = 0,
    centre: tuple[float, float, float] = (3.25, -11.5, 20),
) -> Grid:
    """Voxels on RAS axes, put into the world: sheared along x, turned, and centred where `centre` says."""
    affine = np.diag([*spacing, 1.0])
    affine[0, 2] = shear * spacing[2]
    affine = rotation(*degrees) @ affine
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(voxels.shape) - 1) / 2)
    return Grid(voxels, affine)


@pytest.fixture(params=STORED_AXES, ids=named)
def axes(request: pytest.FixtureRequest) -> Axes:
    """Each of the 48 ways to store a volume: six orders of its axes, each of them forwards or backwards."""
    axes: Axes = request.param
    return axes


@dataclass(frozen=True)
class World:
    """What the tests of geometry share."""

    folder: Path
    write_head: Any
    grid_of = staticmethod(grid_of)
    values_at = staticmethod(values_at)
    places_of = staticmethod(places_of)
    PLACE = PLACE

    def head(
        self, contrast: str = "t1", person: int = 1, *, shape: tuple[int, int, int] = (20, 24, 8)
    ) -> Floats:
        """A simulated head, or a slice of one, in whole numbers from 0 to 250, which any type of voxel can hold."""
        path = self.folder / f"{contrast}-{person}-{shape}.nii"
        if not path.exists():
            whole = (*shape[:2], max(shape[2], 3))
            self.write_head(path, contrast, person, shape=whole, spacing=160.0 / shape[0])
        voxels = nibabel.load(path).get_fdata(dtype=np.float32)
        voxels = voxels[:, :, 1:2] if shape[2] == 1 else voxels
        return np.asarray(np.rint(voxels * (250 / voxels.max())), dtype=np.float32)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, head: Any) -> World:
    """Heads, grids and places."""
    return World(tmp_path_factory.mktemp("world"), head)


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path) -> Any:
    """The tiny run's model, loaded once."""
    from medgan.models import load_model

    return load_model(tiny_run)


@pytest.fixture(scope="session")
def scan_tests() -> Any:
    """A test module of `tests/scans` by its name: its builders of DICOM files serve here, too."""

    def load(name: str) -> ModuleType:
        spec = spec_from_file_location(name, Path(__file__).parents[1] / "scans" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


_PLUGINS = [
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/lib/orthanc/libOrthancDicomWeb.so"),
]
_PRIVATE = ("-rnp", "--fork", "--kill-child")
"""A network and processes of its own: the namespace's first process takes all others along when it ends."""


@pytest.fixture
def private_network() -> list[str]:
    """What to put before a command that starts an Orthanc, which listens on all addresses."""
    if not (shutil.which("Orthanc") or Path("/usr/sbin/Orthanc").exists()):
        pytest.skip("Orthanc is not installed (Debian: orthanc orthanc-dicomweb)")
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, *_PRIVATE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no private network namespace can be made here (unshare -rnp)")
    return [unshare, *_PRIVATE]


@pytest.fixture
def plugin() -> Path:
    """Orthanc's DICOMweb plugin."""
    found = next((path for path in _PLUGINS if path.exists()), None)
    if found is None:
        pytest.skip("Orthanc's DICOMweb plugin is not installed (Debian: orthanc-dicomweb)")
    return found
