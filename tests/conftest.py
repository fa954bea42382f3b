"""Shared by all tests: where real data would lie, heads written as files, and one tiny trained model."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

if TYPE_CHECKING:
    from medgan.scans import Scan

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores, so each takes one
    os.environ.setdefault("OMP_NUM_THREADS", "1")


os.environ["MEDGAN_COMPILED"] = "0"  # the tests of compiled networks ask for them


@pytest.fixture(scope="session", autouse=True)
def machine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What medgan keeps of a machine lies in a folder of the tests' own, in other processes that they start, too."""
    before = os.environ.get("MEDGAN_CACHE")
    os.environ["MEDGAN_CACHE"] = str(tmp_path_factory.mktemp("machine"))
    yield Path(os.environ["MEDGAN_CACHE"])
    if before is None:
        del os.environ["MEDGAN_CACHE"]
    else:
        os.environ["MEDGAN_CACHE"] = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let reports say which lines of docs/reference/robustness.md a test proves."""
    for item in items:
        for mark in item.iter_markers("robustness"):
            item.user_properties += [("robustness", row) for row in mark.args]


Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans (see data/README.md); tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MEDGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set MEDGAN_DATA)")
    return folder


def _tiny() -> Any:
    """The benchmarks' tiny heads and networks (pipelines/benchmarks/tiny.py)."""
    path = Path(__file__).parents[1] / "pipelines" / "benchmarks" / "tiny.py"
    spec = spec_from_file_location("tiny", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny_things = _tiny()
head_voxels: Callable[..., Floats] = tiny_things.head_voxels


def write_head(
    path: Path, contrast: str, person: int, *, affine: npt.ArrayLike | None = None, **grid: Any
) -> Path:
    """Write `head_voxels` as NIfTI; an affine other than RAS turns the voxels along, so that it stays one head."""
    voxels = head_voxels(contrast, person, **grid)
    spacing = grid.get("spacing", 5.0)
    canonical = nibabel.Nifti1Image(voxels, np.diag([spacing, spacing, spacing, 1.0]))
    image = canonical
    if affine is not None:
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(canonical.affine), nibabel.io_orientation(affine)
        )
        image = nibabel.Nifti1Image(canonical.as_reoriented(turn).get_fdata(dtype=np.float32), affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


@dataclass(frozen=True)
class Folders:
    """Two training folders, of different people."""

    t1: Path
    t2: Path

    @property
    def arguments(self) -> list[str]:
        """For the command line."""
        return ["--t1-dir", str(self.t1), "--t2-dir", str(self.t2)]


@pytest.fixture(scope="session")
def head() -> Callable[..., Path]:
    """`write_head`."""
    return write_head


@pytest.fixture(scope="session")
def head_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Two heads of each contrast as NIfTI."""
    root = tmp_path_factory.mktemp("heads")
    for contrast, people in (("t1", (1, 2)), ("t2", (3, 4))):
        for person in people:
            write_head(root / contrast / f"sub-{person:02d}_{contrast.upper()}w.nii.gz", contrast, person)
    return Folders(root / "t1", root / "t2")


TINY = (
    *tiny_things.SETTINGS,
    "augmentation.probability=0.5",
    "losses.history=5",
    "training.steps_per_epoch=4",
    "training.coarse=[{scale: 2, share: 0.3}]",
    "training.checkpoint_seconds=1000",
    "training.epochs=2",
    "simulation.heads=0",
)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Changes that make the default recipe train in a second."""
    return TINY


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, head_folders: Folders) -> Path:
    """A run of a second: two epochs on tiny heads. Read it, do not change it."""
    from medgan.training import train

    run = tmp_path_factory.mktemp("tiny") / "run"
    return train(head_folders.t1, head_folders.t2, out=run, changes=TINY, device="cpu")


SMALL = ("generator.channels=[4, 8]", "generator.residual_units=1", "preparation.divisor=8")


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a model with fresh weights, of a slab, 1 if not given; returns its folder."""
    import torch

    from medgan.models import Domain, History, save_model
    from medgan.models.architecture import build_generator
    from medgan.preparation import IntensityRange
    from medgan.recipe import load_recipe

    def write(
        *, slab: int = 1, name: str = "model", recipe: str = "slices", changes: Sequence[str] = SMALL
    ) -> Path:
        settings = load_recipe(recipe, changes)
        torch.manual_seed(slab)
        domain = Domain(
            intensity=IntensityRange(low=0, high=800, background=0),
            scans=3,
            slices=60,
            kinds=("nifti",),
            spacings=((1.0, 1.0), (1.0, 1.0), (3.0, 3.0)),
            fingerprint="f" * 64,
        )
        save_model(
            tmp_path / name,
            generators={key: build_generator(settings, slab=slab) for key in ("t2", "t1")},
            recipe=settings,
            slab=slab,
            domains={"t1": domain, "t2": domain},
            history=History(steps=1, epochs=1, minutes=0.5, seed=7, device="cpu", precision="float32"),
        )
        return tmp_path / name

    return write


def _pairs(people: Iterable[int]) -> Iterator[dict[str, Scan]]:
    from medgan.sample_data.writing import made_scan
    from medgan.simulation import procedural_head, simulate_pair

    for person in people:
        head = procedural_head(person, shape=(40, 48, 22), spacing_mm=5.0)
        voxels = simulate_pair(head, person)
        yield {key: made_scan(np.asarray(head.affine), voxels[key], key) for key in ("t1", "t2")}


@pytest.fixture(scope="session")
def pairs_of() -> Callable[[Iterable[int]], Iterator[dict[str, Scan]]]:
    """Both scans of each of some people, who are in no training: small heads of 5 mm."""
    return _pairs


@pytest.fixture(scope="session")
def calibrated(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `tiny_run`, which knows its errors by twelve other heads. Read it, do not change it."""
    from medgan.models import load_model
    from medgan.uncertainty import calibrate, keep_calibration

    folder = tmp_path_factory.mktemp("calibrated") / "model"
    model = load_model(shutil.copytree(tiny_run / "model", folder))
    keep_calibration(model, calibrate(model, _pairs(range(1000, 1012)), made_from="simulated", device="cpu"))
    return folder


def _write_study(folder: Path, *, spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)) -> Path:
    from medgan.sample_data.writing import made_scan
    from medgan.scans.dicom_writing import write_series

    for number, (contrast, label) in enumerate((("t1", "T1w"), ("t2", "T2w")), start=1):
        write_series(
            folder / f"IMG{number}",
            made_scan(np.diag([*spacing, 1.0]), head_voxels(contrast, 7), contrast),
            description=f"{label} simulated head",
            series_number=number,
            facts={},
            entropy=str(folder),
        )
    return folder


@pytest.fixture(scope="session")
def dicom_study() -> Callable[..., Path]:
    """Write a DICOM study of a small head: a T1w series, number 1, and a T2w series, number 2; 16 slices each."""
    return _write_study


@pytest.fixture(scope="session")
def deploy_sdk() -> None:
    """The MONAI Deploy App SDK; tests that need it skip where it is not installed."""
    if find_spec("holoscan") is None:
        pytest.skip(
            "the MONAI Deploy App SDK is not installed (medgan[deploy]); `make test-deploy` brings it"
        )
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # of the stack's size, in importing Holoscan
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # the SDK's own
    import monai.deploy.operators  # noqa: F401


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def medgan(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process: `medgan("train", "--help")`."""

    def call(*arguments: object) -> Outcome:
        from medgan.cli import main

        monkeypatch.setattr(sys, "argv", ["medgan", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        said = capfd.readouterr()
        return Outcome(int(code), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def bids_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a raw BIDS data set: `bids_set(root, "sub-01/anat/sub-01_T1w.nii.gz", ...)`; other files hold `{}`."""
    heads = tmp_path_factory.mktemp("bids-heads")
    known = {
        (contrast, ending): write_head(heads / f"{contrast}{ending}", contrast, 1)
        for contrast in ("t1", "t2")
        for ending in (".nii", ".nii.gz")
    }
    for path in known.values():  # a converter's header tells the unit, and the validator misses it
        image = nibabel.load(path)
        image.header.set_xyzt_units("mm")
        path.write_bytes(image.to_bytes() if path.suffix == ".nii" else gzip.compress(image.to_bytes()))

    def make(root: Path, *paths: str, **description: object) -> Path:
        root.mkdir(parents=True)
        about = {"Name": "Heads", "BIDSVersion": "1.10.0", **description}
        (root / "dataset_description.json").write_text(json.dumps(about), encoding="utf-8")
        (root / "README").write_text(
            "Heads that code made, which no scanner has seen. " * 4, encoding="utf-8"
        )
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            ending = ".nii.gz" if path.endswith(".gz") else ".nii"
            if path.endswith(ending):
                shutil.copy(known["t2" if "T2w" in path else "t1", ending], root / path)
            else:
                (root / path).write_text("{}", encoding="utf-8")
        return root

    return make
