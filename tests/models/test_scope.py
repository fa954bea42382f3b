"""A scan that is far from what a model was trained on is told from one that is near, in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from medgan.models.scope import LEVELS, Look, Scope, look_of, unusual
from medgan.preparation import PreparationSettings, prepare
from medgan.sample_data.writing import made_scan
from medgan.scans import Scan
from medgan.simulation import procedural_head, simulate_contrast

FLAT = tuple(LEVELS.tolist())


def look(
    *,
    spacing: tuple[float, float, float] = (1, 1, 3),
    head: tuple[float, float, float] = (150, 190, 160),
    shift: float = 0,
) -> Look:
    """A scan whose intensities are evenly distributed, or brighter."""
    return Look(flat=False, spacing=spacing, head=head, quantiles=tuple(min(1.0, q + shift) for q in FLAT))


KNOWN = Scope.of([look(), look(spacing=(0.9, 0.9, 5), head=(140, 180, 150), shift=0.01)])


def scan_of(person: int, contrast: str = "t1") -> Scan:
    head = procedural_head(person, shape=(40, 48, 34), spacing_mm=5.0)
    return made_scan(np.asarray(head.affine), simulate_contrast(head, contrast, person), contrast)


def seen(scan: Scan) -> Look:
    return look_of(prepare(scan, PreparationSettings(divisor=8), spatial_dims=2))


def test_a_scan_like_the_others_is_not_objected_to() -> None:
    assert KNOWN.objections(look(shift=0.02)) == []
    assert KNOWN.objections(look(spacing=(1.2, 0.8, 6), head=(160, 200, 170))) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (look(shift=0.3), ("intensities are distributed unlike", "Wasserstein")),
        (look(spacing=(1, 1, 12)), ("voxels are 12 mm long from foot to head", "trained on 3 to 5 mm")),
        (look(spacing=(0.3, 1, 3)), ("voxels are 0.3 mm long from left to right", "0.9 to 1 mm")),
        (look(head=(150, 190, 60)), ("head that it shows is 60 mm long from foot to head", "150 to 160 mm")),
        (look(head=(150, 290, 160)), ("head that it shows is 290 mm long from back to front",)),
    ],
)
def test_what_is_far_is_said_in_words(other: Look, words: tuple[str, ...]) -> None:
    (said,) = KNOWN.objections(other)
    assert all(word in said for word in words)


def test_training_scans_that_differ_much_make_a_wide_scope() -> None:
    wide = Scope.of([look(), look(shift=0.3)])
    assert wide.apart is not None and KNOWN.apart is not None
    assert wide.apart > 5 * KNOWN.apart
    assert KNOWN.objections(look(shift=0.25))
    assert wide.objections(look(shift=0.25)) == []


def test_a_single_slice_is_not_measured_by_whole_heads() -> None:
    slice_ = look(shift=0.3, head=(150, 190, 3)).model_copy(update={"flat": True})
    assert KNOWN.objections(slice_) == []
    pictures = Scope.of([slice_.model_copy(update={"spacing": None, "head": None})] * 3)
    assert (pictures.flat, pictures.spacings, pictures.heads) == (True, None, None)
    assert pictures.objections(look().model_copy(update={"flat": True})) != []


def test_heads_of_other_people_are_near_and_other_tones_or_grids_are_far() -> None:
    known = Scope.of([seen(scan_of(person)) for person in (1, 2, 3, 4)])
    assert [known.objections(seen(scan_of(person))) for person in (11, 12, 13)] == [[], [], []]
    scan = scan_of(11)
    middle = np.median(scan.voxels[scan.voxels > 0.1 * scan.voxels.max()])
    posterised = replace(
        scan, voxels=np.where(scan.voxels > middle, 900, 100 * (scan.voxels > 0)).astype(np.float32)
    )
    assert any("intensities" in text for text in known.objections(seen(posterised)))
    half = replace(scan, voxels=np.ascontiguousarray(scan.voxels[:, :, 12:20]))
    assert any("the head that it shows is" in text for text in known.objections(seen(half)))
    large = replace(scan, affine=scan.affine @ np.diag([1.7, 1.7, 1.7, 1]))
    assert sum("mm long" in text for text in known.objections(seen(large))) == 6


def test_a_look_is_of_the_scan_and_not_of_how_it_is_stored(head: Callable[..., Path], tmp_path: Path) -> None:
    from medgan.scans import read_nifti

    upright = seen(read_nifti(head(tmp_path / "a.nii.gz", "t1", 1)))
    turned = seen(
        read_nifti(
            head(
                tmp_path / "b.nii.gz",
                "t1",
                1,
                affine=np.array([[0.0, 0, 5, 0], [5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 1]]),
            )
        )
    )
    assert turned == upright


def test_the_scope_of_one_scan_names_no_spread() -> None:
    assert Scope.of([look()]).apart is None
    assert Scope.of([look()]).objections(look(shift=0.02)) == []


def test_ranges_the_wrong_way_round_are_refused() -> None:
    content = json.loads(KNOWN.model_dump_json())
    content["spacings"][0] = [2.0, 1.0]
    with pytest.raises(ValidationError, match="smaller end"):
        Scope.model_validate(content)


@pytest.mark.parametrize(
    ("spacing", "head"),
    [
        ((1, 1, 1), (150, 190, 220)),
        ((0.5, 0.5, 6), (150, 190, 160)),
        ((4.8, 1, 1), (85, 195, 165)),
        ((0.9, 5, 0.9), (150, 150, 150)),
        ((1, 1, 3), (120, 160, 30)),
    ],
)
def test_clinical_scans_of_heads_and_brains_are_not_unusual(
    spacing: tuple[float, float, float], head: tuple[float, float, float]
) -> None:
    assert unusual(look(spacing=spacing, head=head)) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (look(head=(29, 29, 12)), "head that it shows is 29 mm long from left to right"),
        (look(head=(400, 190, 160)), "those of adults are usually 90 to 190 mm"),
        (look(spacing=(3, 3, 3)), "pixels are 3 mm wide"),
        (look(spacing=(1, 1, 12)), "slices are 12 mm apart"),
    ],
)
def test_what_is_unlike_any_clinical_scan_is_said_where_the_model_does_not_say_what_it_knows(
    other: Look, words: str
) -> None:
    assert words in "; ".join(unusual(other))


def test_a_picture_has_no_size_to_be_unusual() -> None:
    assert unusual(Look(flat=True, spacing=None, head=None, quantiles=FLAT)) == []
