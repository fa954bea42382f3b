"""Open a scan and what medgan made of it in 3D Slicer: one above the other, linked, the expected error as an overlay.

    Slicer --python-script side_by_side.py scan.nii.gz t2.nii.gz [t2_desc-medganUncertainty.nii.gz]

Everything but loading works on Slicer's scene (MRML) alone, so that it also runs where Slicer has no window.
"""

from __future__ import annotations

import sys
from typing import Any

ERROR_SHOWN = 0.4
"""An expected error that is shown in the brightest colour; 1 is the range of the image."""
OVERLAY_OPACITY = 0.35


def arrange(scene: Any) -> None:
    """Three views over three: Red, Green, Yellow, and below them Red+, Green+, Yellow+."""
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutThreeOverThreeView)


def show(scene: Any, source: Any, result: Any, uncertainty: Any = None) -> None:
    """Put the source into the upper views and the result into the lower ones, and link them.

    Args:
        scene: Slicer's scene, arranged.
        source, result: volume nodes.
        uncertainty: the volume node of the expected error, shown over the result.
    """
    if uncertainty is not None:
        colour(scene, uncertainty)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        view = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        below = view.GetLayoutName().endswith("+")
        # First apart, then linked: a linked view hands on what is put into it to all others.
        view.SetLinkedControl(False)
        view.SetBackgroundVolumeID((result if below else source).GetID())
        view.SetForegroundVolumeID(uncertainty.GetID() if below and uncertainty is not None else None)
        view.SetForegroundOpacity(OVERLAY_OPACITY)
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode").SetLinkedControl(True)


def colour(scene: Any, uncertainty: Any) -> None:
    """Show an expected error from 0 to `ERROR_SHOWN` in colours of heat, and nothing where it is 0."""
    display = uncertainty.GetDisplayNode()
    heat = scene.GetFirstNodeByName("PET-Heat")
    if heat is not None:
        display.SetAndObserveColorNodeID(heat.GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, ERROR_SHOWN)
    display.SetAutoThreshold(False)
    display.SetLowerThreshold(1e-6)
    display.SetApplyThreshold(True)


def main(files: list[str]) -> None:
    """Load two or three files and show them."""
    if len(files) not in (2, 3):
        raise SystemExit("Give the scan, the result and, if there is one, the map of the expected error.")
    import slicer

    arrange(slicer.mrmlScene)
    volumes = [slicer.util.loadVolume(file, {"show": False}) for file in files]
    show(slicer.mrmlScene, *volumes)
    slicer.util.resetSliceViews()


if __name__ == "__main__":
    main(sys.argv[1:])
