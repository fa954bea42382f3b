"""The layout that dcm2niix gives a series by default: its rows turned up, or all of it turned towards RAS.

A 2D acquisition keeps its axes: columns from left to right, rows from bottom to top, slices along the normal
(row x column). A 3D acquisition of several slices is turned, without any interpolation, so that its axes run
as nearly as may be to the right, to the front and up. See docs/decisions/0003-dicom-layout.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medgan.scans.dicom_files import UNREADABLE
from medgan.scans.scan import Affine, Slicing

_ACQUISITION_TYPE = Tag("MRAcquisitionType")
#: Philips MR Imaging DD 001: what Philips holds the acquisition for, whatever the standard's attribute says.
_PHILIPS_ACQUISITION_TYPE = Tag(0x2005, 0x106F)
#: Philips MR Imaging DD 005: a classic image's attributes as its enhanced one has them.
_PHILIPS_ENHANCED = Tag(0x2005, 0x140F)
_SCANNING_SEQUENCE = Tag("ScanningSequence")
_ECHO_PLANAR = Tag("EchoPlanarPulseSequence")
_TELLING = frozenset({_ACQUISITION_TYPE, _PHILIPS_ACQUISITION_TYPE, _SCANNING_SEQUENCE, _ECHO_PLANAR})
#: What `is_volumetric` needs of a file beside the functional groups; without the creators of the private
#: attributes, 0010 and 0014, their meaning is lost in implicit VR (PS3.5 7.8).
TAGS = (*_TELLING, _PHILIPS_ENHANCED, Tag(0x2005, 0x0010), Tag(0x2005, 0x0014))


def is_volumetric(dataset: Dataset) -> bool:
    """Whether dcm2niix counts an image as a 3D acquisition: marked 3D, and not echo planar.

    It looks at every level of the data set alike; of several marks the last one counts.
    """
    mark, echo_planar = "", False
    for element in _telling(dataset):
        text = _upper(element.value)
        if element.tag in (_ACQUISITION_TYPE, _PHILIPS_ACQUISITION_TYPE) and len(text) > 1:
            mark = text
        elif element.tag == _SCANNING_SEQUENCE:
            echo_planar = echo_planar or "EP" in text
        elif element.tag == _ECHO_PLANAR:
            echo_planar = echo_planar or text.startswith("Y")
    return mark.startswith("3D") and not echo_planar


def lay_out(affine: Affine, shape: tuple[int, int, int], *, volumetric: bool) -> tuple[Affine, Slicing]:
    """Where the pictures of a series go.

    Args:
        affine: 4x4, from [column, row, slice] as the files have them to RAS+ millimetres.
        shape: columns, rows, slices.
        volumetric: it is a 3D acquisition.

    Returns:
        The affine of the voxels, and how the pictures lie in them.
    """
    if volumetric and shape[2] > 1:
        order, flips = _towards_ras(affine, shape)
    else:
        order, flips = (0, 1, 2), (False, True, False)
    turned = np.eye(4)
    first = np.array([size - 1 if flip else 0 for size, flip in zip(shape, flips, strict=True)])
    turned[:3, 3] = affine[:3, :3] @ first + affine[:3, 3]
    for picture_axis, (axis, flip) in enumerate(zip(order, flips, strict=True)):
        turned[:3, axis] = affine[:3, picture_axis] * (-1 if flip else 1)
    slicing = Slicing(axes=(order[2], order[1], order[0]), reverse=(flips[2], flips[1], flips[0]))
    return turned + 0.0, slicing  # no negative zeros


def _towards_ras(
    affine: Affine, shape: tuple[int, int, int]
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """dcm2niix's choice (nii_setOrtho): where each axis goes, and whether it is reversed.

    The first voxel is the corner that lies nearest to the left, posterior, inferior corner of the box around
    the volume; the axes follow in the order that makes the diagonal of the affine largest. For a thin
    oblique slab that is not always the closest canonical orientation in the sense of nibabel.
    """
    corners = np.array(list(product((0, 1), repeat=3)))[:, ::-1]  # of equal ones, the least reversed counts
    places = corners * (np.array(shape) - 1) @ affine[:3, :3].T
    nearest = int(np.linalg.norm(places - places.min(axis=0), axis=1).argmin())
    x, y, z = (bool(flip) for flip in corners[nearest])
    signed = affine[:3, :3] * np.where(corners[nearest], -1, 1)
    a, b, c = max(permutations(range(3)), key=lambda order: float(signed[list(order), range(3)].sum()))
    return (a, b, c), (x, y, z)


def _telling(dataset: Dataset) -> Iterator[DataElement]:
    """The attributes that tell of the acquisition, in the order of the file; others are not even decoded."""
    for tag in sorted(dataset.keys()):
        if tag not in _TELLING and not _is_sequence(dataset, tag):
            continue
        try:
            element = dataset[tag]
        except UNREADABLE:
            continue  # what cannot be read tells nothing
        if tag in _TELLING:
            yield element
        elif element.VR == "SQ":
            for item in element.value:
                yield from _telling(item)


def _is_sequence(dataset: Dataset, tag: BaseTag) -> bool:
    known = dictionary_VR(tag) if dictionary_has_tag(tag) else ""
    return tag == _PHILIPS_ENHANCED or "SQ" in (known, dataset.get_item(tag).VR)


def _upper(value: Any) -> str:
    """A text, several, or (of a private attribute in implicit VR) its bytes, in capitals."""
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    return (value if isinstance(value, str) else "\\".join(map(str, value or ()))).strip(" \0").upper()
