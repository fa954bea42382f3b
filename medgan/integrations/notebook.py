"""A scan and what medgan made of it in a notebook: two linked viewers of NiiVue, by its widget (`medgan[jupyter]`)."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from typing import Any

from medgan.contrasts import contrast
from medgan.errors import UsageError
from medgan.reports.figures import MARK
from medgan.reports.volumes import halvings, to_viewer
from medgan.scans import Scan, read_scan, scan_from_image
from medgan.scans.intensities import measure_intensities
from medgan.scans.nifti_file import description_of

_LINKED = {"2d": True, "crosshair": True, "zoom_pan": True, "slice_type": True}
_LOOKS = {
    "back_color": (0.0, 0.0, 0.0, 1.0),
    "crosshair_color": (0.95, 0.75, 0.2, 0.9),
    "is_radiological_convention": True,
    "sagittal_nose_left": True,
    "is_colorbar": False,
    "drag_and_drop_enabled": False,
    "view_mode_hot_key": "",  # which would show one of the two as a face
    "clip_plane_hot_key": "",
    "cycle_clip_plane_hot_key": "",
}
ERROR_SHOWN = 0.4
"""An expected error that is shown in the brightest colour, where none in the head is larger; 1 is the image's range."""
_COLOUR, _OPACITY = "warm", 0.25

Image = str | Path | Any


def side_by_side(source: Image, result: Image, *, uncertainty: Image | None = None, height: int = 400) -> Any:
    """Show a scan and what was made of it in a notebook, with one crosshair.

    Each is shown in the range of its head (percentiles 0.5 to 99.5), on its own grid, as 8 bits; voxels of large
    volumes are put together until 12 Mi are left. Nothing is fetched, and of the files' headers only the grid goes
    into the notebook: their voxels do, once the notebook is saved with its widgets.

    Args:
        source: a file, a DICOM folder, or a nibabel image.
        result: the same; what `medgan.synthesize` returned, or a file that it wrote.
        uncertainty: the map of expected errors beside the result (`medgan synthesize --uncertainty`), shown over it.
        height: of each viewer, in pixels.

    Returns:
        A widget: the last line of a cell shows it.

    Raises:
        UsageError: ipyniivue is not installed.
        InputRefusedError: an image cannot be read.

    Example:
        >>> t2 = medgan.synthesize("scan.nii.gz", target="t2")
        >>> side_by_side("scan.nii.gz", t2)
    """
    try:
        import ipywidgets
        from ipyniivue import NiiVue, ShowRender
    except ImportError as error:
        raise UsageError(
            "the viewer for notebooks is not installed", remedy='Install it: pip install "medgan[jupyter]".'
        ) from error
    figures, viewers = [], []
    for name, image, over in (("source", source, None), ("result", result, uncertainty)):
        scan = _scan(image)
        viewer = NiiVue(height=height, multiplanar_show_render=ShowRender.NEVER, **_LOOKS)
        viewer.load_volumes([_volume(scan)] + ([] if over is None else [_error(_scan(over))]))
        below = [] if over is None else [_slider(viewer.volumes[1])]
        caption = ipywidgets.HTML(_caption(scan, name))
        figures.append(ipywidgets.VBox([caption, viewer, *below], layout=ipywidgets.Layout(width="50%")))
        viewers.append(viewer)
    viewers[0].broadcast_to(viewers[1], _LINKED)
    viewers[1].broadcast_to(viewers[0], _LINKED)
    return ipywidgets.HBox(figures)


def _slider(overlay: Any) -> Any:
    """How much of the overlay is seen; it works without Python, too, in a page that a notebook was turned into."""
    import ipywidgets

    slider = ipywidgets.FloatSlider(
        value=overlay.opacity,
        min=0.0,
        max=1.0,
        step=0.05,
        description="expected error",
        readout=False,
        style={"description_width": "initial"},
    )
    ipywidgets.jslink((slider, "value"), (overlay, "opacity"))
    return slider


def _scan(image: Image) -> Scan:
    return read_scan(Path(image)) if isinstance(image, str | Path) else scan_from_image(image)


def _volume(scan: Scan) -> dict[str, Any]:
    low, _, high = measure_intensities(scan.voxels).percentiles
    return {"data": _packed(scan, low, high), "name": "image.nii.gz", "cal_min": low, "cal_max": high}


def _error(scan: Scan) -> dict[str, Any]:
    return {
        "data": _packed(scan, 0.0, ERROR_SHOWN),
        "name": "expected-error.nii.gz",
        "colormap": _COLOUR,
        "opacity": _OPACITY,
        "cal_min": 0.0,
        "cal_max": ERROR_SHOWN,
    }


def _packed(scan: Scan, low: float, high: float) -> bytes:
    return base64.b64decode(to_viewer(scan, low=low, high=high, halved=halvings(scan)))


def _caption(scan: Scan, name: str) -> str:
    """What is shown, without its name: that may be a person's."""
    if scan.source.facts.get("synthetic"):
        said = description_of(scan.header) if scan.header is not None else ""
        made = re.search(r"synthetic (\S+ from \S+)", said)
        return f"<b>{escape(made[1] if made else name)}</b> {escape(MARK)}"
    return f"<b>{escape(contrast(scan.contrast).label if scan.contrast else name)}</b>"
