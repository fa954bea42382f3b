"""What must hold of any input that is read as a scan, sound or damaged."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path

import numpy as np
from samples import Sample, write

from medgan.errors import MedganError
from medgan.scans import Scan, find_scans, read_scan, to_image
from medgan.scans.inspection import find_candidates, inspect_each
from medgan.scans.overview import overview, to_document
from medgan.scans.reading import as_folder

VOLUMES = {"4D .nii": 1}


def examine(sample: Sample, folder: Path, *, exact: bool) -> str:
    """Read what lies in the folder by every way in, and say what came out: `refused`, `same` or `other`.

    Args:
        sample: what it once was.
        folder: where it lies now.
        exact: whether anything but the sample itself must be refused.

    Raises:
        AssertionError: what was read is not sound.
        Exception: any but medgan's own, which is a fault.
    """
    path = folder / sample.entry
    volume = VOLUMES.get(sample.name)
    try:
        with as_folder(path) as place:
            seen = overview(*_inspected(place))
            json.dumps(to_document(seen, [path]), allow_nan=False)
            found = find_scans(place)
            assert found and len({one.stem for one in found}) == len(found)
        scan = read_scan(path, volume=volume)
    except MedganError as error:
        assert error.exit_code in (2, 3), error
        assert error.cause and error.file is not None and len(str(error)) < 8000
        return "refused"
    check(scan)
    if sample.name.endswith(".nii") and "a.json" not in sample.files:
        content = (folder / "a.nii").read_bytes()
        packed = content[:2] == b"\x1f\x8b"  # the content tells, not the name
        assert scan.voxels.shape == _claimed_shape(gzip.decompress(content) if packed else content)
    same = _equal(scan, original(sample))
    assert same or not exact, "a change that a checksum covers was read as something else"
    return "same" if same else "other"


def check(scan: Scan) -> None:
    """A scan is finite, of three axes, on a grid that can be inverted, and can be written."""
    assert scan.voxels.dtype == np.float32 and scan.voxels.ndim == 3 and min(scan.voxels.shape) >= 1
    assert np.isfinite(scan.voxels).all()
    assert scan.affine.shape == (4, 4) and scan.affine.dtype == np.float64 and np.isfinite(scan.affine).all()
    assert np.isfinite(np.linalg.inv(scan.affine)).all()
    assert np.isfinite(scan.spacing).all() and min(scan.spacing) > 0
    image = to_image(scan, description="a test")
    assert np.isfinite(image.header.get_best_affine()).all()
    np.testing.assert_allclose(image.affine, scan.affine, rtol=1e-5, atol=1e-4 * max(scan.spacing))


def _inspected(path: Path) -> tuple[list[object], list[MedganError]]:
    candidates, empty = find_candidates([path])
    return list(inspect_each(candidates)), empty  # type: ignore[return-value]


def _claimed_shape(content: bytes) -> tuple[int, ...]:
    """`dim` of a NIfTI header, read by hand."""
    for order in "<>":
        length = int(np.frombuffer(content, f"{order}i4", 1)[0])
        if length in (348, 540):
            kind, offset = (f"{order}i2", 40) if length == 348 else (f"{order}i8", 16)
            dim = np.frombuffer(content, kind, 8, offset).tolist()
            return tuple([*dim[1 : dim[0] + 1], 1, 1][:3])
    raise AssertionError("a file without NIfTI's mark was read")


@functools.cache
def _originals() -> dict[str, Scan]:
    return {}


def original(sample: Sample) -> Scan:
    """The scan of the sound sample."""
    import tempfile

    kept = _originals()
    if sample.name not in kept:
        with tempfile.TemporaryDirectory() as name:
            write(sample.seal(sample.files), Path(name))
            scan = read_scan(Path(name) / sample.entry, volume=VOLUMES.get(sample.name))
        check(scan)
        kept[sample.name] = scan
    return kept[sample.name]


def _equal(scan: Scan, other: Scan) -> bool:
    return (
        scan.voxels.shape == other.voxels.shape
        and scan.voxels.tobytes() == other.voxels.tobytes()
        and np.array_equal(scan.affine, other.affine)
    )
