"""One image in the world gives one synthetic image in the world, on whatever axes and in whatever place it is stored.

Every scan is turned to one canonical order of axes before anything else is done with it, so that the network
sees the same bits however they were stored. The tolerance on values is therefore none: `np.array_equal`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

import medgan as package
from medgan.synthesis import Synthesizer

robustness = pytest.mark.robustness
# The tiny model has seen made-up heads alone; real ones are unlike them, and it says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore:its (intensities|voxels) are", "ignore:the head that it shows is"
)

GRIDS: dict[str, tuple[str, dict[str, Any]]] = {
    "straight": ("geometry-48", {}),
    "oblique": ("geometry-oblique", {"degrees": (12, -7, 20)}),
    "double-oblique": ("geometry-oblique", {"degrees": (38, 33, -29)}),
    "45-degrees": ("geometry-45", {"degrees": (45, 0, 0)}),
    "45-degrees-twice": ("geometry-45", {"degrees": (45, 0, 45)}),
    "sheared": ("geometry-sheared", {"degrees": (5, 0, -9), "shear": 0.2}),
    "anisotropic": ("geometry-anisotropic", {"spacing": (4.5, 6.2, 5)}),
    "half-pixels": ("geometry-anisotropic", {"shape": (17, 25, 9), "spacing": (6.0, 4.0, 7), "degrees": (8, 3, 5)}),
    "thick": ("geometry-anisotropic", {"shape": (20, 24, 6), "spacing": (5, 5, 18.0), "degrees": (-6, 0, 0)}),
    "odd": ("geometry-sizes", {"shape": (17, 23, 9)}),
    "tiny": ("geometry-sizes", {"shape": (11, 13, 3), "spacing": (14, 14, 30)}),
    "one-slice": ("geometry-2d", {"shape": (20, 24, 1), "degrees": (9, -4, 15)}),
    "far-away": ("geometry-far", {"centre": (-1200.5, 843.75, 2000), "degrees": (3, 2, 1)}),
}  # fmt: skip


@pytest.fixture(scope="module")
def synthesised(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """From a grid, through a file on disk, to the synthetic image and what was warned of."""
    folder = tmp_path_factory.mktemp("stored")

    def call(grid: Any, target: str = "t2", *, sform: int = 1, qform: int = 1) -> tuple[Any, list[str]]:
        path = folder / "scan.nii"
        nibabel.save(grid.image(sform=sform, qform=qform), path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = package.synthesize(path, target=target, model=tiny_model, device="cpu")
        return made, [str(warning.message) for warning in caught]

    return call


@pytest.fixture(scope="module")
def reference(world: Any, synthesised: Any) -> Any:
    """Each grid, and what is made of it where its axes are stored as they are."""
    known: dict[tuple[str, str], Any] = {}

    def call(name: str, target: str = "t2") -> tuple[Any, Any, list[str]]:
        if (name, target) not in known:
            options = dict(GRIDS[name][1])
            shape = options.pop("shape", (20, 24, 8))
            grid = world.grid_of(world.head({"t1": "t2", "t2": "t1"}[target], shape=shape), **options)
            known[name, target] = (grid, *synthesised(grid, target))
        return known[name, target]  # type: ignore[no-any-return]

    return call


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=robustness(row)) for name, (row, _) in GRIDS.items()]
)
def test_a_synthetic_image_lies_in_the_world_where_its_source_does_on_any_axes(
    name: str, axes: Any, world: Any, reference: Any, synthesised: Any
) -> None:
    grid, expected, said = reference(name)
    assert np.ptp(np.asarray(expected.dataobj)) > 0
    stored = grid.stored(axes)
    made, warned = synthesised(stored)
    assert made.shape == stored.voxels.shape
    assert np.array_equal(made.affine, stored.affine.astype(np.float32))
    assert np.array_equal(world.values_at(grid.places, made), np.asarray(expected.dataobj))
    assert warned == said
    assert [text for text in warned if "sheared" in text] == warned[: name == "sheared"]
    codes = int(made.header["sform_code"]), int(made.header["qform_code"])
    assert codes == ((1, 0) if name == "sheared" else (1, 1))


@robustness("geometry-48")
@pytest.mark.parametrize("name", ["double-oblique"])
def test_so_it_does_in_the_other_direction(
    name: str, axes: Any, world: Any, reference: Any, synthesised: Any
) -> None:
    grid, expected, _ = reference(name, "t1")
    made, _ = synthesised(grid.stored(axes), "t1")
    assert np.array_equal(world.values_at(grid.places, made), np.asarray(expected.dataobj))


@robustness("geometry-qform-only")
@pytest.mark.parametrize("name", ["45-degrees", "half-pixels"])
def test_so_it_does_where_only_a_quaternion_tells(
    name: str, axes: Any, world: Any, reference: Any, synthesised: Any
) -> None:
    """Half of these axes are left-handed, which only qfac, the sign of pixdim[0], can tell."""
    grid, expected, _ = reference(name)
    stored = grid.stored(axes)
    made, _ = synthesised(stored, sform=0)
    assert int(made.header["sform_code"]) == 0
    assert made.header["pixdim"][0] == np.sign(np.linalg.det(stored.affine))
    assert np.array_equal(world.values_at(grid.places, made), np.asarray(expected.dataobj))


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose network gives back what it sees."""

    class Same:
        engine = "none"

        def seen(self, planes: list[int], depth: int, slab_step: int) -> list[int]:
            return planes

        def __call__(self, image: Any, **_: Any) -> Any:
            return image.clone()

    monkeypatch.setattr(Synthesizer, "translator", property(lambda self: Same()))


@robustness("geometry-landmark")
@pytest.mark.usefixtures("identity")
def test_a_lesion_on_the_left_at_the_front_and_top_is_found_there(
    axes: Any, world: Any, tiny_run: Path, tmp_path: Path, medgan: Any
) -> None:
    """Voxel by voxel, through the command line; by nibabel, and by SimpleITK in its own coordinates (LPS)."""
    voxels = world.head(shape=(24, 28, 12))
    lesion = np.zeros(voxels.shape, bool)
    lesion[6:9, 17:22, 7:9] = lesion[6:7, 17:19, 7:10] = True  # an L, which is no mirror image of itself
    voxels[lesion] = 900
    grid = world.grid_of(voxels, degrees=(12, -7, 20), centre=(0, 0, 0))
    there = grid.places[lesion]
    x, y, z = there.mean(axis=0)
    assert x < -10 and y > 10 and z > 5  # left, front, top of a head whose centre is the origin
    nibabel.save(grid.stored(axes).image(), tmp_path / "scan.nii")

    out = tmp_path / "out.nii"
    told = medgan(
        "synthesize",
        tmp_path / "scan.nii",
        "--target",
        "t2",
        "--model",
        tiny_run,
        "-o",
        out,
        "--device",
        "cpu",
    )
    assert told.code == 0, told.err
    made = nibabel.load(out)
    values = np.asarray(made.dataobj)
    found = np.argwhere(values == values.max())
    assert_same_places(world.places_of(found, made.affine), there, within=world.PLACE * 5)

    seen = SimpleITK.ReadImage(str(out))
    bright = np.argwhere(SimpleITK.GetArrayFromImage(seen) == values.max())[:, ::-1]
    by_itk = [seen.TransformContinuousIndexToPhysicalPoint([float(i) for i in index]) for index in bright]
    assert_same_places(np.array(by_itk) * [-1, -1, 1], there, within=world.PLACE * 5)


def assert_same_places(found: Any, expected: Any, *, within: float) -> None:
    """The same points, in any order."""
    assert found.shape == expected.shape
    distances = np.linalg.norm(found[:, None] - expected[None], axis=2)
    assert distances.min(axis=0).max() < within and distances.min(axis=1).max() < within


REAL = ["ALS", "ASL", "ILP", "IRP", "LAS", "LPS", "PIR", "PSL", "RPS", "SAL", "SRA"]


@robustness("geometry-real-orientations")
@pytest.mark.parametrize("name", REAL)
def test_a_real_head_stored_in_twelve_orders_gives_one_synthetic_head(
    name: str, real_data: Path, tiny_model: Any, world: Any
) -> None:
    folder = real_data / "nifti" / "orientations"
    expected = package.synthesize(folder / "RAS.nii.gz", target="t2", model=tiny_model, device="cpu")
    made = package.synthesize(folder / f"{name}.nii.gz", target="t2", model=tiny_model, device="cpu")
    assert "".join(nibabel.aff2axcodes(made.affine)) == name
    places = world.places_of(np.indices(expected.shape).reshape(3, -1).T, expected.affine)
    assert np.array_equal(world.values_at(places, made), np.asarray(expected.dataobj).ravel())


@robustness("geometry-real-odd")
@pytest.mark.filterwarnings("ignore:in the scan fluid is bright")  # one of them is no T1w
@pytest.mark.parametrize(("name", "codes"), [("shear", (2, 0)), ("minimal", (0, 0))])
def test_a_real_file_of_odd_geometry_comes_back_on_its_own_grid(
    name: str, codes: tuple[int, int], real_data: Path, tiny_model: Any
) -> None:
    path = real_data / "nifti" / "odd" / f"{name}.nii.gz"
    with pytest.warns(UserWarning, match={"shear": "sheared", "minimal": "Neither sform nor qform"}[name]):
        made = package.synthesize(path, target="t2", model=tiny_model, device="cpu")
    source = nibabel.load(path)
    assert made.shape == source.shape
    assert np.array_equal(made.affine, source.affine)
    assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == codes
