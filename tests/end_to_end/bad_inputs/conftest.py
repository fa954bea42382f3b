"""One machinery for all bad inputs: made by code, tried on the command line, judged by all that it leaves.

A module lists its inputs in `BAD`, one `(row, what it is, how it is made, the cause, changes)` each:
the row of docs/reference/robustness.md, a function from `Kit` to the path, a pattern of the message, and
`options`, `code`, `inspects` (the exit code of `medgan inspect`) or `target` where they are not the usual ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

Make = Callable[[Any], Path]


@dataclass(frozen=True)
class Bad:
    """One bad input, and what must come of it."""

    row: str
    name: str
    make: Make
    cause: str
    options: tuple[object, ...] = ()
    code: int = 3
    inspects: int = 3
    target: str = "t2"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`bad` is each input of the module, `sample` the first of each row."""
    every = [
        Bad(*line[:4], **(line[4] if len(line) > 4 else {})) for line in getattr(metafunc.module, "BAD", ())
    ]
    first = list({bad.row: bad for bad in reversed(every) if bad.inspects == 3 and bad.code == 3}.values())[
        ::-1
    ]
    for name, chosen in (("bad", every), ("sample", first)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(
                name,
                [
                    pytest.param(bad, id=f"{bad.row}-{bad.name}", marks=pytest.mark.robustness(bad.row))
                    for bad in chosen
                ],
            )


@dataclass(frozen=True)
class Kit:
    """Makes inputs of a T1w head of 32 x 40 x 16 voxels of 5 mm, each in `folder`.

    Attributes:
        folder: where.
        voxels: the head, on axes towards right, anterior and superior.
    """

    folder: Path
    voxels: npt.NDArray[np.float32]
    affine: npt.NDArray[np.float64] = field(default_factory=lambda: np.diag([5.0, 5.0, 5.0, 1.0]))

    def path(self, name: str, content: bytes | None = None) -> Path:
        """A path in the folder, with that content."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
        return path

    def nifti(
        self,
        name: str = "scan.nii.gz",
        voxels: npt.NDArray[Any] | None = None,
        *,
        affine: npt.ArrayLike | None = None,
        header: Any = None,
        kind: Any = nibabel.Nifti1Image,
    ) -> Path:
        """The head, or other voxels, as NIfTI."""
        voxels = self.voxels if voxels is None else voxels
        path = self.path(name)
        image = kind(voxels, self.affine if affine is None else affine, header)
        if header is None:
            image.header.set_data_dtype(voxels.dtype)
        image.to_filename(path)
        return path

    def series(
        self,
        name: str = "series",
        edit: Callable[[int, Any], object] | None = None,
        *,
        axes: npt.ArrayLike | None = None,
        number: int = 1,
        description: str = "T1w",
        echo_time: float = 12.0,
        entropy: str | None = "head",
        keep: Callable[[int], bool] = lambda k: True,
    ) -> Path:
        """The head as a DICOM series, each data set changed by `edit(slice, dataset)` or left out by `keep`."""
        import pydicom

        from medgan.scans.dicom_writing import write_series
        from medgan.scans.scan import Scan, Source

        affine = np.diag([-5.0, 5.0, 5.0, 1.0])
        if axes is not None:
            affine[:3, :3] = np.asarray(axes) * 5
        # the first axis is reversed, for the grid of a series is left-handed
        scan = Scan(
            voxels=np.ascontiguousarray(np.rint(self.voxels[::-1] / self.voxels.max() * 4000)),
            affine=affine,
            source=Source(path=self.folder, kind="array", stem="x"),
        )
        facts = {"echo_time": echo_time, "repetition_time": 500.0}
        files = write_series(
            self.folder / name,
            scan,
            description=description,
            series_number=number,
            facts=facts,
            entropy=entropy,
        )
        for k, file in enumerate(files):
            if not keep(k):
                file.unlink()
            elif edit is not None:
                dataset = pydicom.dcmread(file)
                edit(k, dataset)
                if file.exists():
                    dataset.save_as(file)
        return self.folder / name

    def slice(self) -> npt.NDArray[np.uint8]:
        """The middle of the head as a picture of 8 bits, (H, W)."""
        picture = self.voxels[:, ::-1, 8].T
        pixels: npt.NDArray[np.uint8] = np.rint(picture / picture.max() * 250).astype(np.uint8)
        return pixels

    def picture(self, name: str, pixels: npt.NDArray[Any], mode: str | None = None, **options: Any) -> Path:
        """Pixels as PNG or JPEG."""
        from PIL import Image

        path = self.path(name)
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path, **options)
        return path


@pytest.fixture(scope="session")
def head_of_the_kit(head: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The voxels of `Kit`."""
    path = head(tmp_path_factory.mktemp("kit") / "head.nii", "t1", 7)
    return nibabel.load(path).get_fdata(dtype=np.float32)


@pytest.fixture
def kit(tmp_path: Path, head_of_the_kit: Any) -> Kit:
    """A kit whose folder has a space and letters beyond ASCII in its name."""
    return Kit(tmp_path / "in put é", head_of_the_kit)


def everything_below(folder: Path) -> dict[str, str]:
    """Each path, with a digest of files."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        )
        for path in folder.rglob("*")
    }


def judge_message(err: str, cause: str, root: Path) -> None:
    """File, cause and way out, and no traceback."""
    assert "Traceback" not in err
    lines = err.splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("Error: "))
    assert re.search(cause, lines[place]), err
    assert place > 0 and lines[place - 1].startswith(str(root)) and lines[place - 1].endswith(":"), err
    assert "".join(lines[place + 1 :]).strip(), f"no way out: {err}"


@pytest.fixture
def refuses(
    medgan: Callable[..., Any], tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Try an input: it is refused as it should be, before a network is loaded, and nothing is written anywhere."""
    from medgan.models import Model

    def no_network(*_: object) -> None:
        pytest.fail("a network was loaded")

    def check(path: Path, cause: str, *options: object, code: int = 3, target: str = "t2") -> Any:
        (tmp_path / "temporary").mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        before = everything_below(tmp_path)
        model = () if "--model" in options else ("--model", tiny_run)
        out = () if "-o" in options else ("-o", tmp_path / "out")
        with monkeypatch.context() as patch:
            patch.setattr(Model, "generator", no_network)
            done = medgan("synthesize", path, "--target", target, *model, *out, "--device", "cpu", *options)
        assert done.code == code, done.err
        judge_message(done.err, cause, tmp_path)
        assert everything_below(tmp_path) == before
        return done

    return check


@pytest.fixture
def fails_to_write(
    medgan: Callable[..., Any], tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Try a good input whose result cannot be written: the message is as it should be, and nothing is left."""

    def check(path: Path, cause: str, *options: object, code: int = 5) -> Any:
        before = everything_below(tmp_path)
        done = medgan("synthesize", path, "--target", "t2", "--model", tiny_run, "--device", "cpu", *options)
        assert done.code == code, done.err
        judge_message(done.err, cause, tmp_path)
        assert everything_below(tmp_path) == before
        return done

    return check


@pytest.fixture
def refuses_model(medgan: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Try a good input with a bad model: refused with exit code 4, and nothing is written."""

    def check(path: Path, model: Path, cause: str, *, target: str = "t2") -> Any:
        before = everything_below(tmp_path)
        out = tmp_path / "out"
        done = medgan("synthesize", path, "--target", target, "--model", model, "-o", out, "--device", "cpu")
        assert done.code == 4, done.err
        judge_message(done.err, cause, tmp_path)
        assert everything_below(tmp_path) == before
        return done

    return check


@dataclass(frozen=True)
class Made:
    """What came of a good input: the image, its sidecar, what was said of it, and where it lies."""

    image: Any
    sidecar: dict[str, Any]
    err: str
    folder: Path

    @property
    def voxels(self) -> npt.NDArray[np.float32]:
        """Of the image."""
        voxels: npt.NDArray[np.float32] = self.image.get_fdata(dtype=np.float32)
        return voxels


@pytest.fixture
def makes(
    medgan: Callable[..., Any], tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Made]:
    """Try an input: an image of float32 without a NaN comes of it, and nothing is left but what belongs to it."""
    (tmp_path / "temporary").mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def call(path: Path, *options: object, name: str = "made", target: str = "t2") -> Made:
        before = everything_below(tmp_path)
        out = tmp_path / "out" / name
        done = medgan(
            "synthesize",
            path,
            "--target",
            target,
            "--model",
            tiny_run,
            "--device",
            "cpu",
            "-o",
            out,
            *options,
        )
        assert done.code == 0, done.err
        (image,) = (file for file in out.iterdir() if file.name.endswith(".nii.gz"))
        (sidecar,) = out.glob("*.json")
        made = nibabel.load(image)
        assert made.header.get_data_dtype() == np.float32
        assert np.isfinite(made.get_fdata()).all() and np.ptp(made.get_fdata()) > 0
        kept = {
            name: digest for name, digest in everything_below(tmp_path).items() if not name.startswith("out")
        }
        assert kept == {name: digest for name, digest in before.items() if not name.startswith("out")}
        assert not list(out.rglob(".medgan-*"))
        return Made(made, json.loads(sidecar.read_text("utf-8")), done.err, out)

    return call


@pytest.fixture
def little_memory() -> Callable[..., Any]:
    """A block in which the process never holds more than so many MiB beyond what it held before."""

    @contextmanager
    def within(mebibytes: int) -> Iterator[None]:
        clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
        if not clear.exists():
            pytest.skip("needs Linux's /proc to learn the largest memory of a block")
        clear.write_text("5")  # sets the high-water mark back (proc(5))
        before = resident(status, "VmRSS")
        yield
        assert (resident(status, "VmHWM") - before) >> 10 <= mebibytes

    return within


def resident(status: Path, field_name: str) -> int:
    """KiB of a field of /proc/self/status."""
    lines: Sequence[str] = status.read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(field_name))
    return int(line.split()[1])
