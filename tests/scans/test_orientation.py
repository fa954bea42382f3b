"""Claims about axes: what turns a scan follows one rule, whatever the order in which its axes are stored."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medgan.evaluation import canonical_voxels
from medgan.preparation import PreparationSettings
from medgan.preparation.frame import frame_of
from medgan.scans.orientation import canonical, closest_turns
from medgan.scans.scan import Scan, Source
from medgan.training.spacing import pixel_size

ORDERS = [
    np.stack([order, flips], axis=1)
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]
HALF = np.sqrt(0.5)
TIES = {
    "about z": [[HALF, -HALF, 0], [HALF, HALF, 0], [0, 0, 1]],
    "about x": [[1, 0, 0], [0, HALF, -HALF], [0, HALF, HALF]],
    "about y": [[HALF, 0, HALF], [0, 1, 0], [-HALF, 0, HALF]],
}


def stored(tie: str, order: np.ndarray, folder: Path) -> Scan:
    """One image at 45 degrees, its axes stored in another order, as a file."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(TIES[tie]) @ np.diag([1.0, 1.5, 2.0])
    voxels = np.random.default_rng(0).uniform(size=(9, 10, 11)).astype(np.float32)
    image = nibabel.Nifti1Image(voxels, affine.astype(np.float32)).as_reoriented(order)
    nibabel.save(image, folder / "a.nii")
    read = nibabel.load(folder / "a.nii")
    source = Source(path=folder / "a.nii", kind="nifti", stem="a")
    return Scan(
        voxels=read.get_fdata(dtype=np.float32, caching="unchanged").copy(), affine=read.affine, source=source
    )


@pytest.mark.robustness("geometry-45")
@pytest.mark.parametrize("tie", TIES)
def test_at_45_degrees_all_that_turns_a_scan_turns_it_alike_in_whatever_order_it_is_stored(
    tie: str, tmp_path: Path
) -> None:
    from medgan.scans.finding import find_scans

    first = None
    for order in ORDERS:
        scan = stored(tie, order, tmp_path)
        voxels, spacing = canonical(scan)
        turned = frame_of(scan, PreparationSettings(), spatial_dims=2).turn(scan.voxels)
        np.testing.assert_array_equal(turned, voxels)
        np.testing.assert_array_equal(canonical_voxels(scan), voxels)
        assert scan.orientation == "".join(nibabel.orientations.ornt2axcodes(closest_turns(scan.affine)))
        found = voxels, np.round(spacing, 4), np.round(pixel_size(find_scans(tmp_path)[0]) or 0, 4)
        first = first or found
        for one, other in zip(found, first, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_spacing_goes_with_the_axes() -> None:
    affine = np.array([[0, 0, 3.0, 0], [-1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    scan = Scan(
        voxels=np.zeros((4, 5, 6), np.float32),
        affine=affine,
        source=Source(path=Path("x"), kind="array", stem="x"),
    )
    voxels, spacing = canonical(scan)
    assert (voxels.shape, spacing, scan.orientation) == ((6, 4, 5), (3.0, 1.0, 2.0), "PSR")
