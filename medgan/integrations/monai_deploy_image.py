"""A synthetic scan as the `Image` of the MONAI Deploy App SDK: an array, and what its operators look for beside it."""

from __future__ import annotations

import numpy as np
from monai.deploy.core import Image

from medgan.errors import UsageError
from medgan.scans.dicom_geometry import arrange
from medgan.synthesis import Made


def image_of(made: Made) -> Image:
    """A synthetic scan of a DICOM series as the SDK's `Image`, with the metadata that the SDK's operators look for.

    Raises:
        UsageError: it was not made from DICOM.
    """
    series, slicing = made.opened.found.series, made.synthetic.scan.source.slicing
    if series is None or slicing is None:
        raise UsageError("only what was made from DICOM has an image of the App SDK")
    _, affine = arrange(series.planes)
    across, down, through = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    metadata = {
        "affine": affine,
        "space": "RAS",
        "nifti_affine_transform": affine,
        "dicom_affine_transform": np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine,
        # the SDK's inference takes the first for the distance along a row, whatever its name says
        "row_pixel_spacing": across,
        "col_pixel_spacing": down,
        "depth_pixel_spacing": through,
        "Modality": "MR",
        "SeriesInstanceUID": series.uid,
        "SeriesDescription": made.synthetic.description,
    }
    return Image(np.ascontiguousarray(slicing.pictures(made.synthetic.scan.voxels)), metadata)
