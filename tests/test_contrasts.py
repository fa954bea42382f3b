"""Claims about how the contrast of an image is told: by its name first, by its times where no name tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgan.contrasts import (
    CONTRASTS,
    contrast,
    contrast_from_name,
    contrast_from_times,
    guess_contrast,
    is_of_another_contrast,
    other,
    spells_other_contrast,
)
from medgan.errors import UsageError

OTHERS = [
    "AX FLAIR", "t2_flair_tra", "T2FLAIR", "3DFLAIR", "t2_tirm_tra_dark-fluid", "STIR cor", "T2*", "t2 star",
    "sub-01_T2starw.nii.gz", "T2star_map", "T1map", "t2_mapping", "sub-01_PDw.nii.gz", "ep2d_diff_T2",
    "dwi_b1000", "DTI T2", "t2_swi3d", "T1_BOLD",
]  # fmt: skip


@pytest.mark.parametrize("key", CONTRASTS)
def test_a_contrast_is_found_by_its_key_and_its_label_in_any_case(key: str) -> None:
    assert contrast(key) == contrast(CONTRASTS[key].label.upper()) == CONTRASTS[key]
    assert other(other(key).key) == CONTRASTS[key] != other(key)


def test_an_unknown_contrast_is_a_usage_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        contrast("flair")
    assert "t1, t2" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sub-01_T1w.nii.gz", "t1"),
        ("t1_mprage_sag", "t1"),
        ("AX T2 TSE", "t2"),
        ("T2-weighted", "t2"),
        ("IXI002-Guys-0828-T2.nii.gz", "t2"),
        ("stirling_T1w.nii.gz", "t1"),
        ("Swiss_T2w.nii.gz", "t2"),
        ("PD_patients_T1w.nii.gz", "t1"),
        ("adcock T1", "t1"),
    ],
)
def test_a_name_that_spells_one_contrast_tells_it(name: str, key: str) -> None:
    found = contrast_from_name(name)
    assert found is not None and found.key == key
    assert not spells_other_contrast(name)


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_spells_another_contrast_is_neither_t1w_nor_t2w(name: str) -> None:
    assert spells_other_contrast(name)
    assert contrast_from_name(name) is None


@pytest.mark.parametrize("name", ["brain", "T10", "sub-T12", "localizer", "T1w_in_T2w_space", ""])
def test_a_name_that_spells_none_or_both_tells_nothing(name: str) -> None:
    assert contrast_from_name(name) is None
    assert not spells_other_contrast(name)


def test_only_the_name_of_a_path_is_read() -> None:
    assert contrast_from_name(Path("T2/flair/a_T1w.nii")) == CONTRASTS["t1"]
    assert not spells_other_contrast(Path("flair/a.nii"))


@pytest.mark.parametrize(
    ("times", "key"),
    [
        ((12, 500), "t1"),
        ((4, 20), "t1"),
        ((90, 4000), "t2"),
        ((90, None), "t2"),
        ((3, 2300, 900), "t1"),
        ((120, 9000, 2500), None),  # FLAIR
        ((90, 500), None),
        ((45, 3000), None),
        ((None, 500), None),
        ((0, 500), None),
    ],
)
def test_times_tell_the_contrast_that_they_make_likely(times: tuple[float, ...], key: str | None) -> None:
    found = contrast_from_times(*times)
    assert (found.key if found else None) == key


@pytest.mark.parametrize("name", OTHERS)
def test_times_do_not_overrule_a_name_that_spells_another_contrast(name: str) -> None:
    assert contrast_from_times(20, 600) == CONTRASTS["t1"]
    assert guess_contrast([name], echo_time=20, repetition_time=600) is None


@pytest.mark.parametrize("name", ["brain", "T1w_in_T2w_space"])
def test_times_decide_where_the_name_does_not(name: str) -> None:
    assert guess_contrast([name], echo_time=90, repetition_time=4000) == CONTRASTS["t2"]


def test_a_name_goes_before_times() -> None:
    assert guess_contrast(["AX T2"], echo_time=12, repetition_time=500) == CONTRASTS["t2"]


def test_the_first_name_that_spells_any_contrast_decides() -> None:
    assert guess_contrast(["brain", "t2_tse", "T1"]) == CONTRASTS["t2"]
    assert guess_contrast(["AX FLAIR", "t2_tirm"], echo_time=90, repetition_time=9000) is None
    assert guess_contrast(["t2_tse", "FLAIR"]) == CONTRASTS["t2"]


@pytest.mark.parametrize(
    ("names", "echo_time", "inversion_time", "other"),
    [
        *(([name], None, None, True) for name in OTHERS),
        (["brain", "AX FLAIR"], None, None, True),
        (["t2_tse", "FLAIR"], None, None, False),
        (["brain"], 120, 2500, True),
        (["brain"], 3, 900, False),
        (["brain"], 90, None, False),
        (["brain"], None, None, False),
    ],
)
def test_what_is_plainly_of_another_contrast_is_told(
    names: list[str], echo_time: float | None, inversion_time: float | None, other: bool
) -> None:
    assert is_of_another_contrast(names, echo_time=echo_time, inversion_time=inversion_time) is other


def test_nothing_known_is_no_guess() -> None:
    assert guess_contrast([]) is None
