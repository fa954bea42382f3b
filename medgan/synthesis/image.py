"""What `medgan.synthesize` returns: a nibabel image that notebooks show as a picture."""

from __future__ import annotations

from typing import Any

import nibabel

from medgan.scans import to_image
from medgan.synthesis.pictures import in_notebooks
from medgan.synthesis.synthesizer import Synthetic


class _Shown:
    """A nibabel image that has a picture of itself; what is cut or copied from it has none, and is shown as usual."""

    _html: str | None = None

    def _repr_html_(self) -> str | None:
        """What a notebook shows: source above result, the mark and the warnings."""
        return self._html


class SyntheticImage(_Shown, nibabel.Nifti1Image):  # type: ignore[misc]
    """A `nibabel.Nifti1Image`, with a picture for notebooks."""


class SyntheticImage2(_Shown, nibabel.Nifti2Image):  # type: ignore[misc]
    """As `SyntheticImage`, of a source that is NIfTI-2."""


def synthetic_image(synthetic: Synthetic) -> Any:
    """A result as a nibabel image on the source's own grid, with the source's header codes.

    Raises:
        OutputNotWrittenError: voxels that are not finite.
    """
    plain = to_image(synthetic.scan, description=synthetic.description)
    kind = SyntheticImage2 if isinstance(plain, nibabel.Nifti2Image) else SyntheticImage
    image = kind(plain.dataobj, plain.affine, plain.header)
    image._html = in_notebooks(synthetic)
    return image
